import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectConserved, good, jsonPipeline, SpeedFixture } from './speed-fixture.ts'

let speed: SpeedFixture

afterEach(async () => {
  await speed[Symbol.asyncDispose]()
})

describe('bad input', () => {
  beforeEach(async () => {
    speed = await SpeedFixture.open({
      'http/pipeline.yml': jsonPipeline,
      'http/curated.sql': 'SELECT *, status // 100 AS status_class FROM input',
    })
  })

  const bad: readonly [string, string | Buffer, string][] = [
    ['malformed JSON', '{"ts":', 'malformed'],
    ['a JSON array', '[1, 2]', 'malformed'],
    ['a JSON string', '"text"', 'malformed'],
    ['a line of blanks', '   ', 'malformed'],
    ['text', 'GET / HTTP/1.1', 'malformed'],
    ['a word for a number', '{"host":"a","status":"many"}', 'wrong_type'],
    ['a fraction for an integer', '{"host":"a","status":200.5}', 'wrong_type'],
    ['a number that is too large', '{"host":"a","status":99999999999}', 'wrong_type'],
    ['a time that is none', '{"ts":"2026-02-30","host":"a","status":200}', 'wrong_type'],
    ['an endless time', '{"ts":"infinity","host":"a","status":200}', 'wrong_type'],
    ['a missing field', '{"ts":"2026-01-01","status":200}', 'check:has_host'],
    [
      'a value out of range',
      '{"ts":"2026-01-01","host":"a","status":999}',
      'check:status_in_range',
    ],
    ['no status', '{"ts":"2026-01-01","host":"a"}', 'check:status_in_range'],
    ['an empty record', '', 'empty'],
    ['a NUL byte', '{"host":"a\u0000b","status":200}', 'malformed'],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'invalid_utf8'],
    ['an over-long record', `{"host":"${'x'.repeat(5000)}","status":200}`, 'too_long'],
    ['a line break in the middle', '{"host":"a",\n"status":', 'malformed'],
  ]

  it.each([
    ['singly', 1_000_000],
    ['as lines of a file', 1],
  ])(
    'is rejected once with its reason and kept byte for byte, read %s',
    async (_, fileRecordsMin) => {
      for (const [index, [, value]] of bad.entries()) {
        await speed.produce('logs', 0, [good(index), value, good(index + 1)])
      }
      await speed.runToEnd({}, { fileRecordsMin })
      await expectConserved(speed, bad.length * 3)
      const rejected = await speed.lakeRows('http', 'rejected')
      expect(rejected.map((row) => [row['_offset'], row['reason']])).toEqual(
        bad.map(([, , reason], index) => [BigInt(index * 3 + 1), reason]),
      )
      for (const row of rejected) expect(row['detail']).toMatch(/\.$/)
      const raw = await speed.lakeRows('http', 'raw')
      bad.forEach(([, value], index) => {
        const kept = raw[index * 3 + 1]?.['value'] as { bytes: Uint8Array }
        expect(Buffer.from(kept.bytes ?? kept)).toEqual(Buffer.from(value))
      })
    },
  )

  it('is told apart from what is only unusual', async () => {
    await speed.produce('logs', 0, [
      '{"ts":"1970-01-01T00:00:00Z","host":"past","status":200}',
      '{"ts":"2262-01-01T00:00:00Z","host":"future","status":200}',
      '{"ts":"2026-01-01T00:00:00+02:00","host":"zoned","status":"200","more":{"a":[1]}}',
      '{"ts":null,"host":"null","status":200.0}',
      ' {"host":"b\\u00e4r","status":200}\r',
    ])
    await speed.runToEnd()
    const rows = await speed.lakeRows('http', 'curated')
    expect(rows.map((row) => row['host'])).toEqual(['past', 'future', 'zoned', 'null', 'bär'])
    expect(await speed.lakeRows('http', 'rejected')).toEqual([])
  })

  it('in the envelope of Filebeat is unwrapped', async () => {
    const envelope = (message: string) =>
      JSON.stringify({
        '@timestamp': '2026-01-01T00:00:00Z',
        '@metadata': { beat: 'filebeat' },
        message,
      })
    await speed.produce('logs', 0, [envelope(good(1)), envelope('no json'), good(2)])
    await speed.runToEnd()
    expect((await speed.lakeRows('http', 'curated')).map((row) => row['host'])).toEqual([
      'web-1',
      'web-2',
    ])
    expect((await speed.lakeRows('http', 'rejected')).map((row) => row['reason'])).toEqual([
      'malformed',
    ])
  })

  it('keeps keys, headers and timestamps in raw', async () => {
    const value = Buffer.from(good(1))
    await speed.produce('logs', 1, [
      {
        value,
        key: randomBytes(4),
        headers: { 'source.id': 'a', 'source.offset': '7' },
        timestampMs: 1_700_000_000_123,
      },
      { value },
    ])
    await speed.runToEnd()
    const [first, second] = await speed.lakeRows('http', 'raw')
    expect(JSON.parse(first?.['headers'] as string)).toEqual({
      'source.id': 'a',
      'source.offset': '7',
    })
    expect(first?.['_timestamp']).toEqual(new Date(1_700_000_000_123))
    expect(first?.['key']).not.toBeNull()
    expect(second?.['headers']).toBeNull()
    expect(second?.['key']).toBeNull()
  })
})

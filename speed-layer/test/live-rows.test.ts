import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SpeedProgress } from '../progress.ts'
import { jsonPipeline, SpeedFixture } from './speed-fixture.ts'

/**
 * Strategy: records of every kind, in batches of any size, are shown by the live statement and later
 * brought to the lake by way of tables. Oracle: the other way; the rows must be the same.
 */
const record = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({
        ts: fc.constantFrom('2026-01-01T10:00:00.123456Z', '1970-01-01', '2026-02-30', null),
        host: fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constant(null)),
        status: fc.oneof(fc.integer({ min: 90, max: 610 }), fc.constantFrom('200', '2e2', 1.5)),
        ratio: fc.oneof(fc.double(), fc.constantFrom('inf', 0.1, -0)),
      })
      .map((fields) => JSON.stringify(fields)),
  },
  { weight: 1, arbitrary: fc.constantFrom('{}', 'bad', '', '[1]', '{"host":"a","status":200}\r') },
)

it('are the rows that the lake gets', async () => {
  const batches = fc.array(fc.array(record, { minLength: 1, maxLength: 30 }), {
    minLength: 1,
    maxLength: 6,
  })
  const property = fc.asyncProperty(batches, async (values) => {
    await using speed = await SpeedFixture.open({
      'http/pipeline.yml': jsonPipeline,
      'http/curated.sql': `SELECT *, 10 // (status - 200) AS quotient, upper(host) AS host_2 FROM input`,
    })
    for (const [index, each] of values.entries()) await speed.produce('logs', index % 2, each)
    const start = new Map([
      [0, 0n],
      [1, 0n],
    ])
    await speed.runToEnd({}, { lakeCommitIntervalMs: 60_000, shutdownCommitMs: 0 })
    const hot = await speed.hotRows('http', start)
    speed.progress = new SpeedProgress()
    await speed.runToEnd()
    const lake = await speed.lakeRows('http', 'curated')
    // A reader of folders takes their names for dates.
    const withTexts = lake.map((row) => ({ ...row, dt: day(row['dt']) }))
    expect(hot.sort(byCoordinates)).toEqual(withTexts)
    expect(await speed.lakeRows('http', 'raw')).toHaveLength(values.flat().length)
  })
  await fc.assert(property, { numRuns: 15 })
})

it('leaves long records that it has no memory for to the tables', async () => {
  await using speed = await SpeedFixture.open({
    'http/pipeline.yml': jsonPipeline,
    'http/curated.sql': 'SELECT * FROM input',
  })
  const host = 'x'.repeat(900_000)
  const values = Array.from({ length: 20 }, () => JSON.stringify({ host, status: 200 }))
  await speed.produce('logs', 0, values)
  await speed.runToEnd({}, { recordBytesMax: 1 << 20, fileRecordsMin: 2000 })
  const lengths = (await speed.lakeRows('http', 'curated')).map((row) => `${row['host']}`.length)
  expect(lengths).toEqual(values.map(() => host.length))
})

function day(date: unknown): unknown {
  return date instanceof Date ? date.toISOString().slice(0, 10) : date
}

function byCoordinates(a: Record<string, unknown>, b: Record<string, unknown>): number {
  const order = Number(a['_partition']) - Number(b['_partition'])
  return order === 0 ? Number(a['_offset']) - Number(b['_offset']) : order
}

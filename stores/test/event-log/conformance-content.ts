/** What comes back is what went in, and batches know whether they can be read as lines. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { readAll, recordsOf, textRecords, textsOf } from './batch-helpers.ts'
import { atOnce, start, type WithTopic } from './harness.ts'

const lineSafety: readonly [string, boolean, readonly Buffer[]][] = [
  ['plain ASCII', true, [Buffer.from('a'), Buffer.from('{"b":1}')]],
  ['a letter of two bytes', true, [Buffer.from('é'), Buffer.from('日本 🙂')]],
  ['a tab', true, [Buffer.from('a\tb')]],
  ['an empty value', false, [Buffer.from('a'), Buffer.alloc(0)]],
  ['only an empty value', false, [Buffer.alloc(0)]],
  ['a newline in a value', false, [Buffer.from('a\nb')]],
  ['a newline at the end of a value', false, [Buffer.from('a\n'), Buffer.from('b')]],
  [
    'an empty value and a newline that make up for each other',
    false,
    [Buffer.from('\n'), Buffer.from('b')],
  ],
  ['a carriage return', false, [Buffer.from('a\r')]],
  ['NUL', false, [Buffer.from('a\0b')]],
  ['the byte 1', false, [Buffer.from('a\x01b')]],
  ['a byte that is no UTF-8', false, [Buffer.from([0x61, 0xff])]],
  ['a letter cut in two records', false, [Buffer.from([0xc3]), Buffer.from([0xa9])]],
]

export function describeContent(withTopic: WithTopic): void {
  test.each(lineSafety)('%s: line safe is %s', async (_title, isLineSafe, values) => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(
      0,
      0,
      values.map((value) => ({ value })),
    )
    const batches = await log.read(topic, start, atOnce)
    expect(batches.map((batch) => batch.isLineSafe)).toEqual([isLineSafe])
    expect(recordsOf(batches).map(({ value }) => value)).toEqual(values)
  })

  test('values cut from one piece of memory and values from many come back the same', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const chunk = Buffer.from('one\ntwo\n\nfour;five\nsix')
    const values = [
      chunk.subarray(0, 3),
      chunk.subarray(4, 7),
      chunk.subarray(8, 8),
      chunk.subarray(9, 13),
      chunk.subarray(14, 18),
      Buffer.from('alone'),
      chunk.subarray(19, 22),
      chunk.subarray(0, 3),
    ]
    await producer.append(
      0,
      0,
      values.map((value) => ({ value })),
    )
    expect(textsOf(await readAll(log, topic, start))).toEqual([
      'one',
      'two',
      '',
      'four',
      'five',
      'alone',
      'six',
      'one',
    ])
  })

  test('any bytes come back as they were', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const values = [
      Buffer.from(Uint8Array.from({ length: 256 }, (_byte, index) => index)),
      Buffer.from('\n\n\r\n'),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.alloc(0),
    ]
    await producer.append(
      0,
      0,
      values.map((value) => ({ value })),
    )
    expect((await readAll(log, topic, start)).map(({ value }) => value)).toEqual(values)
  })

  test('keys, headers and timestamps come back with their records', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const beforeMs = Date.now()
    await producer.append(0, 0, [
      { value: Buffer.from('a'), key: Buffer.from([0, 1]), timestampMs: 123 },
      {
        value: Buffer.from('b'),
        headers: { 'source.id': 'é', 'source.offset': '12' },
        timestampMs: 456,
      },
      { value: Buffer.from('c') },
    ])
    const [a, b, c] = await readAll(log, topic, start)
    expect(a).toMatchObject({ key: Buffer.from([0, 1]), headers: null, timestampMs: 123 })
    expect(b).toMatchObject({
      key: null,
      headers: { 'source.id': 'é', 'source.offset': '12' },
      timestampMs: 456,
    })
    expect(c).toMatchObject({ key: null, headers: null })
    expect(c?.timestampMs).toBeGreaterThanOrEqual(beforeMs)
  })

  test('a batch without keys and headers says so', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(
      0,
      0,
      textRecords('a', 'b').map((record) => ({ ...record, timestampMs: 7 })),
    )
    const [batch] = await log.read(topic, start, atOnce)
    expect(batch).toMatchObject({ keys: null, headers: null, timestampsMs: 7 })
  })
}

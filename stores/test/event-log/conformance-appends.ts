/** Topics and appends, as every event log does them. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { readAll, textRecords, textsOf } from './batch-helpers.ts'
import { atOnce, start, type WithTopic } from './harness.ts'

export function describeTopics(withTopic: WithTopic): void {
  test('a topic keeps its number of partitions', async () => {
    const { harness, log, topic } = await withTopic(3)
    await using _ = harness
    await log.ensureTopic(topic, 3)
    expect(await log.partitionCount(topic)).toBe(3)
    await expect(log.ensureTopic(topic, 4)).rejects.toMatchObject({ code: 'TOPIC_MISMATCH' })
    const other = await harness.another()
    expect(await other.partitionCount(topic)).toBe(3)
    await other[Symbol.asyncDispose]()
  })

  test('a topic that nobody created is unknown', async () => {
    const { harness, log } = await withTopic(1)
    await using _ = harness
    const missing = `missing-${randomUUID()}`
    await expect(log.partitionCount(missing)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(log.producer(missing, 'me')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(log.bounds(missing)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(log.read(missing, start, atOnce)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })

  test('a partition that the topic does not have is unknown', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await expect(producer.append(2, 0, textRecords('a'))).rejects.toMatchObject({
      code: 'TOPIC_UNKNOWN',
    })
  })

  test('bounds name every partition and grow with appends', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(1, 0, textRecords('a', 'b', 'c'))
    const { earliest, latest } = await log.bounds(topic)
    expect([...earliest]).toEqual([
      [0, 0n],
      [1, 0n],
    ])
    expect([...latest]).toEqual([
      [0, 0n],
      [1, 3n],
    ])
  })
}

export function describeAppends(withTopic: WithTopic): void {
  test('records come back in the order of their appends', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    expect(await producer.append(0, 0, textRecords('a', 'b'))).toEqual({
      partition: 0,
      from: 0n,
      until: 2n,
    })
    await producer.append(0, 1, textRecords('c'))
    const records = await readAll(log, topic, start)
    expect(textsOf(records)).toEqual(['a', 'b', 'c'])
    expect(records.map(({ offset }) => offset)).toEqual([0n, 1n, 2n])
  })

  test('an append that is repeated returns the first outcome and appends nothing', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    const producerId = randomUUID()
    await using producer = await log.producer(topic, producerId)
    const first = await producer.append(0, 0, textRecords('a', 'b'))
    expect(await producer.append(0, 0, textRecords('a', 'b'))).toEqual(first)
    const second = await producer.append(0, 1, textRecords('c'))
    expect(await producer.append(0, 1, textRecords('c'))).toEqual(second)
    // A restarted producer of the same name repeats what it had not seen acknowledged.
    const other = await harness.another()
    await using restarted = await other.producer(topic, producerId)
    expect(await restarted.append(0, 1, textRecords('c'))).toEqual(second)
    expect(textsOf(await readAll(log, topic, start))).toEqual(['a', 'b', 'c'])
    await other[Symbol.asyncDispose]()
  })

  test('an append that leaves a sequence out is refused, and goes through after it', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(0, 0, textRecords('a'))
    await expect(producer.append(0, 2, textRecords('c'))).rejects.toMatchObject({
      code: 'LEASE_LOST',
    })
    // A call without records counts too, and has an outcome of its own.
    const empty = await producer.append(0, 1, [])
    expect(empty).toEqual({ partition: 0, from: 1n, until: 1n })
    await producer.append(0, 2, textRecords('c'))
    expect(await producer.append(0, 1, [])).toEqual(empty)
    expect(textsOf(await readAll(log, topic, start))).toEqual(['a', 'c'])
  })

  test('sequences of different partitions and producers are apart', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using one = await log.producer(topic, randomUUID())
    await using two = await log.producer(topic, randomUUID())
    await one.append(0, 0, textRecords('one'))
    await one.append(1, 0, textRecords('one'))
    await two.append(0, 0, textRecords('two'))
    const records = await readAll(
      log,
      topic,
      new Map([
        [0, 0n],
        [1, 0n],
      ]),
    )
    expect(textsOf(records).sort((a, b) => a.localeCompare(b))).toEqual(['one', 'one', 'two'])
  })

  test('concurrent producers interleave whole batches and lose nothing', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    const other = await harness.another()
    const ranges = await Promise.all(
      [log, other, log, other].map(async (one, id) => {
        await using producer = await one.producer(topic, randomUUID())
        const own = []
        for (let sequence = 0; sequence < 10; sequence += 1) {
          own.push(
            await producer.append(
              0,
              sequence,
              textRecords(`${id}.${sequence}.0`, `${id}.${sequence}.1`),
            ),
          )
        }
        return own
      }),
    )
    const texts = textsOf(await readAll(log, topic, start))
    expect(texts).toHaveLength(80)
    for (const [id, own] of ranges.entries()) {
      for (const [sequence, { from, until }] of own.entries()) {
        expect(texts.slice(Number(from), Number(until))).toEqual([
          `${id}.${sequence}.0`,
          `${id}.${sequence}.1`,
        ])
      }
    }
    await other[Symbol.asyncDispose]()
  })

  test('a record above the limit refuses its append as a whole', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const records = [...textRecords('a'), { value: Buffer.alloc(harness.recordBytesMax + 1, 'x') }]
    await expect(producer.append(0, 0, records)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    await producer.append(0, 0, [{ value: Buffer.alloc(harness.recordBytesMax, 'x') }])
    const read = await readAll(log, topic, start)
    expect(read.map(({ value }) => value.length)).toEqual([harness.recordBytesMax])
  })
}

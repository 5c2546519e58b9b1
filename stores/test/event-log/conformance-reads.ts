/** Reads, as every event log does them. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { readAll, recordsOf, textRecords, textsOf } from './batch-helpers.ts'
import { atOnce, start, type WithTopic } from './harness.ts'

export function describeReads(withTopic: WithTopic): void {
  test('a read from inside a batch begins with the record asked for', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const records = ['a', 'bb', '', 'dddd'].map((text, index) => ({
      value: Buffer.from(text),
      key: Buffer.from(`key ${index}`),
      headers: { index: `${index}` },
      timestampMs: 1_000 + index,
    }))
    await producer.append(0, 0, textRecords('before'))
    await producer.append(0, 1, records)
    for (let skipped = 0; skipped < records.length; skipped += 1) {
      const from = 1n + BigInt(skipped)
      const [batch] = await log.read(topic, new Map([[0, from]]), atOnce)
      expect(batch?.from).toBe(from)
      const read = recordsOf(batch === undefined ? [] : [batch])
      expect(read).toEqual(
        records
          .slice(skipped)
          .map((record, index) => ({ ...record, partition: 0, offset: from + BigInt(index) })),
      )
    }
  })

  test('a read at the end is empty and one above it is refused', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(0, 0, textRecords('a'))
    expect(await log.read(topic, new Map([[0, 1n]]), atOnce)).toEqual([])
    await expect(log.read(topic, new Map([[0, 2n]]), atOnce)).rejects.toMatchObject({
      code: 'COVERAGE_HOLE',
    })
  })

  test('a read returns at least one batch and beyond it no more than the limit', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 5; sequence += 1) {
      await producer.append(0, sequence, [{ value: Buffer.alloc(999, 'x') }])
    }
    const sizes = async (bytesMax: number) =>
      (await log.read(topic, start, { bytesMax, waitMs: 0 })).reduce(
        (sum, { block }) => sum + block.length,
        0,
      )
    expect(await sizes(1)).toBe(1_000)
    expect(await sizes(3_000)).toBe(3_000)
    expect(await sizes(3_999)).toBe(3_000)
    expect(await sizes(100_000)).toBe(5_000)
    expect(await readAll(log, topic, start, 1)).toHaveLength(5)
  })

  test('a busy partition does not keep the others from their turn', async () => {
    const { harness, log, topic } = await withTopic(3)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 20; sequence += 1) {
      await producer.append(0, sequence, [{ value: Buffer.alloc(999, 'x') }])
    }
    await producer.append(1, 0, textRecords('one'))
    await producer.append(2, 0, textRecords('two'))
    const positions = new Map([
      [0, 0n],
      [1, 0n],
      [2, 0n],
    ])
    const seen = new Set<number>()
    for (let reads = 0; reads < 3; reads += 1) {
      for (const { partition, until } of await log.read(topic, positions, {
        bytesMax: 1,
        waitMs: 0,
      })) {
        seen.add(partition)
        positions.set(partition, until)
      }
    }
    expect(seen).toEqual(new Set([0, 1, 2]))
  })

  test('batches of a read ascend within each partition', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 4; sequence += 1) {
      for (const partition of [0, 1])
        await producer.append(partition, sequence, textRecords('a', 'b'))
    }
    const batches = await log.read(
      topic,
      new Map([
        [0, 1n],
        [1, 0n],
      ]),
      atOnce,
    )
    for (const partition of [0, 1]) {
      const own = batches.filter((batch) => batch.partition === partition)
      expect(own[0]?.from).toBe(partition === 0 ? 1n : 0n)
      expect(own.at(-1)?.until).toBe(8n)
      for (const [index, batch] of own.slice(1).entries())
        expect(batch.from).toBe(own[index]?.until)
    }
  })

  test('a waiting read is woken by an append of its own and of another user', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    const other = await harness.another()
    for (const [index, one] of [log, other].entries()) {
      await using producer = await one.producer(topic, randomUUID())
      const waiting = log.read(topic, new Map([[0, BigInt(index)]]), {
        bytesMax: 1 << 20,
        waitMs: 20_000,
      })
      await producer.append(0, 0, textRecords(`from ${index}`))
      expect(textsOf(recordsOf(await waiting))).toEqual([`from ${index}`])
    }
    await other[Symbol.asyncDispose]()
  })

  test('a waiting read ends empty when its time is over or its signal aborts', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    expect(await log.read(topic, start, { bytesMax: 1, waitMs: 30 })).toEqual([])
    const controller = new AbortController()
    const waiting = log.read(topic, start, {
      bytesMax: 1,
      waitMs: 20_000,
      signal: controller.signal,
    })
    controller.abort()
    expect(await waiting).toEqual([])
    expect(
      await log.read(topic, start, { bytesMax: 1, waitMs: 20_000, signal: controller.signal }),
    ).toEqual([])
  })

  test('what retention deleted is a hole, never a silent gap', async ({ skip }) => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    if (harness.expire === undefined) return skip('the harness cannot make records expire')
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 4; sequence += 1) {
      await producer.append(0, sequence, textRecords('a', 'b'))
    }
    await harness.expire(topic)
    const { earliest, latest } = await log.bounds(topic)
    expect(earliest.get(0)).toBe(6n)
    expect(earliest.get(1)).toBe(0n)
    expect(latest.get(0)).toBe(8n)
    await expect(log.read(topic, new Map([[0, 5n]]), atOnce)).rejects.toMatchObject({
      code: 'COVERAGE_HOLE',
    })
    expect(await readAll(log, topic, new Map([[0, 6n]]))).toHaveLength(2)
  })
}

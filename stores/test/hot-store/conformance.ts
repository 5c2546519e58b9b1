/**
 * What every adapter of the hot store does. `makeStore` gives a harness per test; pipelines have fresh
 * names, so that the suite can run against a server that others use.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HotRange, HotStore } from '../../hot-store/port.ts'

export interface HotStoreHarness extends AsyncDisposable {
  readonly store: HotStore
}

export function describeHotStore(name: string, makeStore: () => Promise<HotStoreHarness>): void {
  describe(`hot store: ${name}`, () => {
    const withPipeline = async () => {
      const harness = await makeStore()
      return { harness, store: harness.store, pipeline: `pipeline-${randomUUID()}` }
    }
    describeAppends(withPipeline)
    describeReads(withPipeline)
    describeForgetting(withPipeline)
    describeModel(withPipeline)
  })
}

type WithPipeline = () => Promise<{
  harness: HotStoreHarness
  store: HotStore
  pipeline: string
}>

const atOnce = { bytesMax: 1 << 20, waitMs: 0 }

export function hotRange(partition: number, from: number, until: number, bytes = 3): HotRange {
  return {
    partition,
    from: BigInt(from),
    until: BigInt(until),
    rowCount: bytes === 0 ? 0 : until - from,
    timestampMsMax: 1_000 + until,
    rows: Buffer.alloc(bytes, `${from}`),
  }
}

function describeAppends(withPipeline: WithPipeline): void {
  test('a store that was never written has no ends', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    expect(await store.ends(pipeline)).toEqual(new Map())
    expect(await store.read(pipeline, new Map([[0, 0n]]), atOnce)).toEqual([])
  })

  test('the first range of a partition may begin anywhere, the next one only at the end', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    expect(await store.append(pipeline, hotRange(0, 5, 8))).toEqual({ kind: 'appended' })
    expect(await store.append(pipeline, hotRange(0, 8, 9))).toEqual({ kind: 'appended' })
    expect(await store.append(pipeline, hotRange(1, 0, 2))).toEqual({ kind: 'appended' })
    expect(await store.ends(pipeline)).toEqual(
      new Map([
        [0, 9n],
        [1, 2n],
      ]),
    )
  })

  test('a range that leaves a hole, repeats or overlaps is refused and changes nothing', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 5, 8))
    for (const [from, until] of [
      [9, 10],
      [5, 8],
      [7, 9],
      [0, 5],
    ] as const) {
      expect(await store.append(pipeline, hotRange(0, from, until))).toEqual({
        kind: 'refused',
        end: 8n,
      })
    }
    expect(await store.read(pipeline, new Map([[0, 0n]]), atOnce)).toEqual([hotRange(0, 5, 8)])
  })

  test('of writers that race for the same offsets exactly one wins', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 0, 1))
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_writer, index) =>
        store.append(pipeline, hotRange(0, 1, 2 + index)),
      ),
    )
    expect(outcomes.filter(({ kind }) => kind === 'appended')).toHaveLength(1)
    const ends = await store.ends(pipeline)
    for (const outcome of outcomes) {
      if (outcome.kind === 'refused') expect(outcome.end).toBe(ends.get(0))
    }
  })

  test('a range without rows moves the end', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 0, 4, 0))
    await store.append(pipeline, hotRange(0, 4, 5))
    expect(await store.read(pipeline, new Map([[0, 0n]]), atOnce)).toEqual([
      hotRange(0, 0, 4, 0),
      hotRange(0, 4, 5),
    ])
  })

  test('pipelines do not see each other', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 0, 1))
    await store.append(`${pipeline}-b`, hotRange(0, 7, 9))
    expect(await store.ends(pipeline)).toEqual(new Map([[0, 1n]]))
    await store.trim(`${pipeline}-b`, new Map([[0, 9n]]))
    expect(await store.read(pipeline, new Map([[0, 0n]]), atOnce)).toHaveLength(1)
  })
}

function describeReads(withPipeline: WithPipeline): void {
  test('a read gives whole ranges that end above the position, in order', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    const ranges = [hotRange(0, 0, 3), hotRange(0, 3, 6), hotRange(0, 6, 7)]
    for (const range of ranges) await store.append(pipeline, range)
    const read = (position: bigint) => store.read(pipeline, new Map([[0, position]]), atOnce)
    expect(await read(0n)).toEqual(ranges)
    expect(await read(3n)).toEqual(ranges.slice(1))
    expect(await read(4n)).toEqual(ranges.slice(1))
    expect(await read(7n)).toEqual([])
    expect(await read(100n)).toEqual([])
  })

  test('a read gives only the partitions that were asked for', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 0, 1))
    await store.append(pipeline, hotRange(1, 0, 1))
    const ranges = await store.read(pipeline, new Map([[1, 0n]]), atOnce)
    expect(ranges).toEqual([hotRange(1, 0, 1)])
  })

  test('a read is limited in bytes but gives at least one range', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    for (let from = 0; from < 10; from += 1) {
      await store.append(pipeline, hotRange(0, from, from + 1, 10_000))
    }
    const count = async (bytesMax: number) =>
      (await store.read(pipeline, new Map([[0, 0n]]), { bytesMax, waitMs: 0 })).length
    expect(await count(1)).toBe(1)
    expect(await count(55_000)).toBeLessThanOrEqual(5)
    expect(await count(1 << 20)).toBe(10)
  })

  test('a waiting read is woken by an append', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    const waiting = store.read(pipeline, new Map([[0, 0n]]), { bytesMax: 1, waitMs: 20_000 })
    await store.append(pipeline, hotRange(0, 0, 1))
    expect(await waiting).toEqual([hotRange(0, 0, 1)])
  })

  test('a waiting read ends empty when its time is over or its signal aborts', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    const positions = new Map([[0, 0n]])
    expect(await store.read(pipeline, positions, { bytesMax: 1, waitMs: 20 })).toEqual([])
    const controller = new AbortController()
    const limits = { bytesMax: 1, waitMs: 20_000, signal: controller.signal }
    const waiting = store.read(pipeline, positions, limits)
    controller.abort()
    expect(await waiting).toEqual([])
    expect(await store.read(pipeline, positions, limits)).toEqual([])
  })
}

function describeForgetting(withPipeline: WithPipeline): void {
  test('trimming drops whole ranges only and keeps the end', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 0, 3))
    await store.append(pipeline, hotRange(0, 3, 6))
    await store.trim(pipeline, new Map([[0, 5n]]))
    const positions = new Map([[0, 0n]])
    expect(await store.read(pipeline, positions, atOnce)).toEqual([hotRange(0, 3, 6)])
    await store.trim(pipeline, new Map([[0, 6n]]))
    expect(await store.read(pipeline, positions, atOnce)).toEqual([])
    expect(await store.ends(pipeline)).toEqual(new Map([[0, 6n]]))
    expect(await store.append(pipeline, hotRange(0, 5, 7))).toEqual({ kind: 'refused', end: 6n })
    expect(await store.append(pipeline, hotRange(0, 6, 7))).toEqual({ kind: 'appended' })
  })

  test('trimming twice, too far or an unknown partition is harmless', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 0, 3))
    for (let times = 0; times < 2; times += 1) {
      await store.trim(
        pipeline,
        new Map([
          [0, 100n],
          [4, 7n],
        ]),
      )
    }
    expect((await store.ends(pipeline)).get(0)).toBe(3n)
    expect(await store.append(pipeline, hotRange(0, 3, 4))).toEqual({ kind: 'appended' })
  })

  test('a reset forgets the partition and sets its end', async () => {
    const { harness, store, pipeline } = await withPipeline()
    await using _ = harness
    await store.append(pipeline, hotRange(0, 0, 3))
    await store.append(pipeline, hotRange(1, 0, 3))
    await store.reset(pipeline, 0, 50n)
    await store.reset(pipeline, 2, 9n)
    expect(await store.ends(pipeline)).toEqual(
      new Map([
        [0, 50n],
        [1, 3n],
        [2, 9n],
      ]),
    )
    expect(await store.append(pipeline, hotRange(0, 3, 4))).toEqual({ kind: 'refused', end: 50n })
    await store.append(pipeline, hotRange(0, 50, 51))
    await store.append(pipeline, hotRange(2, 9, 10))
    const positions = new Map([
      [0, 0n],
      [1, 0n],
      [2, 0n],
    ])
    expect(await store.read(pipeline, positions, atOnce)).toEqual([
      hotRange(0, 50, 51),
      hotRange(1, 0, 3),
      hotRange(2, 9, 10),
    ])
  })
}

/**
 * Strategy: random appends (some at the wrong place), trims, resets and reads of two partitions.
 * Invariants: outcomes, ends and what is read equal a list of ranges per partition.
 */
function describeModel(withPipeline: WithPipeline): void {
  const command = fc.record({
    kind: fc.constantFrom('append', 'append', 'append', 'trim', 'reset', 'read'),
    partition: fc.integer({ min: 0, max: 1 }),
    shift: fc.constantFrom(0, 0, 0, 0, -1, 1),
    length: fc.integer({ min: 1, max: 4 }),
  })

  test('random use agrees with a model', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
        const { harness, store, pipeline } = await withPipeline()
        await using _ = harness
        const model = new Map<number, { end: bigint; ranges: HotRange[] }>()
        for (const { kind, partition, shift, length } of commands) {
          const known = model.get(partition)
          const at = Number(known?.end ?? 3n) + shift
          if (kind === 'append') {
            const range = hotRange(partition, at, at + length)
            const isExpected = known === undefined || known.end === range.from
            expect(await store.append(pipeline, range)).toEqual(
              isExpected ? { kind: 'appended' } : { kind: 'refused', end: known.end },
            )
            const ranges = known?.ranges ?? []
            if (isExpected) model.set(partition, { end: range.until, ranges: [...ranges, range] })
          } else if (kind === 'trim') {
            const offset = BigInt(at - length)
            await store.trim(pipeline, new Map([[partition, offset]]))
            if (known !== undefined)
              known.ranges = known.ranges.filter(({ until }) => until > offset)
          } else if (kind === 'reset') {
            const end = BigInt(at + length)
            await store.reset(pipeline, partition, end)
            model.set(partition, { end, ranges: [] })
          } else {
            const position = BigInt(at - length)
            const expected = known?.ranges.filter(({ until }) => until > position) ?? []
            const positions = new Map([[partition, position]])
            expect(await store.read(pipeline, positions, atOnce)).toEqual(expected)
          }
        }
        expect(await store.ends(pipeline)).toEqual(
          new Map([...model].map(([partition, { end }]) => [partition, end])),
        )
      }),
      { numRuns: 60 },
    )
  })
}

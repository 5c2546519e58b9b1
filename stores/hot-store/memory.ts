/**
 * The hot store in this process's memory: for `up`, where speed and serving layer live together. It is
 * empty after a restart; the speed layer refills it from the event log.
 *
 * Memory is bounded. What makes room is `trim`, and the one who trims is the worker that appends, after
 * a lake commit. An append that waited for ever for room could therefore wait for itself. So it waits
 * at most `fullWaitMs`, which is enough when the lake commit runs beside it, and then throws
 * HOT_STORE_UNAVAILABLE: the worker then commits to the lake, trims, and appends again. A range larger
 * than the whole store is taken when the store is empty, because no trim could ever make room for it.
 */
import { MillraceError } from '../../core/errors.ts'
import type { Offsets } from '../../core/offsets.ts'
import type { AppendOutcome, FollowLimits, HotRange, HotStore } from './port.ts'

interface MemoryHotStoreOptions {
  /** Most bytes of rows that are held at once. */
  readonly bytesMax: number
  /** How long an append waits for room before it throws. */
  readonly fullWaitMs?: number
}

interface Partition {
  end: bigint
  /** Ascending and contiguous up to `end`. */
  ranges: HotRange[]
}

/** What a range costs besides its rows. */
const rangeBytes = 128

export function createMemoryHotStore(options: MemoryHotStoreOptions): HotStore {
  return new MemoryHotStore(options.bytesMax, options.fullWaitMs ?? 1_000)
}

class MemoryHotStore implements HotStore {
  readonly #bytesMax: number
  readonly #fullWaitMs: number
  readonly #pipelines = new Map<string, Map<number, Partition>>()
  readonly #readers = new Set<() => void>()
  readonly #writers = new Set<() => void>()
  #bytes = 0
  #turn = 0
  #isClosed = false

  constructor(bytesMax: number, fullWaitMs: number) {
    this.#bytesMax = bytesMax
    this.#fullWaitMs = fullWaitMs
  }

  async ends(pipeline: string): Promise<Offsets> {
    const partitions = this.#pipelines.get(pipeline) ?? new Map<number, Partition>()
    return new Map([...partitions].map(([partition, { end }]) => [partition, end]))
  }

  async append(pipeline: string, range: HotRange): Promise<AppendOutcome> {
    const bytes = bytesOf(range)
    const deadlineMs = performance.now() + this.#fullWaitMs
    for (;;) {
      this.#requireOpen()
      // Looked at on every turn: another append may have moved the end while this one waited.
      const end = this.#partition(pipeline, range.partition)?.end
      if (end !== undefined && end !== range.from) return { kind: 'refused', end }
      if (this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax) break
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) throw full(this.#bytesMax)
      await sleep(this.#writers, leftMs, undefined)
    }
    this.#store(pipeline, range, bytes)
    return { kind: 'appended' }
  }

  async read(pipeline: string, positions: Offsets, limits: FollowLimits): Promise<HotRange[]> {
    const deadlineMs = performance.now() + limits.waitMs
    for (;;) {
      if (limits.signal?.aborted || this.#isClosed) return []
      const ranges = this.#take(pipeline, positions, limits.bytesMax)
      const leftMs = deadlineMs - performance.now()
      if (ranges.length > 0 || leftMs <= 0) return ranges
      await sleep(this.#readers, leftMs, limits.signal)
    }
  }

  async trim(pipeline: string, offsets: Offsets): Promise<void> {
    for (const [partition, offset] of offsets) {
      const stored = this.#partition(pipeline, partition)
      if (stored !== undefined) this.#drop(stored, firstAbove(stored.ranges, offset))
    }
    wakeAll(this.#writers)
  }

  async reset(pipeline: string, partition: number, end: bigint): Promise<void> {
    const stored = this.#partition(pipeline, partition)
    if (stored === undefined) {
      this.#create(pipeline, partition, end)
    } else {
      this.#drop(stored, stored.ranges.length)
      stored.end = end
    }
    wakeAll(this.#writers)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#pipelines.clear()
    this.#bytes = 0
    wakeAll(this.#readers)
    wakeAll(this.#writers)
  }

  #requireOpen(): void {
    if (this.#isClosed)
      throw new MillraceError(
        'HOT_STORE_UNAVAILABLE',
        'Call refused: the hot store has been closed.',
      )
  }

  #partition(pipeline: string, partition: number): Partition | undefined {
    return this.#pipelines.get(pipeline)?.get(partition)
  }

  #create(pipeline: string, partition: number, end: bigint): Partition {
    const partitions = this.#pipelines.get(pipeline) ?? new Map<number, Partition>()
    this.#pipelines.set(pipeline, partitions)
    const created: Partition = { end, ranges: [] }
    partitions.set(partition, created)
    return created
  }

  #store(pipeline: string, range: HotRange, bytes: number): void {
    const stored =
      this.#partition(pipeline, range.partition) ??
      this.#create(pipeline, range.partition, range.from)
    stored.ranges.push(range)
    stored.end = range.until
    this.#bytes += bytes
    wakeAll(this.#readers)
  }

  #drop(stored: Partition, count: number): void {
    for (const range of stored.ranges.slice(0, count)) this.#bytes -= bytesOf(range)
    stored.ranges = stored.ranges.slice(count)
  }

  /** One range of each partition in turn, so that a long partition does not keep others waiting. */
  #take(pipeline: string, positions: Offsets, bytesMax: number): HotRange[] {
    const taken: HotRange[] = []
    let bytes = 0
    let open = [...positions].flatMap(([partition, position]) => {
      const ranges = this.#partition(pipeline, partition)?.ranges ?? []
      const next = firstAbove(ranges, position)
      return next < ranges.length ? [{ ranges, next }] : []
    })
    this.#turn += 1
    for (let turn = this.#turn; open.length > 0; turn += 1) {
      const cursor = open[turn % open.length]
      const range = cursor?.ranges[cursor.next]
      if (cursor === undefined || range === undefined) break
      bytes += bytesOf(range)
      if (taken.length > 0 && bytes > bytesMax) break
      taken.push(range)
      cursor.next += 1
      if (cursor.next === cursor.ranges.length) open = open.filter((other) => other !== cursor)
    }
    return taken.sort((a, b) => a.partition - b.partition || (a.from < b.from ? -1 : 1))
  }
}

function bytesOf(range: HotRange): number {
  return range.rows.length + rangeBytes
}

/** Index of the first range that ends above the offset. */
function firstAbove(ranges: readonly HotRange[], offset: bigint): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle]?.until ?? offset) > offset) high = middle
    else low = middle + 1
  }
  return low
}

function full(bytesMax: number): MillraceError {
  return new MillraceError(
    'HOT_STORE_UNAVAILABLE',
    `Append refused: the hot store holds its limit of ${bytesMax} bytes. Commit to the lake and trim, then append again.`,
    { details: { bytesMax } },
  )
}

function wakeAll(sleepers: Set<() => void>): void {
  for (const wake of [...sleepers]) wake()
}

/** Until woken, at most `ms`, or until `signal` aborts. */
function sleep(
  sleepers: Set<() => void>,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer)
      sleepers.delete(wake)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, ms)
    sleepers.add(wake)
    signal?.addEventListener('abort', wake, { once: true })
    if (signal?.aborted) wake()
  })
}

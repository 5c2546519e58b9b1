/** Reading the embedded log: whole batches, partition by partition in turn, waiting when there is none. */
import { MillraceError } from '../../core/errors.ts'
import type { Offsets } from '../../core/offsets.ts'
import { batchSummary, cutBatch, decodeBatch } from './batch-codec.ts'
import type { LogDatabase } from './embedded-database.ts'
import { baseOffsetOf, batchKey, type LogStore } from './embedded-keys.ts'
import { partitionState, requirePartition, type Topic } from './embedded-topics.ts'
import type { WakeUp } from './embedded-wake.ts'
import type { ReadLimits, RecordBatch } from './port.ts'

interface Peeked {
  readonly batch: RecordBatch
  readonly storedBytes: number
}

export class LogReader {
  readonly #database: LogDatabase
  readonly #wakeUp: WakeUp
  readonly #closing: AbortSignal
  /** A batch that was read but did not fit: the next read begins with it. */
  readonly #peeked = new Map<string, Peeked>()
  #turn = 0

  constructor(database: LogDatabase, wakeUp: WakeUp, closing: AbortSignal) {
    this.#database = database
    this.#wakeUp = wakeUp
    this.#closing = closing
  }

  async read(topic: Topic, positions: Offsets, limits: ReadLimits): Promise<RecordBatch[]> {
    for (const partition of positions.keys()) requirePartition(topic, partition)
    const deadlineMs = performance.now() + limits.waitMs
    for (;;) {
      if (limits.signal?.aborted || this.#closing.aborted) return []
      const ticket = limits.waitMs > 0 ? this.#wakeUp.ticket() : 0
      const { batches } = await this.#database.view(
        (store) => this.#take(store, topic, positions, limits.bytesMax),
        (taken) => taken.storedBytes,
      )
      const leftMs = deadlineMs - performance.now()
      if (batches.length > 0 || leftMs <= 0) return batches
      await this.#wakeUp.wait(ticket, leftMs, limits.signal)
    }
  }

  #take(store: LogStore, topic: Topic, positions: Offsets, bytesMax: number) {
    const batches: RecordBatch[] = []
    const cursors = [...positions].map(([partition, position]) => ({
      partition,
      position,
      end: checkedEnd(store, topic, partition, position),
    }))
    this.#turn += 1
    let storedBytes = 0
    let bytes = 0
    let open = cursors.filter(({ position, end }) => position < end)
    for (let turn = this.#turn; open.length > 0; turn += 1) {
      const cursor = open[turn % open.length]
      if (cursor === undefined) break
      const { batch, storedBytes: read } = this.#batchAt(store, topic, cursor)
      storedBytes += read
      bytes += batch.block.length
      if (batches.length > 0 && bytes > bytesMax) {
        this.#peeked.set(peekKey(topic, cursor.partition), { batch, storedBytes: 0 })
        break
      }
      batches.push(batch)
      cursor.position = batch.until
      if (cursor.position >= cursor.end) open = open.filter((other) => other !== cursor)
    }
    return { batches: ascending(batches), storedBytes }
  }

  #batchAt(
    store: LogStore,
    topic: Topic,
    { partition, position }: { readonly partition: number; readonly position: bigint },
  ): Peeked {
    const key = peekKey(topic, partition)
    const peeked = this.#peeked.get(key)
    this.#peeked.delete(key)
    if (peeked?.batch.from === position) return peeked
    const { base, stored } = storedBatchAt(store, topic, partition, position)
    return {
      batch: cutBatch(decodeBatch(stored, partition, base), position),
      storedBytes: stored.length,
    }
  }
}

function peekKey(topic: Topic, partition: number): string {
  return `${topic.id}/${partition}`
}

/** Batches of a partition stay in order; the order between partitions is by number. */
function ascending(batches: RecordBatch[]): RecordBatch[] {
  return batches.sort((a, b) => a.partition - b.partition || (a.from < b.from ? -1 : 1))
}

/** The partition's end, if the position can be read from. */
function checkedEnd(store: LogStore, topic: Topic, partition: number, position: bigint): bigint {
  const { earliest, end } = partitionState(store, topic, partition)
  if (position >= earliest && position <= end) return end
  const why =
    position < earliest
      ? `the log begins at ${earliest}: retention has deleted what was before`
      : `the log ends at ${end}: it is older than its reader, or another one`
  throw new MillraceError(
    'COVERAGE_HOLE',
    `Read refused: offset ${position} of partition ${partition} of '${topic.name}' is not in the event log; ${why}. Rebuild from the raw table or restore the log.`,
    { details: { partition, position, earliest, end } },
  )
}

/** The stored batch that holds an offset below the end. Mostly the position is where a batch begins. */
function storedBatchAt(
  store: LogStore,
  topic: Topic,
  partition: number,
  position: bigint,
): { base: bigint; stored: Buffer } {
  const exact = store.get(batchKey(topic.id, partition, position))
  if (exact !== undefined) return { base: position, stored: exact }
  const start = batchKey(topic.id, partition, position)
  const end = batchKey(topic.id, partition, 0n)
  for (const key of store.getKeys({ start, end, reverse: true, limit: 1, inclusiveEnd: true })) {
    const base = baseOffsetOf(key)
    const stored = store.get(batchKey(topic.id, partition, base))
    if (stored === undefined) break
    const { count } = batchSummary(stored, partition, base)
    if (position < base + BigInt(count)) return { base, stored }
  }
  throw new MillraceError(
    'EVENT_LOG_CORRUPT',
    `Read refused: offset ${position} of partition ${partition} of '${topic.name}' should be in the event log, but no batch holds it. Check the disk; restore the event log from a copy.`,
  )
}

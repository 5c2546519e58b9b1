/**
 * The event log: the ordered, durable record of everything that was ever received. Adapters:
 * `embedded.ts` (LMDB, several processes) and Kafka. Every adapter passes `conformance.ts`.
 */
import type { OffsetRange, Offsets } from '../../core/offsets.ts'

/** What a producer hands over. Headers carry the source identity (`source.id`, `source.offset`). */
export interface ProducedRecord {
  readonly value: Buffer
  readonly key?: Buffer
  readonly headers?: Readonly<Record<string, string>>
  /** Epoch ms; the time of the append when absent. */
  readonly timestampMs?: number
}

/**
 * A stretch of one partition as it is stored, kept in one piece so that nothing is done per record
 * unless somebody needs it.
 *
 *   block   [value 0]\n[value 1]\n…      every value is followed by one newline
 *   ends    [end 0, end 1, …]            end of value i in `block`, before its newline
 */
export interface RecordBatch extends OffsetRange {
  readonly count: number
  /** The offset of each record; null when they are `from, from + 1, …`. */
  readonly offsets: BigInt64Array | null
  /** Epoch ms of each record, or one number when all share it. */
  readonly timestampsMs: Float64Array | number
  readonly block: Buffer
  readonly ends: Uint32Array
  /** Values are valid UTF-8, none is empty, none holds \n, \r, NUL or \x01: lines can be read as lines. */
  readonly isLineSafe: boolean
  /** Null when no record of the batch has a key. */
  readonly keys: readonly (Buffer | null)[] | null
  /** Null when no record of the batch has headers. */
  readonly headers: readonly (Readonly<Record<string, string>> | null)[] | null
}

export interface Producer extends AsyncDisposable {
  /**
   * Appends records to one partition, all or none, in order. Resolves when they are durable.
   * `sequence` counts the calls of this producer per partition from 0: a call repeated with the same
   * sequence (a lost reply) returns the first outcome and appends nothing; one that leaves a sequence
   * out is refused, so that what failed can still be appended. Safe to call concurrently for different
   * partitions. Throws
   * RECORD_TOO_LARGE, DISK_FULL, TOPIC_UNKNOWN, LEASE_LOST (another sequence was expected),
   * EVENT_LOG_UNAVAILABLE (retryable: call again with the same sequence).
   */
  append(
    partition: number,
    sequence: number,
    records: readonly ProducedRecord[],
  ): Promise<OffsetRange>
}

export interface ReadLimits {
  /** At least one batch is returned when there is any; beyond it no more than this many bytes. */
  readonly bytesMax: number
  /** How long to wait for the first record when there is none; 0 returns at once. */
  readonly waitMs: number
  readonly signal?: AbortSignal
}

/** A worker's share of a topic. Revoked when `signal` aborts: from then on nothing may be written. */
export interface Assignment {
  readonly partitions: readonly number[]
  /** Rises with every reassignment: sinks refuse a writer with a lower one where they can. */
  readonly generation: number
  readonly signal: AbortSignal
}

export interface EventLog extends AsyncDisposable {
  /** Creates the topic or checks that it has this many partitions (TOPIC_MISMATCH). */
  ensureTopic(topic: string, partitions: number): Promise<void>
  partitionCount(topic: string): Promise<number>
  /** `producerId` names the producer across restarts; an unguessable one makes a fresh producer. */
  producer(topic: string, producerId: string): Promise<Producer>
  /** Per partition the first offset still kept and the next one to be written. */
  bounds(topic: string): Promise<{ readonly earliest: Offsets; readonly latest: Offsets }>
  /**
   * Batches at or after `positions`, ascending per partition, each partition of `positions` getting
   * its turn. The first batch of a partition may begin below the position (batches are stored
   * whole): it is cut by the adapter so that `from` equals the position. Empty when `waitMs` passed or
   * `signal` aborted. Throws COVERAGE_HOLE when a position is below the earliest offset.
   */
  read(topic: string, positions: Offsets, limits: ReadLimits): Promise<RecordBatch[]>
  /**
   * Calls `work` with each assignment in turn, the next one only after the previous `work` has
   * settled; ends when `signal` aborts. `work` ends soon after its assignment's signal aborts.
   */
  join(
    topic: string,
    group: string,
    signal: AbortSignal,
    work: (assignment: Assignment) => Promise<void>,
  ): Promise<void>
  /** Publishes a group's progress for lag tools. Advisory: nobody resumes from it. */
  commitAdvisory(topic: string, group: string, offsets: Offsets): Promise<void>
}

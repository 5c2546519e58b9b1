/**
 * The hot store: enriched rows, visible at once, for as long as the lake does not have them. It may be
 * lost at any time and is refilled from the event log. Adapters: `memory.ts`, Redis. Every adapter
 * passes `conformance.ts`.
 */
import type { OffsetRange, Offsets } from '../../core/offsets.ts'

/** The enriched rows of one offset range. A range in which every record was rejected has no rows. */
export interface HotRange extends OffsetRange {
  readonly rowCount: number
  /** Epoch ms of the newest record in the range, rejected ones included. */
  readonly timestampMsMax: number
  /**
   * Self-describing, with the curated columns: a Parquet file, or for few rows text (`text-rows.ts`).
   * Empty when `rowCount` is 0.
   */
  readonly rows: Buffer
}

export type AppendOutcome =
  | { readonly kind: 'appended' }
  /** `from` was not the stored end; `end` is. A lower writer is a zombie, a higher one left a hole. */
  | { readonly kind: 'refused'; readonly end: bigint }

export interface FollowLimits {
  readonly bytesMax: number
  readonly waitMs: number
  readonly signal?: AbortSignal
}

export interface HotStore extends AsyncDisposable {
  /** Per partition the end of what was ever stored; a partition never written is absent. */
  ends(pipeline: string): Promise<Offsets>
  /**
   * Stores the range if and only if `range.from` equals the stored end of the partition, or the
   * partition was never written. Whole or not at all.
   */
  append(pipeline: string, range: HotRange): Promise<AppendOutcome>
  /**
   * Ranges with `until` above the position, ascending per partition. The first one's `from` may be
   * above the position when what was below has been trimmed: the reader looks in the lake. Waits up
   * to `waitMs` for the first; returns early and empty when `signal` aborts.
   */
  read(pipeline: string, positions: Offsets, limits: FollowLimits): Promise<HotRange[]>
  /** Drops whole ranges that end at or below `offsets`. Ends are kept. */
  trim(pipeline: string, offsets: Offsets): Promise<void>
  /**
   * Forgets everything of a partition and sets its end: for the owner of the partition, when what is
   * stored ends below the lake offsets and so can never be continued.
   */
  reset(pipeline: string, partition: number, end: bigint): Promise<void>
}

/** What a batch does for one view. Pure: the state of the tables comes in, a decision goes out. */
import {
  type OffsetRange,
  type Offsets,
  offsetOf,
  rangesBetween,
  sameOffsets,
} from '../../core/offsets.ts'

/** What the view's table says about its newest version. */
export interface PublishedView {
  /** Null when nothing was ever published. */
  readonly definitionHash: string | null
  readonly offsets: Offsets
  /** Epoch ms of the last recompute from all rows; null when unknown. */
  readonly fullAtMs: number | null
  /** Names the rebuild of the curated rows that the partials were computed from; null: none yet. */
  readonly rebuild: string | null
}

export interface PlanRequest {
  /** Of the view as it is defined now. */
  readonly definitionHash: string
  readonly published: PublishedView
  /** Of the curated snapshot that the batch reads. */
  readonly curatedOffsets: Offsets
  /** The last rebuild of that snapshot; null: none yet. */
  readonly curatedRebuild: string | null
  readonly isFullAsked: boolean
  readonly nowMs: number
  /** 0: no full recompute by schedule. */
  readonly fullIntervalMs: number
}

type FullReason = 'first' | 'definition changed' | 'rebuilt' | 'asked' | 'scheduled'

export type ViewPlan =
  | { readonly kind: 'current' }
  /** The curated table ends below what is published: rows are missing, and a smaller number is no answer. */
  | { readonly kind: 'hole'; readonly partition: number }
  | { readonly kind: 'incremental'; readonly ranges: readonly OffsetRange[] }
  | {
      readonly kind: 'full'
      readonly reason: FullReason
      readonly ranges: readonly OffsetRange[]
      /**
       * The ranges that make the published partials reach the same offsets, to compare both ways;
       * null when they cannot be compared.
       */
      readonly compareRanges: readonly OffsetRange[] | null
    }

export function planView(request: PlanRequest): ViewPlan {
  const { published, curatedOffsets } = request
  const lost = partitionGoneBack(published.offsets, curatedOffsets)
  if (lost !== null && !request.isFullAsked) return { kind: 'hole', partition: lost }
  const reason = fullReason(request)
  if (reason !== null) {
    const isComparable =
      published.definitionHash === request.definitionHash &&
      published.rebuild === request.curatedRebuild &&
      lost === null
    return {
      kind: 'full',
      reason,
      ranges: rangesBetween(new Map(), curatedOffsets),
      compareRanges: isComparable ? rangesBetween(published.offsets, curatedOffsets) : null,
    }
  }
  if (sameOffsets(published.offsets, curatedOffsets)) return { kind: 'current' }
  return { kind: 'incremental', ranges: rangesBetween(published.offsets, curatedOffsets) }
}

function fullReason(request: PlanRequest): FullReason | null {
  const { published, fullIntervalMs, nowMs } = request
  if (request.isFullAsked) return 'asked'
  if (published.definitionHash === null) return 'first'
  if (published.definitionHash !== request.definitionHash) return 'definition changed'
  if (published.rebuild !== request.curatedRebuild) return 'rebuilt'
  if (fullIntervalMs === 0 || published.fullAtMs === null) return null
  // Far in the future too: the date was wrong then or is now, and nobody should wait for it to come.
  return Math.abs(nowMs - published.fullAtMs) >= fullIntervalMs ? 'scheduled' : null
}

function partitionGoneBack(published: Offsets, curated: Offsets): number | null {
  for (const [partition, offset] of published) {
    if (offsetOf(curated, partition) < offset) return partition
  }
  return null
}

/**
 * The tail of a view: partials of the rows between its batch offsets and the lake offsets, one
 * segment per curated version so that a published batch can take exactly its part away.
 *
 *   batch offsets      segment 7        segment 8        segment 9     lake offsets
 *        │──────────────────│────────────────│────────────────│
 */
import { covers, type Offsets, sameOffsets } from '../../core/offsets.ts'

export interface Segment {
  /** The curated version whose rows these are; the newest one for segments that were joined. */
  readonly id: number
  /** Where it ends; it begins where the one before it ends, the first one at the batch offsets. */
  readonly until: Offsets
}

export interface Tail {
  /** Where the first segment begins: the offsets of the batch part that the tail continues. */
  readonly from: Offsets
  readonly segments: readonly Segment[]
}

export type TailChange =
  /** The batch ends where a segment ends: drop what it covers, keep the rest as it is. */
  | { readonly kind: 'cut'; readonly dropThrough: number | null; readonly tail: Tail }
  /** The batch ends inside a segment or went back: compute the tail again from the lake. */
  | { readonly kind: 'rebuild' }

/** What a newly published batch with these offsets does to the tail. */
export function cutTail(tail: Tail, batch: Offsets): TailChange {
  const kept = tail.segments.filter((segment) => !covers(batch, segment.until))
  const dropped = tail.segments.slice(0, tail.segments.length - kept.length)
  const last = dropped.at(-1)
  const begins = last === undefined ? tail.from : last.until
  if (!sameOffsets(begins, batch)) return { kind: 'rebuild' }
  return {
    kind: 'cut',
    dropThrough: last === undefined ? null : last.id,
    tail: { from: batch, segments: kept },
  }
}

/**
 * The id up to which segments are joined into one once there are more than `segmentsMax`, so that a
 * batch layer that stands still does not make answers slower and slower. The newest half stays
 * apart: that is where the next batch will cut. Null when nothing needs joining.
 */
export function joinThrough(tail: Tail, segmentsMax: number): number | null {
  if (tail.segments.length <= segmentsMax) return null
  return tail.segments[Math.floor(tail.segments.length / 2)]?.id ?? null
}

/** The tail after the segments through `id` became one. */
export function joinSegments(tail: Tail, id: number): Tail {
  return { from: tail.from, segments: tail.segments.filter((segment) => segment.id >= id) }
}

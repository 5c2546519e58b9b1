/**
 * The rules of the seam that a planted mistake can replace. Where the code has a pure function the
 * model calls it; the other rules mirror the file that they name.
 */

import { MillraceError } from '../../core/errors.ts'
import type { Offsets as RealOffsets } from '../../core/offsets.ts'
import { cutTail, type Tail } from '../../serving-layer/domain/tail.ts'
import { startingPoint } from '../../speed-layer/domain/positions.ts'
import { appendVerdict } from '../../stores/lake/commit-rules.ts'
import type { TableState } from '../../stores/lake/table-state.ts'
import { type Offsets, type Range, type Sink, sinks, type TailSegment } from './state.ts'

export interface SinkOffsets extends Readonly<Record<Sink, Offsets>> {
  /** Null: never written. */
  readonly hot: readonly (number | null)[]
}

export interface Start {
  readonly from: Offsets
  readonly hot: Offsets
  readonly resets: readonly Range[]
}

export type Verdict = 'commit' | 'superseded' | 'refused'

export type TailChange =
  | { readonly kind: 'cut'; readonly dropThrough: number | null }
  | { readonly kind: 'rebuild' }

export interface Rules {
  /** `speed-layer/domain/positions.ts`. */
  readonly start: (partitions: readonly number[], sinks: SinkOffsets, ends: Offsets) => Start
  /** `stores/hot-store/memory.ts`, `append`. */
  readonly acceptsAppend: (end: number | null, from: number) => boolean
  /** `speed-layer/lake-commit.ts`, `lakeCommitSteps`: what happens in which order. */
  readonly commitSteps: readonly (Sink | 'trim')[]
  /** `speed-layer/lake-commit.ts`, `missingOf`: a table that ends below the pending rows. */
  readonly noticesMissingRows: boolean
  /** `speed-layer/lake-commit.ts`: what a table lacks is decided once, before files are staged. */
  readonly decidesOnce: boolean
  /** `stores/lake/commit-rules.ts`, `appendVerdict`. */
  readonly append: (stored: Offsets, ranges: readonly Range[]) => Verdict
  /** `speed-layer/lake-commit.ts`, step `trimmed`: what is let go. */
  readonly trimOffsets: 'committed' | 'visible'
  /** `batch-layer/recompute-view.ts`: rows and offsets are of one curated version. */
  readonly publishesSnapshotOffsets: boolean
  /** `stores/lake/commit-rules.ts`, `replaceVerdict`. */
  readonly replacesOnlyItsBase: boolean
  /** `serving-layer/mirror/pipeline-mirror.ts`, `#load`: published parts first. */
  readonly opensPublishedFirst: boolean
  /** `serving-layer/mirror/pipeline-mirror.ts`, `#firstHole`. */
  readonly looksForHoles: boolean
  /** `serving-layer/mirror/hot-rows.ts`: rows below what is visible are in the table already. */
  readonly cutsHotRanges: boolean
  /** `serving-layer/mirror/pipeline-mirror.ts`, `#moveToLake`. */
  readonly dropsRecentRows: boolean
  /** `serving-layer/mirror/pipeline-mirror.ts`, `#requireLakeHas`. */
  readonly requiresLake: boolean
  /** `serving-layer/domain/tail.ts`, `cutTail`. */
  readonly cutTail: (from: Offsets, segments: readonly TailSegment[], batch: Offsets) => TailChange
}

export const rules: Rules = {
  start: realStart,
  acceptsAppend: (end, from) => end === null || end === from,
  commitSteps: ['raw', 'rejected', 'curated', 'trim'],
  noticesMissingRows: true,
  decidesOnce: true,
  append: remembered(realAppend),
  trimOffsets: 'committed',
  publishesSnapshotOffsets: true,
  replacesOnlyItsBase: true,
  opensPublishedFirst: true,
  looksForHoles: true,
  cutsHotRanges: true,
  dropsRecentRows: true,
  requiresLake: true,
  cutTail: realCutTail,
}

function realStart(partitions: readonly number[], offsets: SinkOffsets, ends: Offsets): Start {
  const lake = sinks.map((sink) => [sink, realOffsets(offsets[sink])])
  const written = offsets.hot.flatMap((end, partition): [number, bigint][] =>
    end === null ? [] : [[partition, BigInt(end)]],
  )
  const start = startingPoint(
    'topic',
    partitions,
    { ...(Object.fromEntries(lake) as Record<Sink, RealOffsets>), hot: new Map(written) },
    { earliest: new Map(), latest: realOffsets(ends) },
  )
  const resets = [...start.resets].map(([partition, end]) => {
    return { partition, from: Number(end), until: Number(end) }
  })
  const { length } = ends
  return { from: modelOffsets(start.from, length), hot: modelOffsets(start.hot, length), resets }
}

function realAppend(stored: Offsets, ranges: readonly Range[]): Verdict {
  const from = new Map(ranges.map((range) => [range.partition, BigInt(range.from)]))
  const until = new Map(ranges.map((range) => [range.partition, BigInt(range.until)]))
  // The verdict looks at nothing but the offsets.
  const state = { snapshot: { offsets: realOffsets(stored) } } as unknown as TableState
  try {
    return appendVerdict(state, { files: [], from, until, operation: 'WRITE' })
  } catch (error) {
    if (error instanceof MillraceError) return 'refused'
    throw error
  }
}

function realCutTail(from: Offsets, segments: readonly TailSegment[], batch: Offsets): TailChange {
  const tail: Tail = {
    from: realOffsets(from),
    segments: segments.map(({ id, offsets }) => ({ id, until: realOffsets(offsets) })),
  }
  return cutTail(tail, realOffsets(batch))
}

/** An error with its stack for each of a million refusals would take longer than all the rest. */
function remembered(append: Rules['append']): Rules['append'] {
  const verdicts = new Map<string, Verdict>()
  return (stored, ranges) => {
    const key = `${stored}|${ranges.map(({ partition, from, until }) => `${partition},${from},${until}`)}`
    const verdict = verdicts.get(key) ?? append(stored, ranges)
    verdicts.set(key, verdict)
    return verdict
  }
}

function realOffsets(offsets: Offsets): RealOffsets {
  return new Map(offsets.map((offset, partition) => [partition, BigInt(offset)]))
}

function modelOffsets(offsets: RealOffsets, length: number): Offsets {
  return Array.from({ length }, (_, partition) => Number(offsets.get(partition) ?? 0n))
}

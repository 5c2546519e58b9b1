/** Where reading starts, given what each sink already has (invariant 1). */
import { MillraceError } from '../../core/errors.ts'
import { type Offsets, offsetOf } from '../../core/offsets.ts'

export interface SinkOffsets {
  readonly raw: Offsets
  readonly rejected: Offsets
  readonly curated: Offsets
  /** Ends of the hot store; a partition never written is absent. */
  readonly hot: Offsets
}

export interface LogBounds {
  readonly earliest: Offsets
  readonly latest: Offsets
}

export interface StartingPoint {
  /** Where to read from: the lowest offset that some sink still needs. */
  readonly from: Offsets
  /** Where the hot store continues. */
  readonly hot: Offsets
  /** Partitions of the hot store that end below the lake and must begin anew there. */
  readonly resets: Offsets
  /** Partitions of which nothing was ever stored and whose log no longer begins at 0: begin there. */
  readonly begins: Offsets
}

/** Throws COVERAGE_HOLE when the log no longer has, or does not yet have, what a sink needs next. */
export function startingPoint(
  topic: string,
  partitions: readonly number[],
  sinks: SinkOffsets,
  bounds: LogBounds,
): StartingPoint {
  const from = new Map<number, bigint>()
  const hot = new Map<number, bigint>()
  const resets = new Map<number, bigint>()
  const begins = new Map<number, bigint>()
  for (const partition of partitions) {
    const start = partitionStart(partition, sinks, offsetOf(bounds.earliest, partition))
    checkBounds(topic, partition, start.from, bounds)
    from.set(partition, start.from)
    hot.set(partition, start.hot)
    if (start.isReset) resets.set(partition, start.hot)
    if (start.isNew && start.from > 0n) begins.set(partition, start.from)
  }
  return { from, hot, resets, begins }
}

function partitionStart(partition: number, sinks: SinkOffsets, earliest: bigint) {
  const lake = [sinks.raw, sinks.rejected, sinks.curated].map((sink) => offsetOf(sink, partition))
  const hotEnd = sinks.hot.get(partition)
  const curated = offsetOf(sinks.curated, partition)
  const isUntouched = lake.every((offset) => offset === 0n) && (hotEnd ?? 0n) === 0n
  // Rows never reach curated before raw: only a beginning that was interrupted leaves this.
  const isBegun = curated > offsetOf(sinks.raw, partition)
  const isNew = isUntouched || isBegun
  const begin = isBegun ? curated : earliest
  const from = isNew ? begin : lake.reduce((a, b) => (a < b ? a : b))
  const lakeEnd = isNew ? begin : curated
  // Rows of the hot store are contiguous from the lake on: one that ends below can never be continued.
  const isReset = hotEnd !== undefined && hotEnd < lakeEnd
  return { isNew, from, isReset, hot: hotEnd === undefined || isReset ? lakeEnd : hotEnd }
}

function checkBounds(topic: string, partition: number, start: bigint, bounds: LogBounds): void {
  const earliest = offsetOf(bounds.earliest, partition)
  const latest = offsetOf(bounds.latest, partition)
  if (start < earliest) {
    throw new MillraceError(
      'COVERAGE_HOLE',
      `Partition ${partition} of '${topic}' begins at offset ${earliest}, but the lake has it only up to ` +
        `${start}: records ${start} to ${earliest - 1n} are lost. Restore them in the log, or accept the ` +
        `loss by moving the tables' offsets.`,
      { details: { topic, partition, from: start, until: earliest } },
    )
  }
  if (start > latest) {
    throw new MillraceError(
      'COVERAGE_HOLE',
      `Partition ${partition} of '${topic}' ends at offset ${latest}, but the lake has it up to ${start}: ` +
        'the log is not the one that the lake was filled from.',
      { details: { topic, partition, from: latest, until: start } },
    )
  }
}

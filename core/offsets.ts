/**
 * Offsets: one next offset per partition. "Covers `[0, offsets)`": every record of partition p with
 * an offset below `offsets.get(p)` is included. A partition that is absent counts as offset 0.
 */
export type Offsets = ReadonlyMap<number, bigint>

/** Consecutive offsets of one partition, `until` exclusive. Kafka may leave gaps inside. */
export interface OffsetRange {
  readonly partition: number
  readonly from: bigint
  readonly until: bigint
}

export const noOffsets: Offsets = new Map()

export function offsetOf(offsets: Offsets, partition: number): bigint {
  return offsets.get(partition) ?? 0n
}

/** Every partition of `needed` is covered by `offsets`. */
export function covers(offsets: Offsets, needed: Offsets): boolean {
  for (const [partition, offset] of needed) {
    if (offsetOf(offsets, partition) < offset) return false
  }
  return true
}

export function sameOffsets(left: Offsets, right: Offsets): boolean {
  return covers(left, right) && covers(right, left)
}

/** Per partition the higher offset: what is covered when either side covers it. */
export function maxOffsets(left: Offsets, right: Offsets): Offsets {
  const result = new Map(left)
  for (const [partition, offset] of right) {
    if (offset > offsetOf(result, partition)) result.set(partition, offset)
  }
  return result
}

/** Per partition of either side the lower offset: where reading must start to serve both. */
export function minOffsets(left: Offsets, right: Offsets): Offsets {
  const result = new Map<number, bigint>()
  for (const partition of new Set([...left.keys(), ...right.keys()])) {
    const a = offsetOf(left, partition)
    const b = offsetOf(right, partition)
    result.set(partition, a < b ? a : b)
  }
  return result
}

/** How many offsets lie in `[from, until)` over all partitions; partitions that went back count 0. */
export function offsetsBetween(from: Offsets, until: Offsets): bigint {
  let count = 0n
  for (const [partition, offset] of until) {
    const start = offsetOf(from, partition)
    if (offset > start) count += offset - start
  }
  return count
}

/** The ranges that lie in `[from, until)`, one per partition that moved forward. */
export function rangesBetween(from: Offsets, until: Offsets): OffsetRange[] {
  return [...until].flatMap(([partition, end]) => {
    const start = offsetOf(from, partition)
    return end > start ? [{ partition, from: start, until: end }] : []
  })
}

/** `{"0":"12","1":"7"}`, partitions ascending: the form used in JSON, logs and commit metadata. */
export function offsetsToJson(offsets: Offsets): Record<string, string> {
  const entries = [...offsets].sort(([a], [b]) => a - b)
  return Object.fromEntries(entries.map(([partition, offset]) => [`${partition}`, `${offset}`]))
}

/** The inverse of {@link offsetsToJson}. */
export function offsetsFromJson(json: Readonly<Record<string, string>>): Offsets {
  return new Map(Object.entries(json).map(([key, value]) => [Number(key), BigInt(value)]))
}

/** SQL that is true for rows in `[from, until)`; a partition absent from `until` contributes no row. */
export function offsetsPredicate(from: Offsets, until: Offsets): string {
  return rangesPredicate(rangesBetween(from, until))
}

/** SQL that is true for rows in any of the ranges. Values are plain integers: nothing to escape. */
export function rangesPredicate(ranges: readonly OffsetRange[]): string {
  const terms = ranges.map(
    ({ partition, from, until }) =>
      `(_partition = ${partition} AND _offset >= ${from} AND _offset < ${until})`,
  )
  return terms.length === 0 ? 'false' : terms.join(' OR ')
}

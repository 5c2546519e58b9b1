/** Keeps the rows of a key in a sketch within what the sketch says, in one pass over the partials. */
import { partitionByKeys, type SketchBound } from './aggregates/aggregate.ts'

export interface BoundedPart {
  readonly bound: SketchBound
  readonly part: number
  readonly values: readonly string[]
  readonly columns: readonly string[]
}

interface PartialRelation {
  readonly select: string
  readonly keys: readonly string[]
  /** All of the SELECT's columns. */
  readonly columns: readonly string[]
}

/** The relation without the rows that are beyond the bounds. */
export function withinBounds(
  { select, keys, columns: names }: PartialRelation,
  parts: readonly BoundedPart[],
): string {
  if (parts.length === 0) return select
  const group = partitionByKeys([...keys, '_part'])
  const windows: string[] = []
  const conditions: string[] = []
  const marks = new Map<string, string>()
  for (const { bound, part, values, columns } of parts) {
    const rank = `_rank${part}`
    windows.push(`row_number() OVER (${group} ORDER BY ${bound.order(values, columns)}) AS ${rank}`)
    if (bound.beyond === 'drop') {
      conditions.push(`(_part <> ${part} OR ${rank} <= ${bound.rowsMax})`)
      continue
    }
    const mark = columns.at(-1) ?? ''
    const isBeyond = `_beyond${part}`
    windows.push(
      `coalesce(bool_or(${mark}) OVER (${group}), false) OR count(*) OVER (${group}) > ${bound.rowsMax} AS ${isBeyond}`,
    )
    conditions.push(`(_part <> ${part} OR NOT ${isBeyond} OR ${rank} = 1)`)
    marks.set(mark, `CASE WHEN _part = ${part} THEN ${isBeyond} END`)
  }
  const columns = names.map((name) => {
    const mark = marks.get(name)
    return mark === undefined ? name : `${mark} AS ${name}`
  })
  return `SELECT ${columns.join(', ')} FROM (SELECT *, ${windows.join(', ')} FROM (${select})) WHERE ${conditions.join(' AND ')}`
}

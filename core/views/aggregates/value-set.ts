/**
 * The distinct values of a group with their counts, as rows: what count(DISTINCT x), mode(x) or an exact
 * quantile are read from. Their number is bounded by what the view declares. Beyond the bound a group
 * keeps one row that says so; whether it does depends on its values alone, so that every split of the
 * rows agrees: no part of a group that is within the bound can be beyond it.
 */
import type { Column } from '../../sql.ts'
import {
  type AggregateCall,
  argument,
  groupByKeys,
  partitionByKeys,
  type Sketch,
  type SketchRows,
  storageFor,
} from './aggregate.ts'

export interface ValueSet {
  readonly sketch: Sketch
  readonly rowsMax: number
  /**
   * Readings are SQL aggregates over rows with the value `v`, its count `n`, the running count `_c` up to
   * and with the value, and the count `_total` of the group. This one is true when the bound is passed.
   */
  readonly isBeyond: string
}

interface Options {
  /** What to write instead, as the end of a sentence. */
  readonly remedy: string
  readonly value?: Column
}

/** The set of the call's first argument, within the bound that the view declares. */
export function declaredValues(call: AggregateCall, { remedy, value }: Options): ValueSet {
  const rowsMax = call.options.distinctExactMax
  const shown = call.isDistinct ? `${call.name}(DISTINCT …)` : `${call.name}()`
  if (rowsMax === null) {
    return call.refuse(
      `${shown} keeps every distinct value of a group, and the view declares no bound for them`,
      'What a view keeps is bounded',
      `Add a line '-- millrace: distinct_exact_max = 10000' to the file, or ${remedy}`,
    )
  }
  return valueSet(call, value ?? argument(call, 0), rowsMax)
}

function valueSet(call: AggregateCall, { name, type }: Column, rowsMax: number): ValueSet {
  const storage = storageFor(call, type)
  return {
    rowsMax,
    isBeyond: `coalesce(bool_or(o), false) OR count(*) > ${rowsMax}`,
    sketch: {
      identity: `values ${name} / ${call.filter ?? ''}`,
      value: storage.encode(name),
      filter: call.filter,
      values: [storage.type],
      states: [
        { type: 'BIGINT', merge: (column) => `CAST(sum(${column}) AS BIGINT)` },
        { type: 'BOOLEAN', merge: (column) => `bool_or(${column})` },
      ],
      bound: { rowsMax, order: (values) => values.join(', '), beyond: 'mark' },
      partialSql: (rows, keys) =>
        `SELECT ${keyList(keys)}CAST(NULL AS INTEGER) AS _bucket, v AS v0, count(*) AS r0, false AS r1 FROM ${rows} GROUP BY ${[...keys, 'v'].join(', ')}`,
      readSql: (merged) => readSql(merged, storage.decode),
    },
  }
}

function readSql(merged: SketchRows, decode: (sql: string) => string): string {
  const { rows, keys, values, states, readings } = merged
  const isRanked = readings.some((reading) => /\b_(c|total)\b/.test(reading))
  const list = keyList(keys)
  const named = `SELECT ${list}${decode(values[0] ?? '')} AS v, ${states[0]} AS n, ${states[1]} AS o FROM ${rows}`
  const ranked = `SELECT *, CAST(sum(n) OVER (${partitionByKeys(keys)} ORDER BY v) AS BIGINT) AS _c, CAST(sum(n) OVER (${partitionByKeys(keys)}) AS BIGINT) AS _total FROM (${named})`
  const columns = readings.map((reading, index) => `${reading} AS q${index}`)
  return `SELECT ${list}${columns.join(', ')} FROM (${isRanked ? ranked : named})${groupByKeys(keys)}`
}

function keyList(keys: readonly string[]): string {
  return keys.map((key) => `${key}, `).join('')
}

/** Ends the query that asks for the column: a value of some of the group would be a wrong one. */
export function errorBeyond(call: AggregateCall, { rowsMax }: ValueSet, type: string): string {
  const text = `${call.name}() is exact up to ${rowsMax} distinct values of a group, and a group has more. Raise distinct_exact_max in the view.`
  return `CAST(error('${text}') AS ${type})`
}

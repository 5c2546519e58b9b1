/**
 * One aggregate function is one entry of the table in `aggregate-table.ts`: which states it keeps,
 * how each merges, and what the states become. Everything here is DuckDB SQL text.
 */
import type { Column } from '../../sql.ts'
import { type StorageType, storageOf } from '../storage-types.ts'
import type { ViewOptions } from '../view-options.ts'

/** A state with one value per key. */
export interface ScalarState {
  readonly type: string
  /** Over the rows of a group. */
  readonly partial: string
  /** Over the partials of a key. `state` gives the name of the state's column, or of another's. */
  readonly merge: (column: string) => string
}

/** What `readSql` of a sketch reads: its merged rows and what they are called. */
export interface SketchRows {
  /** A parenthesised SELECT. */
  readonly rows: string
  readonly keys: readonly string[]
  /** The columns that tell the rows of a key apart, beside `_bucket`. */
  readonly values: readonly string[]
  readonly states: readonly string[]
  readonly readings: readonly string[]
}

/** A state with several rows per key, told apart by `_bucket` or by values. */
export interface Sketch {
  /** Equal for two uses that can share the rows. */
  readonly identity: string
  /** The value that enters, as an expression over the table's row, named `v`. */
  readonly value: string
  /** What else enters, under its name. */
  readonly inputs?: readonly { readonly name: string; readonly sql: string }[]
  /** Only rows for which this holds enter; `v` is the value. */
  readonly filter: string | null
  /** Types of the columns that tell the rows of a key apart, beside `_bucket`: merging groups by them. */
  readonly values?: readonly string[]
  readonly states: readonly { readonly type: string; readonly merge: (column: string) => string }[]
  /** Keeps the rows of a key within a limit, in every partial and at every merge. */
  readonly bound?: SketchBound
  /**
   * SELECT of the keys, `_bucket`, the values (`v0`, `v1`, …) and the states (`r0`, `r1`, …). `rows` has
   * the keys, `v`, which is never NULL, and the inputs.
   */
  readonly partialSql: (rows: string, keys: readonly string[]) => string
  /** SELECT of the keys and one column per reading (`q0`, `q1`, …). */
  readonly readSql: (merged: SketchRows) => string
}

export interface SketchBound {
  readonly rowsMax: number
  /** The order in which rows are kept, as ORDER BY terms over the names of values and states. */
  readonly order: (values: readonly string[], states: readonly string[]) => string
  /**
   * `drop`: the first `rowsMax` rows stay. `mark`: when there are more, only the first row stays, and
   * the last state, a BOOLEAN, says so for ever. Either way what stays depends on all rows that
   * entered, not on how they were split.
   */
  readonly beyond: 'drop' | 'mark'
}

/** Where an aggregate leaves its states; each gives the name under which `finalize` sees the value. */
export interface StateRegistry {
  readonly scalar: (state: ScalarState) => string
  readonly reading: (sketch: Sketch, reading: string) => string
  /** An expression over what the others have named, computed once per key and in the order of calls. */
  readonly derived: (expression: string) => string
}

/** One term of an ORDER BY inside an aggregate. */
export interface OrderTerm extends Column {
  readonly isDescending: boolean
  readonly isNullsFirst: boolean
}

/** One call of an aggregate, with its arguments as SQL over the table's row. */
export interface AggregateCall {
  readonly name: string
  readonly args: readonly Column[]
  readonly isDistinct: boolean
  readonly orders: readonly OrderTerm[]
  /** The condition of FILTER, or null. */
  readonly filter: string | null
  /** The type that DuckDB gives the call. */
  readonly resultType: string
  /** The row's place in the event log: partition, offset and, where a row was unnested, the element. */
  readonly place: readonly Column[]
  readonly options: ViewOptions
  /** `fn(args) FILTER (WHERE …)` with the call's own filter. */
  readonly over: (aggregate: string) => string
  /** Ends the compilation at the call. */
  readonly refuse: (what: string, reason: string, remedy: string) => never
}

/** What an answer promises, and what the states are, in words for people. */
export interface Explanation {
  /** `exact`, or how far an answer may be off. */
  readonly accuracy: string
  readonly states: string
}

/** The final expression, and its explanation where it depends on the call. */
export interface PlannedAggregate extends Partial<Explanation> {
  readonly sql: string
}

export interface Aggregate extends Explanation {
  /** What it may be called with, for people. */
  readonly takes: string
  /** How many arguments. */
  readonly argumentCounts: readonly number[]
  /** `ignored`: it changes nothing, so that it may be written. `taken`: `plan` sees to it. */
  readonly distinct?: 'ignored' | 'taken'
  /** The same for ORDER BY inside the call. */
  readonly order?: 'ignored' | 'taken'
  /** Registers the states and gives the final expression, of the call's result type. */
  readonly plan: (call: AggregateCall, states: StateRegistry) => string | PlannedAggregate
}

export function argument(call: AggregateCall, index: number): Column {
  const column = call.args[index]
  if (column === undefined) throw new Error(`${call.name} has no argument ${index}.`)
  return column
}

/** The storage type of a value that a state keeps as it is. */
export function storageFor(call: AggregateCall, type: string): StorageType {
  return (
    storageOf(type) ??
    call.refuse(
      `${call.name}() over ${type} is not supported`,
      'A partial is kept in Parquet with a Delta log, which has no such type',
      'Cast the argument to a number, a text or a TIMESTAMPTZ',
    )
  )
}

/** All conditions in brackets, joined by AND; null for none. */
export function allOf(conditions: readonly (string | null)[]): string | null {
  const texts = conditions.filter((condition) => condition !== null)
  return texts.length === 0 ? null : texts.map((condition) => `(${condition})`).join(' AND ')
}

/** A sketch's final GROUP BY: without keys the aggregation has one row. */
export function groupByKeys(keys: readonly string[]): string {
  return keys.length === 0 ? '' : ` GROUP BY ${keys.join(', ')}`
}

/** `PARTITION BY keys` for a window over the rows of a key. */
export function partitionByKeys(keys: readonly string[]): string {
  return keys.length === 0 ? '' : `PARTITION BY ${keys.join(', ')}`
}

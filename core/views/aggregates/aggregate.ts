/**
 * One aggregate function is one entry of the table in `aggregate-table.ts`: which states it keeps,
 * how each merges, and what the states become. Everything here is DuckDB SQL text.
 */
import type { Column } from '../../sql.ts'

/** A state with one value per key. */
export interface ScalarState {
  readonly type: string
  /** Over the rows of a group. */
  readonly partial: string
  /** Over the partials of a key. `state` gives the name of the state's column, or of another's. */
  readonly merge: (column: string) => string
}

/** A state with several rows per key, told apart by `_bucket`. */
export interface Sketch {
  /** Equal for two uses that can share the rows. */
  readonly identity: string
  /** The value that enters, as an expression over the table's row, named `v`. */
  readonly value: string
  /** Only rows for which this holds enter; `v` is the value. */
  readonly filter: string | null
  readonly states: readonly { readonly type: string; readonly merge: (column: string) => string }[]
  /**
   * SELECT of the keys, `_bucket` and the states (named `r0`, `r1`, …). `rows` has the keys and `v`,
   * which is never NULL.
   */
  readonly partialSql: (rows: string, keys: readonly string[]) => string
  /**
   * SELECT of the keys and one column per reading (`q0`, `q1`, …) over `rows`, the sketch's merged
   * rows with keys, `_bucket` and the states under the given names.
   */
  readonly readSql: (
    rows: string,
    keys: readonly string[],
    states: readonly string[],
    readings: readonly string[],
  ) => string
}

/** Where an aggregate leaves its states; each gives the name under which `finalize` sees the value. */
export interface StateRegistry {
  readonly scalar: (state: ScalarState) => string
  readonly reading: (sketch: Sketch, reading: string) => string
}

/** One call of an aggregate, with its arguments as SQL over the table's row. */
export interface AggregateCall {
  readonly name: string
  readonly args: readonly Column[]
  /** The condition of FILTER, or null. */
  readonly filter: string | null
  /** The type that DuckDB gives the call. */
  readonly resultType: string
  /** `fn(args) FILTER (WHERE …)` with the call's own filter. */
  readonly over: (aggregate: string) => string
  /** Ends the compilation at the call. */
  readonly refuse: (what: string, reason: string, remedy: string) => never
}

export interface Aggregate {
  /** DISTINCT changes nothing, so that it may be written. */
  readonly ignoresDistinct?: boolean
  /** How many arguments it takes here. */
  readonly argumentCount: number
  /** Registers the states and gives the final expression, of the call's result type. */
  readonly plan: (call: AggregateCall, states: StateRegistry) => string
}

export function argument(call: AggregateCall, index: number): Column {
  const column = call.args[index]
  if (column === undefined) throw new Error(`${call.name} has no argument ${index}.`)
  return column
}

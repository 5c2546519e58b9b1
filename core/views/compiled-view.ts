/**
 * What the view compiler makes of one SQL file. All SQL is DuckDB's. The data's way:
 *
 *   rows ──partialSql──▶ partials ──mergeSql──▶ merged partials ──finalizeSql──▶ the view's rows
 *
 * Partials of any split of the rows, in any order, merged and finalized, equal the same done over
 * all rows at once, to the last bit: every state is an exact integer or decimal, a max, a min, or a
 * sketch row whose merge is max or add.
 *
 * Partials are ordinary typed columns: the keys (`g0`, `g1`, …), `_part` (0 for the scalar states, k
 * for the rows of the k-th sketch), `_bucket` (NULL in part 0), the values that tell rows of a sketch
 * apart (`v0`, `v1`, …, where there are any), then the states (`s0`, `s1`, …; NULL outside their part).
 * One row per key in part 0; one per key, bucket and values in a sketch part.
 */
import type { Column } from '../sql.ts'
import type { ViewExplanation } from './explanation.ts'

export interface CompiledView {
  readonly name: string
  readonly pipeline: string
  readonly description: string
  /** The source text. */
  readonly sql: string
  /** Changes when, and only when, partials of the old definition can no longer be merged. */
  readonly definitionHash: string
  /** Names and types of the partials' columns, in order; storable in Parquet and Delta as they are. */
  readonly partialColumns: readonly Column[]
  /** How many leading partial columns are group keys. */
  readonly keyCount: number
  /** Names and types of the view's result, in order. */
  readonly columns: readonly Column[]
  /** `input`: a table or view name, or a parenthesised SELECT, with the curated table's columns. */
  readonly partialSql: (input: string) => string
  /** `input`: anything with the partial columns. Gives the partial columns, one row per key and bucket. */
  readonly mergeSql: (input: string) => string
  /** `input`: a merged relation. Gives the view's columns, ordered and limited as the view says. */
  readonly finalizeSql: (input: string) => string
  /** In words; only what the compiler has made has one. */
  readonly explanation?: ViewExplanation
}

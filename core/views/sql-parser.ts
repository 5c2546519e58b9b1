/**
 * What the compiler needs of DuckDB: its own parser, printer and binder. The compiler is pure; the
 * adapter over a real database is `stores/engine/duckdb-sql-parser.ts`.
 */
import type { Column } from '../sql.ts'

/** A table that exists, empty, while a SELECT is described. */
export interface EmptyTable {
  readonly name: string
  readonly columns: readonly Column[]
}

/** What is known of one function name, over all its overloads. */
export interface FunctionFacts {
  readonly isAggregate: boolean
  /** Some overload may give another result for the same arguments. */
  readonly isVolatile: boolean
  /** The text of a macro; null for what is built in. */
  readonly macroSql: string | null
}

export interface SqlParser {
  /** `json_serialize_sql`: JSON with either `statements` or `error`, `error_message` and `position`. */
  readonly serialize: (sql: string) => Promise<string>
  /** `json_deserialize_sql`: the SQL text of such JSON. */
  readonly deserialize: (json: string) => Promise<string>
  /** Names and types of the SELECT's result; rejects with DuckDB's message when it does not bind. */
  readonly describe: (
    selectSql: string,
    tables: readonly EmptyTable[],
  ) => Promise<readonly Column[]>
  /** Every function the database has, by lower-case name. */
  readonly functions: () => Promise<ReadonlyMap<string, FunctionFacts>>
}

/** The view compiler's SQL parser over a DuckDB of its own: it never sees data. */
import { type Column, quoteIdentifier } from '../../core/sql.ts'
import type { EmptyTable, FunctionFacts, SqlParser } from '../../core/views/sql-parser.ts'
import type { Database } from './duckdb.ts'

export class DuckDbSqlParser implements SqlParser {
  readonly #database: Database
  #functions: Promise<ReadonlyMap<string, FunctionFacts>> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  readonly serialize = async (sql: string): Promise<string> =>
    await this.#text('SELECT json_serialize_sql($1::VARCHAR) AS text', sql)

  readonly deserialize = async (json: string): Promise<string> =>
    await this.#text('SELECT json_deserialize_sql($1::JSON) AS text', json)

  readonly describe = async (
    selectSql: string,
    tables: readonly EmptyTable[],
  ): Promise<readonly Column[]> =>
    // One statement: the tables are common table expressions, and DESCRIBE binds without running.
    (
      await this.#database.rows<{ column_name: string; column_type: string }>(
        `SELECT column_name, column_type FROM (DESCRIBE WITH ${tables.map(emptyTableSql).join(', ')} SELECT * FROM (${selectSql}))`,
      )
    ).map((row) => ({ name: row.column_name, type: row.column_type }))

  readonly functions = async (): Promise<ReadonlyMap<string, FunctionFacts>> => {
    this.#functions ??= this.#readFunctions()
    return await this.#functions
  }

  async #readFunctions(): Promise<ReadonlyMap<string, FunctionFacts>> {
    const rows = await this.#database.rows<{
      name: string
      isAggregate: boolean
      isVolatile: boolean
      macroSql: string | null
    }>(
      `SELECT lower(function_name) AS name,
              bool_or(function_type = 'aggregate') AS "isAggregate",
              coalesce(bool_or(stability <> 'CONSISTENT'), false) AS "isVolatile",
              string_agg(macro_definition, ', ') AS "macroSql"
       FROM duckdb_functions()
       WHERE function_type IN ('aggregate', 'scalar', 'macro')
       GROUP BY ALL`,
    )
    return new Map(rows.map(({ name, ...facts }) => [name, facts]))
  }

  async #text(sql: string, parameter: string): Promise<string> {
    const [row] = await this.#database.rows<{ text: string }>(sql, [parameter])
    if (row === undefined) throw new Error('The parser gave no row.')
    return row.text
  }
}

function emptyTableSql({ name, columns }: EmptyTable): string {
  const nulls = columns.map(
    (column) => `CAST(NULL AS ${column.type}) AS ${quoteIdentifier(column.name)}`,
  )
  return `${quoteIdentifier(name)} AS (SELECT ${nulls.join(', ')} WHERE false)`
}

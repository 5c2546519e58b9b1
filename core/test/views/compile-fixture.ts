/** A table of every kind of column, and the compiler over a private DuckDB. */

import { Database } from '../../../stores/engine/duckdb.ts'
import { DuckDbSqlParser } from '../../../stores/engine/duckdb-sql-parser.ts'
import type { Column } from '../../sql.ts'
import { compileView } from '../../views/compile-view.ts'
import type { CompiledView } from '../../views/compiled-view.ts'

export const eventColumns: readonly Column[] = [
  { name: 'triple', type: 'INTEGER' },
  { name: 'ts', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: 'host', type: 'VARCHAR' },
  { name: 'status', type: 'INTEGER' },
  { name: 'bytes', type: 'BIGINT' },
  { name: 'price', type: 'DECIMAL(10,2)' },
  { name: 'amount', type: 'DECIMAL(38,4)' },
  { name: 'ratio', type: 'DOUBLE' },
  { name: 'flag', type: 'BOOLEAN' },
  { name: 'day', type: 'DATE' },
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
]

export async function openDatabase(setupSql: readonly string[] = []): Promise<Database> {
  return await Database.open({ threads: 1, memoryBytesMax: 512 * 1024 * 1024, setupSql })
}

export function compilerFor(database: Database): (sql: string) => Promise<CompiledView> {
  const parser = new DuckDbSqlParser(database)
  return async (sql) =>
    await compileView({
      source: { name: 'v', file: 'views/v.sql', sql, description: '' },
      pipeline: 'events',
      table: 'events',
      curatedColumns: eventColumns,
      parser,
    })
}

/** Rows as comparable texts: every value in DuckDB's own spelling. */
export async function rowTexts(database: Database, sql: string): Promise<string[]> {
  const rows = await database.rows<{ row: string }>(
    `SELECT CAST(q AS VARCHAR) AS row FROM (${sql}) AS q`,
  )
  return rows.map(({ row }) => row)
}

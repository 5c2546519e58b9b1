/** Prepares `curated.sql` of a pipeline on a database: its reference tables and its SELECT. */
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { quoteIdentifier, quoteLiteral } from '../core/sql.ts'
import { type EnrichSql, enrichSql } from '../core/transform/enrich-sql.ts'
import type { Database } from './engine/duckdb.ts'
import { DuckDbSqlParser } from './engine/duckdb-sql-parser.ts'

/**
 * Loads the reference tables anew and prepares `curated.sql`.
 *
 * @throws MillraceError PIPELINE_INVALID when a reference cannot be read.
 */
export async function loadEnrichment(
  database: Database,
  loaded: LoadedPipeline,
  sqlDirectory: string,
): Promise<EnrichSql> {
  const references = new Map<string, string>()
  for (const { name, path } of loaded.pipeline.references) {
    const table = quoteIdentifier(`${loaded.pipeline.name}/reference/${name}`)
    const file = quoteLiteral(join(sqlDirectory, loaded.pipeline.name, path))
    const read = path.endsWith('.parquet') ? 'read_parquet' : 'read_csv'
    try {
      await database.run(`CREATE OR REPLACE TABLE ${table} AS SELECT * FROM ${read}(${file})`)
    } catch (cause) {
      throw new MillraceError(
        'PIPELINE_INVALID',
        `The reference '${name}' of '${loaded.pipeline.name}' cannot be read: ${(cause as Error).message}`,
        { cause },
      )
    }
    references.set(name, `SELECT * FROM ${table}`)
  }
  return await enrichSql(loaded, new DuckDbSqlParser(database), references)
}

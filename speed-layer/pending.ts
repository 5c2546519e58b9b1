/** Rows that are visible but not yet in the lake: two tables of DuckDB in memory, frozen as a whole. */
import { noOffsets, type Offsets } from '../core/offsets.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { type Column, quoteIdentifier } from '../core/sql.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import { parsedColumns } from './domain/parse-sql.ts'

export interface Pending {
  /** Every record, parsed or not, quoted. */
  readonly parsedTable: string
  /** The rows of the events among them, quoted. */
  readonly curatedTable: string
  /** Up to where the tables have everything. */
  until: Offsets
  records: number
  /** Bytes of the records' values. */
  bytes: number
  /** When the first record came in, in epoch ms; 0 while there is none. */
  sinceMs: number
}

/** Which micro-batch a row came with: rows of the newest are found without reading the others. */
export const batchColumn: Column = { name: '_batch', type: 'INTEGER' }

let created = 0

export async function createPending(session: Session, loaded: LoadedPipeline): Promise<Pending> {
  created += 1
  const { name, schema } = loaded.pipeline
  const parsedTable = quoteIdentifier(`${name}/parsed/${created}`)
  const curatedTable = quoteIdentifier(`${name}/curated/${created}`)
  await createTable(session, parsedTable, [...parsedColumns, ...schema, batchColumn])
  await createTable(session, curatedTable, [...loaded.curatedColumns, batchColumn])
  return { parsedTable, curatedTable, until: noOffsets, records: 0, bytes: 0, sinceMs: 0 }
}

export async function dropPending(session: Session, pending: Pending): Promise<void> {
  await session.run(`DROP TABLE IF EXISTS ${pending.parsedTable}`)
  await session.run(`DROP TABLE IF EXISTS ${pending.curatedTable}`)
}

async function createTable(
  session: Session,
  table: string,
  columns: readonly Column[],
): Promise<void> {
  const definitions = columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`)
  await session.run(`CREATE TABLE ${table} (${definitions.join(', ')})`)
}

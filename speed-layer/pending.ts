/** Rows that are visible but not yet in the lake: tables of DuckDB in memory, frozen as a whole. */
import type { Offsets } from '../core/offsets.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { type Column, columnDefinitions, quoteIdentifier } from '../core/sql.ts'
import { parsedColumns } from '../core/transform/parse-sql.ts'
import type { ColumnStatement } from '../stores/engine/column-statement.ts'
import type { Session } from '../stores/engine/duckdb.ts'

/** Two tables that hold the rows of one or more micro-batches. */
export interface Segment {
  /** Every record, parsed or not, quoted. */
  readonly parsedTable: string
  /** The rows of the events among them, quoted. */
  readonly curatedTable: string
  /** What parses small micro-batches into this segment; null before the first. */
  parseStatement: ColumnStatement | null
}

export interface Pending {
  readonly segments: Segment[]
  /** Where small micro-batches go; null before the first. */
  shared: Segment | null
  /** Where the segments begin: the lake must have everything below before it gets these rows. */
  readonly from: Offsets
  /** Up to where the segments have everything. */
  until: Offsets
  records: number
  /** Bytes of the records' values. */
  bytes: number
  /** When the first record came in, in epoch ms; 0 while there is none. */
  sinceMs: number
}

/** Which micro-batch a row came with: rows of the newest are found without reading the others. */
const batchColumn: Column = { name: '_batch', type: 'INTEGER' }

let created = 0

export function createPending(from: Offsets): Pending {
  return { segments: [], shared: null, from, until: from, records: 0, bytes: 0, sinceMs: 0 }
}

/**
 * The tables that small micro-batches share. A large one has its own: DuckDB takes rows into an empty
 * table as they are, but copies them a second time to add them to others. For a small one new tables
 * cost more.
 */
export async function sharedSegment(
  session: Session,
  loaded: LoadedPipeline,
  pending: Pending,
): Promise<Segment> {
  if (pending.shared !== null) return pending.shared
  const segment = await createSegment(session, loaded)
  pending.segments.push(segment)
  pending.shared = segment
  return segment
}

export async function dropPending(session: Session, pending: Pending): Promise<void> {
  for (const segment of pending.segments) await dropSegment(session, segment)
}

export async function dropSegment(session: Session, segment: Segment): Promise<void> {
  segment.parseStatement?.close()
  await session.run(`DROP TABLE IF EXISTS ${segment.parsedTable}`)
  await session.run(`DROP TABLE IF EXISTS ${segment.curatedTable}`)
}

/**
 * Forgets the typed columns of a large segment's records once its events have their rows: raw and
 * rejected do not need them, and they are half of the memory.
 */
export async function slimSegment(
  session: Session,
  { pipeline }: LoadedPipeline,
  { parsedTable }: Segment,
): Promise<void> {
  for (const { name } of pipeline.schema) {
    await session.run(`ALTER TABLE ${parsedTable} DROP COLUMN ${quoteIdentifier(name)}`)
  }
}

/** SQL of some columns of the rows of all segments; there must be one segment at least. */
export function pendingRows(
  pending: Pending,
  table: 'parsedTable' | 'curatedTable',
  columns: string,
): string {
  const selects = pending.segments.map((segment) => `SELECT ${columns} FROM ${segment[table]}`)
  return `(${selects.join(' UNION ALL ')})`
}

/** Empty tables that belong to nothing yet. */
export async function createSegment(session: Session, loaded: LoadedPipeline): Promise<Segment> {
  created += 1
  const { name, schema } = loaded.pipeline
  const parsedTable = quoteIdentifier(`${name}/parsed/${created}`)
  const curatedTable = quoteIdentifier(`${name}/curated/${created}`)
  await session.run(
    `CREATE TABLE ${parsedTable} (${columnDefinitions([...parsedColumns, ...schema, batchColumn])})`,
  )
  await session.run(
    `CREATE TABLE ${curatedTable} (${columnDefinitions([...loaded.curatedColumns, batchColumn])})`,
  )
  return { parsedTable, curatedTable, parseStatement: null }
}

/** What is visible but not yet in the lake: what becomes the next lake commit. */
import type { Offsets } from '../core/offsets.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { columnDefinitions, quoteIdentifier } from '../core/sql.ts'
import { parsedColumns } from '../core/transform/parse-sql.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import type { RecordBatch } from '../stores/event-log/port.ts'

/** Two tables that hold the rows of a large micro-batch, or of many small ones. */
export interface Segment {
  /** Every record, parsed or not, quoted. */
  readonly parsedTable: string
  /** The rows of the events among them, quoted. */
  readonly curatedTable: string
}

export interface Pending {
  readonly segments: Segment[]
  /** Records of small micro-batches, which become a segment when they are committed. */
  readonly batches: RecordBatch[]
  /** Where the records begin: the lake must have everything below before it gets these rows. */
  readonly from: Offsets
  /** Up to where they have everything. */
  until: Offsets
  records: number
  /** Bytes of the records' values. */
  bytes: number
  /** When the first record came in, in ms of a clock that nobody sets; null while there is none. */
  sinceMs: number | null
}

let created = 0

export function createPending(from: Offsets): Pending {
  return { segments: [], batches: [], from, until: from, records: 0, bytes: 0, sinceMs: null }
}

export async function dropPending(session: Session, pending: Pending): Promise<void> {
  for (const segment of pending.segments) await dropSegment(session, segment)
}

export async function dropSegment(session: Session, segment: Segment): Promise<void> {
  await session.run(`DROP TABLE IF EXISTS ${segment.parsedTable}`)
  await session.run(`DROP TABLE IF EXISTS ${segment.curatedTable}`)
}

/**
 * Forgets the typed columns of a segment's records once its events have their rows: raw and rejected do
 * not need them, and they are half of the memory.
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
    `CREATE TABLE ${parsedTable} (${columnDefinitions([...parsedColumns, ...schema])})`,
  )
  await session.run(`CREATE TABLE ${curatedTable} (${columnDefinitions(loaded.curatedColumns)})`)
  return { parsedTable, curatedTable }
}

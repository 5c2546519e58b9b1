/**
 * Runs `curated.sql` over the events of a micro-batch. A record on which it fails, or for which it
 * does not give exactly one row, is rejected; the others get their rows all the same.
 */
import { quoteIdentifier, quoteLiteral } from '../core/sql.ts'
import type { EnrichSql } from '../core/transform/enrich-sql.ts'
import type { Session } from './engine/duckdb.ts'

export interface EnrichRequest {
  /** Tables of the micro-batch's rows, quoted: every record, parsed or not; and the rows of the events. */
  readonly segment: { readonly parsedTable: string; readonly curatedTable: string }
  readonly sql: EnrichSql
  /** The schema's columns and the coordinates, quoted. */
  readonly inputColumns: string
}

/** Rows `[from, until)` by row id. */
interface RowIds {
  readonly from: bigint
  readonly until: bigint
}

const detailLengthMax = 500
/** Errors that say nothing about a record: memory, files, a mistake in the SQL itself. */
const ownFaults =
  /^(Out of Memory|IO|INTERRUPT|INTERNAL|FATAL|TransactionContext|Catalog|Binder|Parser)\b/i

/** @returns whether records were rejected that parsed well. */
export async function enrichRows(session: Session, request: EnrichRequest): Promise<boolean> {
  let hasRejected = false
  try {
    await insertRows(session, request)
  } catch (error) {
    if (isOwnFault(error)) throw error
    // The statement inserted nothing. Find the records it fails on, then run it without them.
    await rejectFailing(session, request, await rowIdsOf(session, request))
    await insertRows(session, request)
    hasRejected = true
  }
  if (request.sql.isRowWise) return hasRejected
  return (await rejectMiscounted(session, request)) || hasRejected
}

async function insertRows(session: Session, request: EnrichRequest): Promise<void> {
  const rows = request.sql.select(inputOf(request))
  await session.run(`INSERT INTO ${request.segment.curatedTable} ${rows}`)
}

function inputOf({ segment, inputColumns }: EnrichRequest, ids?: RowIds): string {
  const range = ids === undefined ? '' : ` AND rowid >= ${ids.from} AND rowid < ${ids.until}`
  return `(SELECT ${inputColumns} FROM ${segment.parsedTable} ` + `WHERE _reason IS NULL${range})`
}

async function rowIdsOf(session: Session, { segment }: EnrichRequest): Promise<RowIds> {
  const [ids] = await session.rows<{ low: bigint | null; high: bigint | null }>(
    `SELECT min(rowid) AS low, max(rowid) AS high FROM ${segment.parsedTable}`,
  )
  return { from: ids?.low ?? 0n, until: (ids?.high ?? -1n) + 1n }
}

/** Halves the range until each failing record stands alone. */
async function rejectFailing(session: Session, request: EnrichRequest, ids: RowIds): Promise<void> {
  if (ids.from >= ids.until) return
  const failure = await probe(session, request, ids)
  if (failure === null) return
  if (ids.until - ids.from === 1n) {
    const detail = quoteLiteral(`curated.sql failed: ${failure}`.slice(0, detailLengthMax))
    await session.run(
      `UPDATE ${request.segment.parsedTable} SET _reason = 'enrichment', _detail = ${detail} ` +
        `WHERE rowid = ${ids.from}`,
    )
    return
  }
  const middle = (ids.from + ids.until) / 2n
  await rejectFailing(session, request, { from: ids.from, until: middle })
  await rejectFailing(session, request, { from: middle, until: ids.until })
}

async function probe(
  session: Session,
  request: EnrichRequest,
  ids: RowIds,
): Promise<string | null> {
  try {
    // A table, because counting the rows would not compute their columns.
    const rows = request.sql.select(inputOf(request, ids))
    await session.run(`CREATE OR REPLACE TEMP TABLE enrichment_probe AS ${rows}`)
    return null
  } catch (error) {
    if (isOwnFault(error)) throw error
    return (error as Error).message.split('\n')[0] ?? 'unknown'
  }
}

/** A filter or join of `curated.sql` lost or doubled these; a record is one row or rejected. */
async function rejectMiscounted(session: Session, request: EnrichRequest): Promise<boolean> {
  const { segment } = request
  const isCoordinate = 'p._partition = c._partition AND p._offset = c._offset'
  await session.run(
    `CREATE OR REPLACE TEMP TABLE enrichment_miscounted AS SELECT p._partition, p._offset, count(c._offset) AS found ` +
      `FROM ${segment.parsedTable} p LEFT JOIN ${segment.curatedTable} c ON ${isCoordinate} ` +
      `WHERE p._reason IS NULL GROUP BY ALL HAVING found <> 1`,
  )
  const [counted] = await session.rows<{ n: bigint }>(
    'SELECT count(*) AS n FROM enrichment_miscounted',
  )
  if (counted === undefined || counted.n === 0n) return false
  await session.run(
    `DELETE FROM ${segment.curatedTable} c USING enrichment_miscounted p WHERE ${isCoordinate}`,
  )
  await session.run(
    `UPDATE ${segment.parsedTable} AS p SET _reason = 'enrichment', ` +
      `_detail = 'curated.sql gave ' || c.found || ' rows for this record, expected 1.' ` +
      `FROM enrichment_miscounted c WHERE ${isCoordinate}`,
  )
  return true
}

/** An error that is not a record's: trying again without some of them would not help. */
export function isOwnFault(error: unknown): boolean {
  return !(error instanceof Error) || ownFaults.test(error.message)
}

/** The columns that `curated.sql` may read, and the coordinates. */
export function enrichmentInput(schema: readonly { readonly name: string }[]): string {
  return ['_partition', '_offset', ...schema.map(({ name }) => quoteIdentifier(name))].join(', ')
}

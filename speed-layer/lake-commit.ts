/**
 * One lake commit: pending rows become Parquet files and versions of the three tables. Written as a
 * list of steps, so that a test can end the process after each.
 */
import { covers, noOffsets, type Offsets, offsetOf, offsetsPredicate } from '../core/offsets.ts'
import { type LoadedPipeline, rawColumns, rejectedColumns, tablePaths } from '../core/pipeline.ts'
import { quoteIdentifier } from '../core/sql.ts'
import { parsedColumns } from '../core/transform/parse-sql.ts'
import type { Database } from '../stores/engine/duckdb.ts'
import { stageParquet } from '../stores/lake/staging.ts'
import type { LakeStorage } from '../stores/lake/storage.ts'
import type { DataFile, LakeTable } from '../stores/lake/types.ts'
import { enrichSegment, type Processor, parseSegment, type RecordCounts } from './micro-batch.ts'
import { OffsetsMoved } from './offsets-moved.ts'
import { dropSegment, type Pending, pendingRows } from './pending.ts'

export interface LakeTables {
  readonly raw: LakeTable
  readonly rejected: LakeTable
  readonly curated: LakeTable
}

/** In this order. Each `committed_…` is the commit point of its table. */
export type LakeCommitStep =
  | 'gathered'
  | 'staged_raw'
  | 'staged_rejected'
  | 'staged_curated'
  | 'committed_raw'
  | 'committed_rejected'
  | 'committed_curated'
  | 'advised'
  | 'trimmed'

export interface LakeCommitRequest {
  readonly loaded: LoadedPipeline
  readonly tables: LakeTables
  readonly database: Database
  readonly storage: LakeStorage
  readonly pending: Pending
  /** Parses the records of small micro-batches; its session is the caller's and is not used. */
  readonly processor: Processor
  readonly onParsed: (counts: RecordCounts) => void
  readonly advise: (offsets: Offsets) => Promise<void>
  readonly trim: (offsets: Offsets) => Promise<void>
}

interface Step {
  readonly name: LakeCommitStep
  readonly run: () => Promise<void>
}

/**
 * The steps in order. Each may be repeated when it failed: nothing is counted twice. Throws
 * OffsetsMoved when the tables end below the pending rows: committing them would leave a hole.
 */
export function lakeCommitSteps(request: LakeCommitRequest): readonly Step[] {
  const { tables, pending } = request
  const staged = new Map<LakeTable, readonly DataFile[]>()
  // Decided once: were another writer to move the offsets meanwhile, the commit must be refused.
  const sinks = [tables.raw, tables.rejected, tables.curated]
  const missing = new Map(sinks.map((table) => [table, missingOf(table, pending)]))
  const stage = (table: LakeTable) => async () => {
    const { from, until } = missing.get(table) ?? nothing
    if (until.size === 0) return
    staged.set(table, await stageTable(request, table, offsetsPredicate(from, until)))
  }
  const commit = (table: LakeTable) => async () => {
    const { from, until } = missing.get(table) ?? nothing
    if (until.size === 0) return
    // Commit point: when this resolves, the table has the rows and their offsets, or, where a repeated
    // call finds them there already, had them before. A crash before leaves files that no version
    // names; a crash after makes the next start skip these offsets for this table.
    await table.append({ files: staged.get(table) ?? [], from, until, operation: 'WRITE' })
  }
  return [
    { name: 'gathered', run: () => gather(request) },
    { name: 'staged_raw', run: stage(tables.raw) },
    { name: 'staged_rejected', run: stage(tables.rejected) },
    { name: 'staged_curated', run: stage(tables.curated) },
    { name: 'committed_raw', run: commit(tables.raw) },
    { name: 'committed_rejected', run: commit(tables.rejected) },
    // Last, because readers take the lake offsets from it.
    { name: 'committed_curated', run: commit(tables.curated) },
    { name: 'advised', run: () => request.advise(pending.until) },
    // Only now: a hot range goes when curated has it (invariant 4).
    { name: 'trimmed', run: () => request.trim(pending.until) },
  ]
}

/** Makes a segment of the records of small micro-batches. */
async function gather({ database, processor, pending, onParsed }: LakeCommitRequest) {
  const { batches, segments } = pending
  if (batches.length === 0) return
  await database.session(async (session) => {
    const ours = { ...processor, session }
    const segment = await parseSegment(ours, batches)
    try {
      onParsed(await enrichSegment(ours, segment))
    } catch (error) {
      await dropSegment(session, segment)
      throw error
    }
    segments.push(segment)
    batches.length = 0
  })
}

interface Missing {
  readonly from: Offsets
  readonly until: Offsets
}

const nothing: Missing = { from: noOffsets, until: noOffsets }

/** What the table does not have yet of what is pending. Throws OffsetsMoved when that is not all it lacks. */
function missingOf(table: LakeTable, pending: Pending): Missing {
  const { offsets } = table.current()
  if (!covers(offsets, pending.from)) {
    // The rows before these were to come with a commit that failed, and went with it.
    throw new OffsetsMoved(`Table '${table.path}' does not reach the offsets where the rows begin.`)
  }
  const until = new Map(
    [...pending.until].filter(([partition, offset]) => offset > offsetOf(offsets, partition)),
  )
  const from = new Map(
    [...until.keys()].map((partition) => [partition, offsetOf(offsets, partition)]),
  )
  return { from, until }
}

async function stageTable(
  { loaded, tables, database, storage, pending }: LakeCommitRequest,
  table: LakeTable,
  rows: string,
): Promise<DataFile[]> {
  const paths = tablePaths(loaded.pipeline)
  const records = () =>
    pendingRows(pending, 'parsedTable', parsedColumns.map(({ name }) => name).join(', '))
  return await database.session(async (session) => {
    if (table === tables.raw) {
      return await stageParquet(session, storage, paths.raw, {
        select:
          'SELECT _partition, _offset, _timestamp, _key AS key, _headers AS headers, ' +
          `coalesce(_bytes, encode(_value)) AS value FROM ${records()} WHERE ${rows}`,
        columns: rawColumns,
        partitionColumns: [],
        compression: 'zstd_fast',
      })
    }
    if (table === tables.rejected) {
      return await stageParquet(session, storage, paths.rejected, {
        select:
          'SELECT _partition, _offset, _timestamp, _reason AS reason, _detail AS detail, ' +
          `_value AS value FROM ${records()} WHERE _reason IS NOT NULL AND (${rows})`,
        columns: rejectedColumns,
        partitionColumns: [],
      })
    }
    const columns = loaded.curatedColumns.map(({ name }) => quoteIdentifier(name)).join(', ')
    return await stageParquet(session, storage, paths.curated, {
      select: `SELECT * FROM ${pendingRows(pending, 'curatedTable', columns)} WHERE ${rows}`,
      columns: loaded.curatedColumns,
      partitionColumns: loaded.pipeline.partitionBy.map(({ name }) => name),
    })
  })
}

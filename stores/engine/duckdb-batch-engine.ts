/**
 * The batch engine in this process. Rows and partials stream through DuckDB's aggregation, which
 * stays within the database's memory limit and spills to its spill directory where one is set.
 */
import { rangesPredicate } from '../../core/offsets.ts'
import { tablePaths } from '../../core/pipeline.ts'
import { type Column, quoteIdentifier } from '../../core/sql.ts'
import { scanSql } from '../lake/scan.ts'
import { type StagedFile, stageParquet } from '../lake/staging.ts'
import type { LakeStorage } from '../lake/storage.ts'
import type { Database, Session } from './duckdb.ts'
import type { BatchEngine, RecomputeRequest, RecomputeResult } from './port.ts'

interface EngineParts {
  /** Stays the caller's: the engine does not close it. */
  readonly database: Database
  readonly storage: LakeStorage
}

export function createDuckDbBatchEngine({ database, storage }: EngineParts): BatchEngine {
  return {
    recompute: (request) =>
      database.session((session) =>
        session.interruptible(request.signal, () => recompute(session, storage, request)),
      ),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function recompute(
  session: Session,
  storage: LakeStorage,
  request: RecomputeRequest,
): Promise<RecomputeResult> {
  const { view, signal } = request
  const path = tablePaths({ name: view.pipeline }).view(view.name)
  const keys = view.partialColumns.slice(0, view.keyCount).map(({ name }) => name)
  const files = await stageParquet(session, storage, path, {
    select: mergedPartialsSql(request),
    columns: view.partialColumns,
    partitionColumns: [],
    sortBy: [...keys, '_part', '_bucket'],
  })
  const stored = files.map((file) => `${path}/${file.path}`)
  try {
    signal?.throwIfAborted()
    const checksum = await checksumOf(session, storage, { stored, columns: view.partialColumns })
    return { files, rowCount: rowCountOf(files), checksum }
  } catch (error) {
    await storage.remove(stored)
    throw error
  }
}

function mergedPartialsSql(request: RecomputeRequest): string {
  const { view, curatedFiles, curatedColumns, curatedPartitionColumns, partialFiles } = request
  const rows = scanSql(curatedFiles, {
    columns: curatedColumns,
    partitionColumns: curatedPartitionColumns,
  })
  const counted = `(SELECT * FROM (${rows}) AS scanned WHERE ${rangesPredicate(request.ranges)})`
  const published = scanSql(partialFiles, { columns: view.partialColumns, partitionColumns: [] })
  const names = view.partialColumns.map(({ name }) => quoteIdentifier(name)).join(', ')
  const fresh = `SELECT ${names} FROM (${view.partialSql(counted)}) AS fresh`
  return view.mergeSql(`(${fresh} UNION ALL ${published})`)
}

/**
 * Sums two 64-bit halves of each row's MD5 as exact integers: the order of rows does not matter, a
 * doubled or missing row does. Read from the files, so that what was written is what is compared.
 */
async function checksumOf(
  session: Session,
  storage: LakeStorage,
  { stored, columns }: { readonly stored: readonly string[]; readonly columns: readonly Column[] },
): Promise<string> {
  const paths = await Promise.all(stored.map((path) => storage.readablePath(path)))
  const fields = columns.map(({ name }) => `${quoteIdentifier(name)} := ${quoteIdentifier(name)}`)
  const [row] = await session.rows<{ checksum: string }>(
    `SELECT concat_ws('-', count(*), coalesce(sum(md5_number_upper(line)), 0), coalesce(sum(md5_number_lower(line)), 0)) AS checksum
     FROM (SELECT to_json(struct_pack(${fields.join(', ')}))::VARCHAR AS line
           FROM (${scanSql(paths, { columns, partitionColumns: [] })}) AS stored) AS lines`,
  )
  return row?.checksum ?? ''
}

function rowCountOf(files: readonly StagedFile[]): number {
  return files.reduce((sum, file) => sum + file.rowCount, 0)
}

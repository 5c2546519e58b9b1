/**
 * Curated and rejected computed again from raw, by the definitions as they are now, beside a running
 * speed layer: rows that it appends meanwhile stay as they are.
 */
import { MillraceError } from '../core/errors.ts'
import { coordinateColumns, type LoadedPipeline, rejectedColumns } from '../core/pipeline.ts'
import { loadEnrichment } from '../stores/enrichment.ts'
import type { PipelineTables } from '../stores/lake/pipeline-tables.ts'
import { scanSql } from '../stores/lake/scan.ts'
import type { DataFile, LakeSnapshot, LakeTable } from '../stores/lake/types.ts'
import { randomName } from '../stores/unique.ts'
import { compareRows, type RowComparison } from './compare-rows.ts'
import type { BatchContext } from './context.ts'
import { chunksOf, remainingMs } from './domain/plan-rebuild.ts'
import { type RebuiltRows, rebuildRows } from './rebuild-rows.ts'
import { rebuildKey } from './recompute-view.ts'
import { lockBatch } from './run.ts'
import { batchTelemetryOf } from './telemetry.ts'

/** The write path, in order. The `committed_…` are the commit points of their tables. */
export type RebuildStep = 'staged' | 'committed_rejected' | 'committed_curated'

export interface RebuildOptions {
  /** Where the pipelines' reference files lie. */
  readonly sqlDirectory: string
  /** That of the speed layer: a longer record is rejected, bytes. */
  readonly recordBytesMax: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: RebuildProgress) => void
  /** Told after each step; a test that throws here is a crash at that point. */
  readonly afterStep?: (step: RebuildStep) => void
}

export interface RebuildProgress {
  readonly pipeline: string
  /** Bytes of raw's files. */
  readonly done: number
  readonly total: number
  readonly rows: number
  /** Null while nobody can say. */
  readonly remainingMs: number | null
}

export interface RebuildReport {
  readonly pipeline: string
  readonly curated: RowComparison
  readonly rejected: RowComparison
  readonly durationMs: number
}

interface Snapshots {
  readonly curated: LakeSnapshot
  readonly rejected: LakeSnapshot
  readonly raw: LakeSnapshot
}

/**
 * Rebuilds the rows of one pipeline; the next batch then recomputes its views from all of them. A
 * process that dies leaves files that no version names, and the next rebuild starts again.
 *
 * @throws MillraceError DATA_DIRECTORY_IN_USE as a batch does, COVERAGE_HOLE when raw lacks records
 *   that have rows, LAKE_COMMIT_CONFLICT when somebody else rewrote the tables; the signal's reason.
 */
export async function rebuildPipeline(
  context: BatchContext,
  loaded: LoadedPipeline,
  options: RebuildOptions,
): Promise<RebuildReport> {
  const startMs = context.clock.elapsed()
  await using _lock = await lockBatch(context, options.signal)
  const tables = await context.tablesOf(loaded)
  await tables.curated.addColumns(loaded.curatedColumns)
  // In this order each has at least the offsets of the one before: raw is committed first.
  const curated = await tables.curated.refresh()
  const rejected = await tables.rejected.refresh()
  const snapshots = { curated, rejected, raw: await tables.raw.refresh() }
  const rows: RebuiltRows = { curated: [], rejected: [] }
  await checkRaw(context, { loaded, tables, snapshots })
  try {
    await stageAll(context, { loaded, tables, snapshots }, options, rows)
    const compared = await compareAll(context, { loaded, tables, snapshots }, rows)
    options.afterStep?.('staged')
    await commitAll(tables, snapshots, rows, options)
    const durationMs = context.clock.elapsed() - startMs
    const report = { pipeline: loaded.pipeline.name, ...compared, durationMs }
    batchTelemetryOf(context.telemetry).rebuilt(report)
    return report
  } catch (error) {
    await discardUnnamed(context, tables, rows)
    throw error
  }
}

interface Target {
  readonly loaded: LoadedPipeline
  readonly tables: PipelineTables
  readonly snapshots: Snapshots
}

async function stageAll(
  context: BatchContext,
  { loaded, tables, snapshots }: Target,
  options: RebuildOptions,
  rows: RebuiltRows,
): Promise<void> {
  const { database, storage, settings, clock } = context
  const { sqlDirectory, recordBytesMax, signal, onProgress } = options
  const work = {
    loaded,
    tables,
    storage,
    enrich: await loadEnrichment(database, loaded, sqlDirectory),
    recordBytesMax,
    curatedOffsets: snapshots.curated.offsets,
    rejectedOffsets: snapshots.rejected.offsets,
  }
  const startMs = clock.elapsed()
  const total = sumOf(snapshots.raw, ({ bytes }) => bytes)
  let done = 0
  let rowCount = 0
  const tell = () =>
    onProgress?.({
      pipeline: loaded.pipeline.name,
      done,
      total,
      rows: rowCount,
      remainingMs: remainingMs(done, total, clock.elapsed() - startMs),
    })
  for (const files of chunksOf(snapshots.raw.files, settings.rebuildChunkBytesMax)) {
    tell()
    const staged = await database.session((session) =>
      session.interruptible(signal, () => rebuildRows(session, work, files)),
    )
    rows.curated.push(...staged.curated)
    rows.rejected.push(...staged.rejected)
    for (const file of files) {
      done += file.bytes
      rowCount += file.rowCount
    }
  }
  signal?.throwIfAborted()
  tell()
}

async function compareAll(
  { database }: BatchContext,
  { loaded, tables, snapshots }: Target,
  rows: RebuiltRows,
): Promise<Pick<RebuildReport, 'curated' | 'rejected'>> {
  const { curated, rejected } = snapshots
  return await database.session(async (session) => ({
    curated: await compareRows(
      session,
      { table: tables.curated, columns: loaded.curatedColumns },
      { before: curated.files, after: rows.curated },
    ),
    rejected: await compareRows(
      session,
      { table: tables.rejected, columns: rejectedColumns },
      { before: rejected.files, after: rows.rejected },
    ),
  }))
}

/** A row whose record raw lacks would be lost. */
async function checkRaw(
  { database }: BatchContext,
  { loaded, tables, snapshots }: Target,
): Promise<void> {
  const { curated, rejected, raw } = snapshots
  const coordinates = async (table: LakeTable, { files, partitionColumns }: LakeSnapshot) =>
    scanSql(await table.readablePaths(files), { columns: coordinateColumns, partitionColumns })
  const [found] = await database.rows<{ missing: bigint }>(
    `SELECT count(*) AS missing FROM (${await coordinates(tables.curated, curated)} ` +
      `UNION ALL ${await coordinates(tables.rejected, rejected)}) AS known ` +
      `ANTI JOIN (${await coordinates(tables.raw, raw)}) AS raw USING (_partition, _offset)`,
  )
  const missing = found?.missing ?? 0n
  if (missing === 0n) return
  throw new MillraceError(
    'COVERAGE_HOLE',
    `The rows of '${loaded.pipeline.name}' cannot be rebuilt: raw lacks ${missing} records that have rows. Restore raw first; nothing was changed.`,
  )
}

async function commitAll(
  tables: PipelineTables,
  { curated, rejected }: Snapshots,
  rows: RebuiltRows,
  options: RebuildOptions,
): Promise<void> {
  // Commit point of rejected: readers have its old rows until this returns and the new ones after it.
  // A crash before leaves files that no version names. A crash after it, before curated, leaves the
  // two tables of different definitions, whole each: the next rebuild brings both to the same.
  const shared = { dataChange: true, operation: 'REBUILD' }
  const first = await tables.rejected.replace({
    ...shared,
    remove: rejected.files,
    add: rows.rejected,
    basedOnVersion: rejected.version,
  })
  if (first.kind === 'superseded') throw conflict(tables.rejected)
  options.afterStep?.('committed_rejected')
  // Commit point of curated, which also names the rebuild: until a view's partials carry the same
  // name, every batch recomputes that view from all rows. A crash after it costs only that wait.
  const second = await tables.curated.replace({
    ...shared,
    remove: curated.files,
    add: rows.curated,
    configuration: { [rebuildKey]: randomName() },
    basedOnVersion: curated.version,
  })
  if (second.kind === 'superseded') throw conflict(tables.curated)
  options.afterStep?.('committed_curated')
}

function conflict({ path }: LakeTable): MillraceError {
  return new MillraceError(
    'LAKE_COMMIT_CONFLICT',
    `Table '${path}' was rewritten by another process during the rebuild. Run the rebuild again.`,
  )
}

/** Removes what was staged and not committed; where that fails too, the vacuum does it later. */
async function discardUnnamed(
  { storage }: BatchContext,
  tables: PipelineTables,
  rows: RebuiltRows,
): Promise<void> {
  for (const name of ['curated', 'rejected'] as const) {
    const table = tables[name]
    const live = await table.refresh().catch(() => null)
    if (live === null) continue
    const named = new Set(live.files.map(({ path }) => path))
    const unnamed = rows[name].filter(({ path }) => !named.has(path))
    await storage.remove(unnamed.map(({ path }) => `${table.path}/${path}`)).catch(() => {})
  }
}

function sumOf({ files }: LakeSnapshot, of: (file: DataFile) => number): number {
  return files.reduce((sum, file) => sum + of(file), 0)
}

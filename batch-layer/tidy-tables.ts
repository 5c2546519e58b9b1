/** After the views: merges small files of a pipeline's tables and deletes what no reader can hold. */
import { type LoadedPipeline, rawColumns, rejectedColumns } from '../core/pipeline.ts'
import type { Column } from '../core/sql.ts'
import type { PipelineTables } from '../stores/lake/pipeline-tables.ts'
import { scanSql } from '../stores/lake/scan.ts'
import { type StagedFile, stageParquet } from '../stores/lake/staging.ts'
import type { DataFile, LakeSnapshot, LakeTable } from '../stores/lake/types.ts'
import type { BatchContext } from './context.ts'
import { planCompaction } from './domain/plan-compaction.ts'
import { type LastVacuum, planVacuum } from './domain/plan-vacuum.ts'
import { batchTelemetryOf } from './telemetry.ts'

interface TidyTarget {
  readonly tables: PipelineTables
  /**
   * The snapshot that the batch has read. Newer files are left alone: serving processes still read
   * them commit by commit, and merging them would make those read more.
   */
  readonly curated: LakeSnapshot
}

interface TidyTable {
  readonly table: LakeTable
  readonly columns: readonly Column[]
  /** Only files of this snapshot are merged. */
  readonly newest: LakeSnapshot
  readonly compression?: 'zstd'
}

/** Bounded by `compactionBytesMax` per table; trouble with one table is logged and passed over. */
export async function tidyTables(
  context: BatchContext,
  loaded: LoadedPipeline,
  { tables, curated }: TidyTarget,
  signal?: AbortSignal,
): Promise<void> {
  const telemetry = batchTelemetryOf(context.telemetry)
  const views = await Promise.all(loaded.views.map((view) => tables.view(view)))
  const rowTables: TidyTable[] = [
    { table: tables.curated, columns: loaded.curatedColumns, newest: curated },
    {
      table: tables.raw,
      columns: rawColumns,
      newest: await tables.raw.refresh(),
      compression: 'zstd',
    },
    { table: tables.rejected, columns: rejectedColumns, newest: await tables.rejected.refresh() },
  ]
  for (const table of [...rowTables.map((one) => one.table), ...views]) {
    if (signal?.aborted) return
    try {
      const rows = rowTables.find((one) => one.table === table)
      if (rows !== undefined) await compactTable(context, rows)
      await vacuumTable(context, table)
    } catch (error) {
      telemetry.tableFailed({ table: table.path, error })
    }
  }
}

const vacuums = new WeakMap<LakeTable, LastVacuum>()

async function vacuumTable(context: BatchContext, table: LakeTable): Promise<void> {
  const { clock, settings } = context
  const { retentionMs } = settings
  const at = { nowMs: clock.now(), elapsedMs: clock.elapsed() }
  const plan = planVacuum(vacuums.get(table), at, retentionMs)
  if (plan === null) return
  const files = plan.isDue ? await table.vacuum(retentionMs) : 0
  vacuums.set(table, plan)
  batchTelemetryOf(context.telemetry).tableVacuumed({ table: table.path, files })
}

async function compactTable(context: BatchContext, { newest, ...shape }: TidyTable): Promise<void> {
  const { table } = shape
  const groups = planCompaction(newest.files, context.settings)
  if (groups.length === 0) return
  const added: StagedFile[] = []
  for (const group of groups) {
    added.push(...(await mergeFiles(context, shape, group)))
  }
  const removed = groups.flat()
  // Commit point of the compaction: the same rows in fewer files. Readers that hold the old
  // version keep its files until `retentionMs` has passed.
  const outcome = await table.replace({
    remove: removed,
    add: added,
    dataChange: false,
    operation: 'COMPACTION',
    basedOnVersion: newest.version,
  })
  if (outcome.kind === 'superseded') {
    // Somebody else replaced one of the files; the next batch looks again.
    await context.storage.remove(added.map((file) => `${table.path}/${file.path}`))
    return
  }
  batchTelemetryOf(context.telemetry).tableCompacted({
    table: table.path,
    filesBefore: removed.length,
    filesAfter: added.length,
  })
}

/** One folder's files as one file, rows in the order of their coordinates. */
async function mergeFiles(
  context: BatchContext,
  { table, columns, compression }: Omit<TidyTable, 'newest'>,
  group: readonly DataFile[],
): Promise<StagedFile[]> {
  const { partitionColumns } = table.current()
  const paths = await table.readablePaths(group)
  return await context.database.session((session) =>
    stageParquet(session, context.storage, table.path, {
      select: scanSql(paths, { columns, partitionColumns }),
      columns,
      partitionColumns,
      sortBy: ['_partition', '_offset'],
      ...(compression === undefined ? {} : { compression }),
    }),
  )
}

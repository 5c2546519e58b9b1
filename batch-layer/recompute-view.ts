/** Brings one view's published partials up to a snapshot of the curated table. */
import { MillraceError } from '../core/errors.ts'
import { type OffsetRange, offsetOf } from '../core/offsets.ts'
import { definitionHashKey, type LoadedPipeline } from '../core/pipeline.ts'
import type { CompiledView } from '../core/views/compiled-view.ts'
import type { RecomputeResult } from '../stores/engine/port.ts'
import type { PipelineTables } from '../stores/lake/pipeline-tables.ts'
import { pruneFiles } from '../stores/lake/scan.ts'
import type { LakeSnapshot, LakeTable } from '../stores/lake/types.ts'
import type { BatchContext, ViewOutcome } from './context.ts'
import { type PublishedView, planView, type ViewPlan } from './domain/plan-batch.ts'
import { batchTelemetryOf } from './telemetry.ts'

/** In the configuration of a view's table: when it was last recomputed from all rows, epoch ms. */
const fullAtKey = 'millrace.fullAtMs'
/** In the configuration of curated, and of a view computed from it: which rebuild gave the rows. */
export const rebuildKey = 'millrace.rebuild'

export interface ViewWork {
  readonly loaded: LoadedPipeline
  readonly view: CompiledView
  readonly tables: PipelineTables
  /** Every view of a batch is brought to the same snapshot. */
  readonly curated: LakeSnapshot
  readonly isFullAsked: boolean
}

type FullPlan = Extract<ViewPlan, { readonly kind: 'full' }>
type RunningPlan = Exclude<ViewPlan, { readonly kind: 'current' | 'hole' }>

export async function recomputeView(
  context: BatchContext,
  work: ViewWork,
  signal?: AbortSignal,
): Promise<ViewOutcome> {
  const table = await work.tables.view(work.view)
  const published = await table.refresh()
  const plan = planView({
    definitionHash: work.view.definitionHash,
    published: publishedView(published),
    curatedOffsets: work.curated.offsets,
    curatedRebuild: work.curated.configuration[rebuildKey] ?? null,
    isFullAsked: work.isFullAsked,
    nowMs: context.clock.now(),
    fullIntervalMs: context.settings.fullIntervalMs,
  })
  context.afterStep?.('planned')
  if (plan.kind === 'hole') throw holeError(work, published, plan.partition)
  if (plan.kind === 'current' || work.curated.version < 0) return { kind: 'current' }
  return await recompute(context, work, { table, published, plan }, signal)
}

interface Target {
  readonly table: LakeTable
  readonly published: LakeSnapshot
  readonly plan: RunningPlan
}

async function recompute(
  context: BatchContext,
  work: ViewWork,
  { table, published, plan }: Target,
  signal?: AbortSignal,
): Promise<ViewOutcome> {
  const { clock } = context
  const startMs = clock.elapsed()
  const startedAtMs = clock.now()
  const rebuild = work.curated.configuration[rebuildKey]
  const partials = plan.kind === 'incremental' ? await table.readablePaths(published.files) : []
  const result = await recomputeRanges(context, work, { ranges: plan.ranges, partials, signal })
  const hasDiverged =
    plan.kind === 'full' &&
    (await hasDivergedFrom(context, work, { table, published, plan }, result, signal))
  context.afterStep?.('recomputed')

  // Commit point: readers have the old partials with their offsets until this returns and the new
  // ones after it. A crash before leaves staged files that no version names: vacuum removes them.
  const commit = await table.replace({
    remove: published.files,
    add: result.files,
    offsets: work.curated.offsets,
    columns: work.view.partialColumns,
    configuration: {
      [definitionHashKey]: work.view.definitionHash,
      ...(plan.kind === 'full' ? { [fullAtKey]: `${startedAtMs}` } : {}),
      ...(rebuild === undefined ? {} : { [rebuildKey]: rebuild }),
    },
    dataChange: true,
    operation: plan.kind === 'full' ? `FULL BATCH (${plan.reason})` : 'INCREMENTAL BATCH',
    basedOnVersion: published.version,
  })
  if (commit.kind === 'superseded') {
    await discard(context, table, result)
    return { kind: 'superseded' }
  }
  context.afterStep?.('published')
  reportPublished(context, work, { plan, rowCount: result.rowCount, startMs })
  const { offsets } = work.curated
  return { kind: 'published', how: plan.kind, offsets, rowCount: result.rowCount, hasDiverged }
}

function publishedView({ configuration, offsets }: LakeSnapshot): PublishedView {
  const fullAt = configuration[fullAtKey]
  return {
    definitionHash: configuration[definitionHashKey] ?? null,
    offsets,
    fullAtMs: fullAt === undefined ? null : Number(fullAt),
    rebuild: configuration[rebuildKey] ?? null,
  }
}

interface Reading {
  readonly ranges: readonly OffsetRange[]
  /** Readable paths of the published partials to merge with. */
  readonly partials: readonly string[]
  readonly signal: AbortSignal | undefined
}

async function recomputeRanges(
  context: BatchContext,
  { loaded, view, tables, curated }: ViewWork,
  { ranges, partials, signal }: Reading,
): Promise<RecomputeResult> {
  return await context.engine.recompute({
    view,
    curatedColumns: loaded.curatedColumns,
    curatedPartitionColumns: loaded.pipeline.partitionBy.map(({ name }) => name),
    curatedFiles: await tables.curated.readablePaths(pruneFiles(curated.files, { ranges })),
    ranges,
    partialFiles: partials,
    ...(signal === undefined ? {} : { signal }),
  })
}

/**
 * Computes the same offsets the other way, from the published partials, and compares. A difference
 * means that partials were damaged or that a rule of the seam was broken: the full result is
 * the right one, and somebody must know.
 */
async function hasDivergedFrom(
  context: BatchContext,
  work: ViewWork,
  { table, published, plan }: Target & { readonly plan: FullPlan },
  full: RecomputeResult,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (plan.compareRanges === null) return false
  const partials = await table.readablePaths(published.files)
  const reading = { ranges: plan.compareRanges, partials, signal }
  const incremental = await recomputeRanges(context, work, reading)
  await discard(context, table, incremental)
  if (incremental.checksum === full.checksum) return false
  batchTelemetryOf(context.telemetry).viewDiverged({
    pipeline: work.loaded.pipeline.name,
    view: work.view.name,
    expected: full.checksum,
    found: incremental.checksum,
  })
  return true
}

async function discard(
  context: BatchContext,
  table: LakeTable,
  { files }: RecomputeResult,
): Promise<void> {
  await context.storage.remove(files.map((file) => `${table.path}/${file.path}`))
}

function reportPublished(
  context: BatchContext,
  { loaded, view, curated }: ViewWork,
  {
    plan,
    rowCount,
    startMs,
  }: { readonly plan: RunningPlan; readonly rowCount: number; readonly startMs: number },
): void {
  const { clock } = context
  batchTelemetryOf(context.telemetry).viewPublished({
    pipeline: loaded.pipeline.name,
    view: view.name,
    kind: plan.kind,
    ...(plan.kind === 'full' ? { reason: plan.reason } : {}),
    offsets: curated.offsets,
    rowCount,
    durationMs: clock.elapsed() - startMs,
    nowMs: clock.now(),
  })
}

function holeError(
  { loaded, view, curated }: ViewWork,
  published: LakeSnapshot,
  partition: number,
): MillraceError {
  const name = `${loaded.pipeline.name}.${view.name}`
  const below = `${offsetOf(curated.offsets, partition)}`
  const above = `${offsetOf(published.offsets, partition)}`
  return new MillraceError(
    'COVERAGE_HOLE',
    `View '${name}' is published up to offset ${above} of partition ${partition}, but the curated table ends at ${below}: rows were lost. Restore the lake, or accept the loss with 'millrace batch rebuild --view ${view.name}'.`,
    { details: { partition } },
  )
}

/**
 * The batch layer: on a schedule, or once, bring every view's published partials up to the curated
 * table, then tidy the lake's files. Nothing here is in a hurry and everything can be repeated: the
 * only step that changes what readers see is one commit per view.
 */
import { MillraceError } from '../core/errors.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { acquireProcessLock } from '../stores/process-lock.ts'
import type { BatchContext, BatchOptions, BatchReport, ViewOutcome } from './context.ts'
import { recomputeView } from './recompute-view.ts'
import { batchTelemetryOf } from './telemetry.ts'
import { tidyTables } from './tidy-tables.ts'

type ViewReport = BatchReport['views'][number]

/** Runs a batch each `intervalMs` until `signal` aborts. What fails is logged and tried again. */
export async function runBatchLayer(context: BatchContext, signal: AbortSignal): Promise<void> {
  const telemetry = batchTelemetryOf(context.telemetry)
  while (!signal.aborted) {
    try {
      await runBatch(context, { signal })
    } catch (error) {
      // The lake or the lock may be back by the next batch; until then the seam serves from the tail.
      if (!signal.aborted) telemetry.batchFailed(error)
    }
    await context.clock.sleep(context.settings.intervalMs, signal)
  }
}

/**
 * Runs one batch. A view that fails does not stop the others: its outcome says so.
 *
 * @throws MillraceError DATA_DIRECTORY_IN_USE when another batch does not end in `lockWaitMs`,
 *   OBJECT_UNKNOWN for a pipeline or view that is not there, LAKE_UNAVAILABLE.
 */
export async function runBatch(
  context: BatchContext,
  options: BatchOptions = {},
): Promise<BatchReport> {
  const startMs = context.clock.elapsed()
  const pipelines = chosenPipelines(context.pipelines, options)
  await using _lock = await lockBatch(context, options.signal)
  const views: ViewReport[] = []
  const total = pipelines.reduce((sum, { chosen }) => sum + chosen.length, 0)
  for (const { loaded, chosen } of pipelines) {
    const tables = await context.tablesOf(loaded)
    const curated = await tables.curated.refresh()
    for (const view of chosen) {
      if (options.signal?.aborted) return { views, durationMs: context.clock.elapsed() - startMs }
      const next = `${loaded.pipeline.name}.${view.name}`
      options.onProgress?.({ done: views.length, total, next })
      const work = { loaded, view, tables, curated, isFullAsked: options.isFull ?? false }
      const outcome = await settled(
        () => recomputeView(context, work, options.signal),
        options.signal,
      )
      views.push({ pipeline: loaded.pipeline.name, view: view.name, outcome })
      reportOutcome(context, views.at(-1))
    }
    await tidyTables(context, loaded, { tables, curated }, options.signal)
  }
  options.onProgress?.({ done: total, total, next: '' })
  return { views, durationMs: context.clock.elapsed() - startMs }
}

function chosenPipelines(pipelines: readonly LoadedPipeline[], options: BatchOptions) {
  const chosen = pipelines
    .filter(({ pipeline }) => options.pipeline === undefined || pipeline.name === options.pipeline)
    .map((loaded) => ({
      loaded,
      chosen: loaded.views.filter(
        (view) => options.view === undefined || view.name === options.view,
      ),
    }))
  const isAsked = options.pipeline !== undefined || options.view !== undefined
  if (isAsked && chosen.every((one) => one.chosen.length === 0)) {
    const asked = [options.pipeline, options.view].filter((name) => name !== undefined).join('.')
    const known = pipelines.flatMap(({ pipeline, views }) =>
      views.map((view) => `${pipeline.name}.${view.name}`),
    )
    throw new MillraceError(
      'OBJECT_UNKNOWN',
      `There is no view '${asked}' to recompute. Known views: ${known.join(', ') || 'none'}.`,
    )
  }
  return chosen
}

/** Two batches at a time would do the same work twice, and the slower one's would be dropped. */
export async function lockBatch(
  context: BatchContext,
  signal?: AbortSignal,
): Promise<AsyncDisposable> {
  const deadlineMs = context.clock.elapsed() + context.settings.lockWaitMs
  for (;;) {
    const outcome = await acquireProcessLock(context.lockDirectory, 'batch', 'a batch')
    if (outcome.kind === 'acquired') return outcome.lock
    if (signal?.aborted || context.clock.elapsed() >= deadlineMs) {
      const waited = `${context.settings.lockWaitMs / 1000} s`
      throw new MillraceError(
        'DATA_DIRECTORY_IN_USE',
        `Another batch (process ${outcome.holder.pid} on ${outcome.holder.host}) works in '${context.lockDirectory}' and did not end within ${waited}. Wait for it, or raise batch.lockWaitMs.`,
      )
    }
    await context.clock.sleep(100, signal)
  }
}

/** One view's trouble is its own: the others go on, and the caller sees it in the report. */
async function settled(
  work: () => Promise<ViewOutcome>,
  signal: AbortSignal | undefined,
): Promise<ViewOutcome> {
  try {
    return await work()
  } catch (error) {
    return signal?.aborted ? { kind: 'cancelled' } : { kind: 'failed', error }
  }
}

function reportOutcome(context: BatchContext, report: ViewReport | undefined): void {
  if (report === undefined) return
  const { pipeline, view, outcome } = report
  const telemetry = batchTelemetryOf(context.telemetry)
  const nowMs = context.clock.now()
  if (outcome.kind === 'failed') telemetry.viewFailed({ pipeline, view, error: outcome.error })
  if (outcome.kind === 'superseded') telemetry.viewSuperseded({ pipeline, view })
  if (outcome.kind === 'current') telemetry.viewCurrent({ pipeline, view, nowMs })
}

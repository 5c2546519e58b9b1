/** `millrace batch`: one batch, or a batch at each interval. */
import type { BatchOptions, BatchReport } from '../../batch-layer/context.ts'
import { runBatch } from '../../batch-layer/run.ts'
import { offsetsToJson } from '../../core/offsets.ts'
import { type BatchCommandOptions, openBatchAlone } from '../open-batch.ts'
import { createProgressBar } from '../progress-bar.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface BatchOnceOptions extends BatchCommandOptions {
  readonly view?: string
  readonly full?: boolean
}

export async function runBatchOnce(options: BatchOnceOptions): Promise<void> {
  const signal = stopOnSignals()
  await using stack = new AsyncDisposableStack()
  const { batch } = await openBatchAlone({ ...options, isLogged: false }, stack)
  const bar = createProgressBar()
  const request: BatchOptions = {
    ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    ...(options.view === undefined ? {} : { view: options.view }),
    isFull: options.full ?? false,
    signal,
    onProgress: ({ done, total, next }) => bar.show({ done, total, label: next }),
  }
  const report = await runBatch(batch.context, request)
  bar.end()
  printReport(report)
}

export async function runBatchSchedule(options: BatchCommandOptions): Promise<void> {
  const signal = stopOnSignals()
  await using stack = new AsyncDisposableStack()
  const { batch } = await openBatchAlone({ ...options, isLogged: true }, stack)
  await batch.run(signal)
}

/** A line per view; a view that failed or diverged makes the command fail. */
export function printReport({ views, durationMs }: BatchReport): void {
  for (const { pipeline, view, outcome } of views) {
    process.stdout.write(`${pipeline}.${view}: ${sentenceOf(outcome)}\n`)
  }
  process.stdout.write(`${views.length} views in ${(durationMs / 1000).toFixed(1)} s\n`)
  const isBad = views.some(
    ({ outcome }) =>
      outcome.kind === 'failed' || (outcome.kind === 'published' && outcome.hasDiverged),
  )
  if (isBad) process.exitCode = 1
}

function sentenceOf(outcome: BatchReport['views'][number]['outcome']): string {
  switch (outcome.kind) {
    case 'current':
      return 'is up to date'
    case 'cancelled':
      return 'was cancelled'
    case 'superseded':
      return 'was published by another batch meanwhile'
    case 'failed':
      return `failed: ${outcome.error instanceof Error ? outcome.error.message : outcome.error}`
    case 'published': {
      const { how, rowCount, offsets, hasDiverged } = outcome
      const reach = JSON.stringify(offsetsToJson(offsets))
      const warning = hasDiverged
        ? '; BATCH_DIVERGED: what was published before differed and has been replaced'
        : ''
      return `published, ${how}, ${rowCount} partial rows, offsets ${reach}${warning}`
    }
  }
}

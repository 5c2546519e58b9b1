/** `millrace batch rebuild`: rows again from raw, then the views from all rows. */
import { type RebuildReport, rebuildPipeline } from '../../batch-layer/rebuild.ts'
import { runBatch } from '../../batch-layer/run.ts'
import { type BatchCommandOptions, openBatchAlone } from '../open-batch.ts'
import { createProgressBar } from '../progress-bar.ts'
import { stopOnSignals } from '../stop-signal.ts'
import { printReport } from './batch.ts'

export async function runRebuild(options: BatchCommandOptions): Promise<void> {
  const signal = stopOnSignals()
  await using stack = new AsyncDisposableStack()
  const opened = await openBatchAlone({ ...options, isLogged: false }, stack)
  const { settings, pipelines, batch } = opened
  const bar = createProgressBar()
  for (const loaded of pipelines) {
    const report = await rebuildPipeline(batch.context, loaded, {
      sqlDirectory: settings.pipelinesDirectory,
      recordBytesMax: settings.speed.recordBytesMax,
      signal,
      onProgress: ({ pipeline, done, total, rows, remainingMs }) =>
        bar.show({ done, total, label: labelOf(pipeline, rows, remainingMs) }),
    }).finally(() => bar.end())
    process.stdout.write(`${sentenceOf(report)}\n`)
  }
  const report = await runBatch(batch.context, {
    isFull: true,
    signal,
    onProgress: ({ done, total, next }) => bar.show({ done, total, label: next }),
  })
  bar.end()
  printReport(report)
}

function labelOf(pipeline: string, rows: number, remainingMs: number | null): string {
  const rest = remainingMs === null ? '' : `, about ${Math.ceil(remainingMs / 1000)} s left`
  return `${pipeline}: ${rows} records${rest}`
}

function sentenceOf({ pipeline, curated, rejected, durationMs }: RebuildReport): string {
  const compared = ({ rowCount, differing }: RebuildReport['curated'], what: string) =>
    `${rowCount} ${what} rows (${differing === 0 ? 'identical' : `${differing} differ`})`
  const seconds = (durationMs / 1000).toFixed(1)
  return `${pipeline}: rebuilt ${compared(curated, 'curated')}, ${compared(rejected, 'rejected')} in ${seconds} s`
}

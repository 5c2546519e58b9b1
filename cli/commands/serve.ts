/** `millrace serve`: the serving layer alone, in a process of its own. */
import { createTelemetry } from '../../stores/telemetry.ts'
import { openServingLayer } from '../open-serving.ts'
import { openPipelines, openStores } from '../open-stores.ts'
import { readSettings } from '../settings.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface ServeOptions {
  readonly pipelines?: string
  readonly config?: string
}

export async function runServe(options: ServeOptions): Promise<void> {
  const settings = readSettings(options.config)
  const signal = stopOnSignals()
  const pipelines = await openPipelines(settings, options.pipelines)
  const telemetry = createTelemetry(settings.logLevel)
  await using stack = new AsyncDisposableStack()
  const stores = await openStores(settings, stack)
  const serving = stack.use(await openServingLayer({ ...stores, settings, pipelines, telemetry }))
  process.stdout.write(`Serving at ${serving.url}.\n`)
  await serving.run(signal)
}

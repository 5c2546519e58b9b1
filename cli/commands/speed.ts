/** `millrace speed`: the speed layer alone, in a process of its own. */
import { createTelemetry } from '../../stores/telemetry.ts'
import { openSpeedLayer } from '../open-speed.ts'
import { openPipelines, openStores } from '../open-stores.ts'
import { readSettings } from '../settings.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface SpeedOptions {
  readonly pipelines?: string
  readonly config?: string
}

export async function runSpeed(options: SpeedOptions): Promise<void> {
  const settings = readSettings(options.config)
  const signal = stopOnSignals()
  const pipelines = await openPipelines(settings, options.pipelines)
  await using stack = new AsyncDisposableStack()
  const stores = await openStores(settings, stack)
  const telemetry = createTelemetry(settings.logLevel)
  const speed = stack.use(openSpeedLayer({ ...stores, settings, pipelines, telemetry }))
  await speed.run(signal)
}

import { type BatchLayer, openBatch } from '../batch-layer/main.ts'
import { systemClock } from '../stores/clock.ts'
import { openLocalStorage } from '../stores/lake/local.ts'
import { loadMacros } from '../stores/pipelines.ts'
import { createTelemetry, silentTelemetry } from '../stores/telemetry.ts'
import { dataPlaces } from './data-places.ts'
import { type LayerParts, openPipelines, type Stores } from './open-stores.ts'
import { readSettings } from './settings.ts'

/** The batch layer on the data directory of the settings. */
export async function openBatchLayer(
  parts: LayerParts & Pick<Stores, 'storage'>,
): Promise<BatchLayer> {
  const { settings } = parts
  const { locks, spill } = dataPlaces(settings.dataDirectory)
  return await openBatch({
    ...parts,
    settings: settings.batch,
    lockDirectory: locks,
    spillDirectory: spill,
    setupSql: await loadMacros(settings.pipelinesDirectory),
    clock: systemClock,
  })
}

export interface BatchCommandOptions {
  readonly pipeline?: string
  readonly pipelines?: string
  readonly config?: string
}

/** For a command that needs nothing but the lake; `stack` closes it again. */
export async function openBatchAlone(
  options: BatchCommandOptions & { readonly isLogged: boolean },
  stack: AsyncDisposableStack,
) {
  const settings = readSettings(options.config)
  const pipelines = await openPipelines(settings, options.pipelines ?? options.pipeline)
  const { lake } = dataPlaces(settings.dataDirectory)
  const storage = stack.use(await openLocalStorage({ root: lake }))
  const telemetry = options.isLogged ? createTelemetry(settings.logLevel) : silentTelemetry()
  const batch = stack.use(await openBatchLayer({ settings, pipelines, storage, telemetry }))
  return { settings, pipelines, batch }
}

import type { LoadedPipeline } from '../core/pipeline.ts'
import { openServing, type Serving } from '../serving-layer/run.ts'
import { systemClock } from '../stores/clock.ts'
import { loadMacros } from '../stores/pipelines.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import type { Stores } from './open-stores.ts'
import type { Settings } from './settings.ts'

/** The serving layer with the settings' ports and limits. */
export async function openServingLayer(
  parts: Stores & {
    readonly settings: Settings
    readonly pipelines: readonly LoadedPipeline[]
    readonly telemetry: Telemetry
  },
): Promise<Serving> {
  const { settings } = parts
  return await openServing({
    ...parts,
    settings: { serving: settings.serving, http: settings.http },
    setupSql: await loadMacros(settings.pipelinesDirectory),
    clock: systemClock,
  })
}

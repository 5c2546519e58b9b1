import { openBatch } from '../batch-layer/main.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { systemClock } from '../stores/clock.ts'
import type { LakeStorage } from '../stores/lake/storage.ts'
import { loadMacros } from '../stores/pipelines.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import { dataPlaces } from './data-places.ts'
import type { Settings } from './settings.ts'

/** The batch layer on the data directory of the settings. */
export async function openBatchLayer(
  settings: Settings,
  parts: {
    readonly pipelines: readonly LoadedPipeline[]
    readonly storage: LakeStorage
    readonly telemetry: Telemetry
  },
) {
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

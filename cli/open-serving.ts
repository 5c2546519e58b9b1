import { openServing, type Serving } from '../serving-layer/main.ts'
import { systemClock } from '../stores/clock.ts'
import { loadMacros } from '../stores/pipelines.ts'
import type { LayerParts, Stores } from './open-stores.ts'

/** The serving layer with the settings' ports and limits. */
export async function openServingLayer(parts: LayerParts & Stores): Promise<Serving> {
  const { settings } = parts
  return await openServing({
    ...parts,
    settings: { serving: settings.serving, http: settings.http },
    setupSql: await loadMacros(settings.pipelinesDirectory),
    clock: systemClock,
  })
}

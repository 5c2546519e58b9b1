import { openSpeed } from '../speed-layer/main.ts'
import type { SpeedProgress } from '../speed-layer/progress.ts'
import { systemClock } from '../stores/clock.ts'
import type { Layer } from '../stores/layer.ts'
import type { LayerParts, Stores } from './open-stores.ts'

/** The speed layer on the folder of pipelines of the settings. */
export function openSpeedLayer(
  parts: LayerParts & Stores & { readonly progress?: SpeedProgress },
): Layer {
  const { settings } = parts
  return openSpeed({
    ...parts,
    sqlDirectory: settings.pipelinesDirectory,
    settings: settings.speed,
    clock: systemClock,
  })
}

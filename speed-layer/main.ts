/** Wires the speed layer: the stores it works on. Its DuckDB lives as long as its run. */
import type { Layer } from '../stores/layer.ts'
import type { SpeedContext } from './context.ts'
import { runSpeedLayer } from './run.ts'

export function openSpeed(context: SpeedContext): Layer {
  return {
    run: (signal) => runSpeedLayer(context, signal),
    [Symbol.asyncDispose]: async () => {},
  }
}

/** `--demo`: log files as web servers would write them. */
import type { LoadedPipeline } from '../core/pipeline.ts'
import { systemClock } from '../stores/clock.ts'
import { dataPlaces } from './data-places.ts'
import { runProduce } from './generate/produce.ts'
import type { Settings } from './settings.ts'

const demoPipeline = 'http_logs'
const eventsPerSecond = 150
/** A few late and a few spoiled lines, so that there is something to see. */
const lateShare = 0.01
const malformedShare = 0.002

/** Writes lines to `<data>/logs` until `signal` aborts. */
export async function runDemo(
  settings: Settings,
  pipelines: readonly LoadedPipeline[],
  signal: AbortSignal,
): Promise<void> {
  const demo = pipelines.find(({ pipeline }) => pipeline.name === demoPipeline)
  if (demo === undefined) return
  await runProduce({
    to: 'files',
    directory: dataPlaces(settings.dataDirectory).logs,
    pipeline: demo.pipeline,
    rate: eventsPerSecond,
    // The same every time: two demos can be compared.
    seed: 1,
    lateShare,
    malformedShare,
    signal,
    clock: systemClock,
  })
}

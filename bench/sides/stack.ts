/** The stores and layers of the benchmarks' own processes, over places that the benchmark names. */
import { servingSettings } from '../../serving-layer/config.ts'
import { DuckDbMirror } from '../../serving-layer/mirror/mirror.ts'
import { mirrorSignals } from '../../serving-layer/telemetry.ts'
import { speedSettings } from '../../speed-layer/config.ts'
import { runSpeedLayer } from '../../speed-layer/run.ts'
import { systemClock } from '../../stores/clock.ts'
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import { hotStoreSettings } from '../../stores/hot-store/config.ts'
import { createMemoryHotStore } from '../../stores/hot-store/memory.ts'
import { openLocalStorage } from '../../stores/lake/local.ts'
import { loadPipelines } from '../../stores/pipelines.ts'
import { createTelemetry } from '../../stores/telemetry.ts'

export interface Places {
  readonly eventLogDirectory: string
  readonly lakeDirectory: string
}

export async function openStack({ eventLogDirectory, lakeDirectory }: Places) {
  const opened = new AsyncDisposableStack()
  const pipelines = await loadPipelines('sql', { only: ['http_logs'] })
  const telemetry = createTelemetry('warn')
  const eventLog = opened.use(await openEmbeddedEventLog({ directory: eventLogDirectory }))
  const storage = opened.use(await openLocalStorage({ root: lakeDirectory }))
  const hotStore = opened.use(createMemoryHotStore(hotStoreSettings.parse({})))
  const shared = { pipelines, eventLog, hotStore, storage, telemetry, clock: systemClock }
  const speed = (settings: Partial<ReturnType<typeof speedSettings.parse>> = {}) => {
    const stop = new AbortController()
    const running = runSpeedLayer(
      { ...shared, settings: speedSettings.parse(settings) },
      stop.signal,
    )
    /** Lets the last lake commit be made at once, and ends. */
    const end = async () => {
      stop.abort()
      await running
    }
    opened.defer(end)
    return end
  }
  const mirror = async () =>
    opened.use(
      await DuckDbMirror.open({
        ...shared,
        settings: servingSettings.parse({}),
        signals: mirrorSignals(telemetry),
      }),
    )
  const { latest } = await eventLog.bounds('logs_raw')
  return {
    ...shared,
    latest,
    speed,
    mirror,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

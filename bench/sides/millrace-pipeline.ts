/**
 * Our side of the pipeline benchmark: from an event log that holds all records to raw, rejected and
 * curated commits in the lake and six views that answer live, in one process as `millrace up` runs them.
 */
import { sameOffsets } from '../../core/offsets.ts'
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

interface Input {
  readonly eventLogDirectory: string
  readonly lakeDirectory: string
}

export async function run({ eventLogDirectory, lakeDirectory }: Input): Promise<{ rows: number }> {
  const pipelines = await loadPipelines('sql', { only: ['http_logs'] })
  await using eventLog = await openEmbeddedEventLog({ directory: eventLogDirectory })
  await using storage = await openLocalStorage({ root: lakeDirectory })
  await using hotStore = createMemoryHotStore(hotStoreSettings.parse({}))
  const telemetry = createTelemetry('warn')
  const shared = { pipelines, eventLog, hotStore, storage, telemetry, clock: systemClock }
  const stop = new AbortController()
  const speed = runSpeedLayer({ ...shared, settings: speedSettings.parse({}) }, stop.signal)
  await using mirror = await DuckDbMirror.open({
    ...shared,
    settings: servingSettings.parse({}),
    signals: mirrorSignals(telemetry),
  })
  const { latest } = await eventLog.bounds(pipelines[0]?.pipeline.topic ?? '')
  await new Promise<void>((resolve) => {
    const look = () => {
      const [status] = mirror.status()
      if (status !== undefined && sameOffsets(status.lake, latest)) resolve()
    }
    mirror.onChange('http_logs', look)
  })
  let rows = 0
  for (const { name, kind } of mirror.objects) {
    if (kind === 'view') await mirror.database.rows(`SELECT * FROM "default".${name}`)
  }
  const [counted] = await mirror.database.rows<{ n: number }>(
    'SELECT count(*)::INTEGER AS n FROM "default".logs',
  )
  rows = counted?.n ?? 0
  stop.abort()
  await speed
  return { rows }
}

/** `millrace up`: all layers in one process. */
import { runBatchLayer } from '../../batch-layer/run.ts'
import type { LoadedPipeline } from '../../core/pipeline.ts'
import type { FilebeatConfig } from '../../filebeat-shim/config.ts'
import { loadFilebeatConfig, shipMain } from '../../filebeat-shim/main.ts'
import { SpeedProgress } from '../../speed-layer/progress.ts'
import { runSpeedLayer } from '../../speed-layer/run.ts'
import { systemClock } from '../../stores/clock.ts'
import type { Telemetry } from '../../stores/telemetry.ts'
import { dataPlaces } from '../data-places.ts'
import { runDemo } from '../demo.ts'
import { LayerGroup } from '../layer-group.ts'
import { openBatchLayer } from '../open-batch.ts'
import { openServingLayer } from '../open-serving.ts'
import { lockDataDirectory, openPipelines, openStores, type Stores } from '../open-stores.ts'
import { readSettings, type Settings } from '../settings.ts'
import { partitionsByTopic, shipperEnvironment } from '../shipper.ts'
import { StatusDisplay } from '../status-display.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface UpOptions {
  readonly demo?: boolean
  readonly pipelines?: string
  readonly config?: string
}

/** What every layer is started with. */
interface Parts extends Stores {
  readonly settings: Settings
  readonly pipelines: readonly LoadedPipeline[]
  readonly telemetry: Telemetry
}

/** How long a drain may take before the process ends anyway; the next start goes on where it was. */
const drainMsMax = 4500
const demoFilebeat = 'filebeat-shim/filebeat.yml'

export async function runUp(options: UpOptions): Promise<void> {
  const settings = readSettings(options.config)
  const display = new StatusDisplay(settings.logLevel)
  const stop = stopOnSignals(() =>
    display.say('Ending: draining what was read. Ctrl-C again ends at once.'),
  )
  const pipelines = await openPipelines(settings, options.pipelines)
  const environment = shipperEnvironment(settings)
  const demo = options.demo ? await loadFilebeatConfig(demoFilebeat, environment) : null
  await using stack = new AsyncDisposableStack()
  stack.use(await lockDataDirectory(settings, { name: 'up', purpose: 'millrace up' }))
  const { telemetry } = display
  const parts: Parts = { ...(await openStores(settings, stack)), settings, pipelines, telemetry }
  const group = stack.use(new LayerGroup(stop))
  // The port first: whoever finds it in use has changed nothing.
  const serving = stack.use(await openServingLayer(parts))
  const progress = new SpeedProgress()
  const speed = startSpeed(parts, group, progress)
  const batch = await startBatch(parts, group, stack)
  const sources = demo === null ? [] : await startDemo(parts, demo, group, stack)
  display.start({
    url: serving.url,
    dataDirectory: dataPlaces(settings.dataDirectory).root,
    pipelines: pipelines.map(({ pipeline }) => pipeline.name),
  })
  const look = setInterval(
    () => display.show(progress, serving.mirror.status()),
    display.intervalMs,
  )

  await group.stopped
  clearInterval(look)
  const deadline = setTimeout(() => endAnyway(display), drainMsMax)
  // What feeds ends first, so that the speed layer can bring all of it to the lake.
  await group.end([...sources, batch])
  await group.end([speed])
  await stack.disposeAsync()
  clearTimeout(deadline)
  group.throwFirstFailure()
  display.say('Ended cleanly.')
}

function startSpeed(parts: Parts, group: LayerGroup, progress: SpeedProgress) {
  const { settings, telemetry } = parts
  return group.start((signal) =>
    runSpeedLayer(
      {
        ...parts,
        sqlDirectory: settings.pipelinesDirectory,
        settings: settings.speed,
        telemetry,
        clock: systemClock,
        progress,
      },
      signal,
    ),
  )
}

async function startBatch(parts: Parts, group: LayerGroup, stack: AsyncDisposableStack) {
  const batch = stack.use(await openBatchLayer(parts.settings, parts))
  return group.start((signal) => runBatchLayer(batch.context, signal))
}

/** Generated log files, and the shipper that tails them. */
async function startDemo(
  parts: Parts,
  config: FilebeatConfig,
  group: LayerGroup,
  stack: AsyncDisposableStack,
) {
  const { settings, pipelines, eventLog, telemetry } = parts
  stack.use(await lockDataDirectory(settings, { name: 'ship', purpose: 'millrace up --demo' }))
  const shipper = group.start((signal) =>
    shipMain(
      {
        config,
        partitionsOf: partitionsByTopic(pipelines),
        eventLog,
        registryPath: dataPlaces(settings.dataDirectory).registry,
        settings: settings.shipper,
        telemetry,
        clock: systemClock,
      },
      signal,
    ),
  )
  return [group.start((signal) => runDemo(settings, pipelines, signal)), shipper]
}

function endAnyway(display: StatusDisplay): void {
  display.say(
    'Not everything was drained in time. Nothing is lost: the next start goes on from here.',
  )
  process.exit(0)
}

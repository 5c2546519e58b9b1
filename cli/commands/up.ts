/** `millrace up`: all layers in one process. */
import type { FilebeatConfig } from '../../filebeat-shim/config.ts'
import { SpeedProgress } from '../../speed-layer/progress.ts'
import type { Layer } from '../../stores/layer.ts'
import { dataPlaces } from '../data-places.ts'
import { runDemo } from '../demo.ts'
import { LayerGroup } from '../layer-group.ts'
import { openBatchLayer } from '../open-batch.ts'
import { openServingLayer } from '../open-serving.ts'
import { openShipperLayer, readFilebeatConfig } from '../open-shipper.ts'
import { openSpeedLayer } from '../open-speed.ts'
import {
  type LayerParts,
  lockDataDirectory,
  openPipelines,
  openStores,
  type Stores,
} from '../open-stores.ts'
import { readSettings } from '../settings.ts'
import { StatusDisplay } from '../status-display.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface UpOptions {
  readonly demo?: boolean
  readonly pipelines?: string
  readonly config?: string
}

type Parts = LayerParts & Stores

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
  const demo = options.demo ? await readFilebeatConfig(demoFilebeat, settings) : null
  await using stack = new AsyncDisposableStack()
  stack.use(await lockDataDirectory(settings, { name: 'up', purpose: 'millrace up' }))
  const { telemetry } = display
  const parts: Parts = { ...(await openStores(settings, stack)), settings, pipelines, telemetry }
  // The port first: whoever finds it in use has changed nothing.
  const serving = stack.use(await openServingLayer(parts))
  const progress = new SpeedProgress()
  const speedLayer = stack.use(openSpeedLayer({ ...parts, progress }))
  const batchLayer = stack.use(await openBatchLayer(parts))
  const shipper = demo === null ? null : await openDemoShipper(parts, demo, stack)
  // Opened last: whatever happens, what runs ends before what it works with is closed.
  const group = stack.use(new LayerGroup(stop))
  const speed = group.start(speedLayer.run)
  const batch = group.start(batchLayer.run)
  const sources = shipper === null ? [] : startDemo(parts, shipper, group)
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

async function openDemoShipper(parts: Parts, config: FilebeatConfig, stack: AsyncDisposableStack) {
  const purpose = 'millrace up --demo'
  stack.use(await lockDataDirectory(parts.settings, { name: 'ship', purpose }))
  return stack.use(await openShipperLayer(parts, config))
}

/** Generated log files, and the shipper that tails them. */
function startDemo({ settings, pipelines }: Parts, shipper: Layer, group: LayerGroup) {
  return [group.start((signal) => runDemo(settings, pipelines, signal)), group.start(shipper.run)]
}

function endAnyway(display: StatusDisplay): void {
  display.say(
    'Not everything was drained in time. Nothing is lost: the next start goes on from here.',
  )
  process.exit(0)
}

import type { LoadedPipeline } from '../core/pipeline.ts'
import type { FilebeatConfig } from '../filebeat-shim/config.ts'
import { loadFilebeatConfig, openShipper } from '../filebeat-shim/main.ts'
import { systemClock } from '../stores/clock.ts'
import type { Layer } from '../stores/layer.ts'
import { dataPlaces } from './data-places.ts'
import type { LayerParts, Stores } from './open-stores.ts'
import type { Settings } from './settings.ts'

/** For a topic that no pipeline reads. */
const partitionsOfOthers = 3

/** The filebeat-shim with the registry of the data directory. */
export async function openShipperLayer(
  parts: LayerParts & Pick<Stores, 'eventLog'>,
  config: FilebeatConfig,
): Promise<Layer> {
  const { settings, pipelines } = parts
  return await openShipper({
    ...parts,
    config,
    partitionsOf: partitionsByTopic(pipelines),
    registryPath: dataPlaces(settings.dataDirectory).registry,
    settings: settings.shipper,
    clock: systemClock,
  })
}

/** How many partitions a topic is made with. */
function partitionsByTopic(pipelines: readonly LoadedPipeline[]) {
  const counts = new Map(pipelines.map(({ pipeline }) => [pipeline.topic, pipeline.partitions]))
  return (topic: string) => counts.get(topic) ?? partitionsOfOthers
}

/** Reads a filebeat.yml; `${MILLRACE_DATA}` in it is the data directory of the settings. */
export async function readFilebeatConfig(
  file: string,
  { dataDirectory }: Settings,
): Promise<FilebeatConfig> {
  const environment = { ...process.env, MILLRACE_DATA: dataPlaces(dataDirectory).root }
  return await loadFilebeatConfig(file, environment)
}

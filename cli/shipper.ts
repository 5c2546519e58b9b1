/** What `ship` and `up --demo` hand to the filebeat-shim. */
import type { LoadedPipeline } from '../core/pipeline.ts'
import { dataPlaces } from './data-places.ts'
import type { Settings } from './settings.ts'

/** For a topic that no pipeline reads. */
const partitionsOfOthers = 3

/** How many partitions a topic is made with. */
export function partitionsByTopic(pipelines: readonly LoadedPipeline[]) {
  const counts = new Map(pipelines.map(({ pipeline }) => [pipeline.topic, pipeline.partitions]))
  return (topic: string) => counts.get(topic) ?? partitionsOfOthers
}

/** Values for `${NAME}` in a filebeat.yml; MILLRACE_DATA is the data directory of the settings. */
export function shipperEnvironment({ dataDirectory }: Settings) {
  return { ...process.env, MILLRACE_DATA: dataPlaces(dataDirectory).root }
}

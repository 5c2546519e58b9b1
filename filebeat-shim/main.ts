/** Wires the shipper: a filebeat.yml, an event log, a registry. */
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../core/errors.ts'
import type { Layer } from '../stores/layer.ts'
import type { Environment } from './config/located-yaml.ts'
import { type FilebeatConfig, parseFilebeatConfig, topicsOf } from './config.ts'
import { runShipper, type ShipperContext } from './run.ts'

interface ShipperParts extends ShipperContext {
  /** How many partitions a topic of the configuration has, or is made with. */
  readonly partitionsOf: (topic: string) => number
}

/** Makes sure of the configuration's topics. Throws TOPIC_MISMATCH. */
export async function openShipper({ partitionsOf, ...context }: ShipperParts): Promise<Layer> {
  for (const topic of topicsOf(context.config)) {
    await context.eventLog.ensureTopic(topic, partitionsOf(topic))
  }
  return {
    run: (signal) => runShipper(context, signal),
    [Symbol.asyncDispose]: async () => {},
  }
}

/**
 * Reads a filebeat.yml, before anything is opened. Throws SHIPPER_CONFIG_INVALID with every problem of
 * the file, or when it is missing.
 *
 * @param environment Values for `${NAME}` in it.
 */
export async function loadFilebeatConfig(
  file: string,
  environment: Environment,
): Promise<FilebeatConfig> {
  try {
    return parseFilebeatConfig(await readFile(file, 'utf8'), { file, environment })
  } catch (error) {
    if (error instanceof MillraceError) throw error
    const message = `The shipper cannot start: '${file}' cannot be read. Check the path after -c.`
    throw new MillraceError('SHIPPER_CONFIG_INVALID', message, { cause: error })
  }
}

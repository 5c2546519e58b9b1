/** Wires `millrace ship`: a filebeat.yml, an event log, a registry. */
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../core/errors.ts'
import type { Environment } from './config/located-yaml.ts'
import { type FilebeatConfig, parseFilebeatConfig, topicsOf } from './config.ts'
import { runShipper, type ShipperContext } from './run.ts'

export interface ShipOptions extends ShipperContext {
  /** How many partitions a topic of the configuration has, or is made with. */
  readonly partitionsOf: (topic: string) => number
}

/**
 * Makes sure of the configuration's topics and ships until `signal` aborts. Throws TOPIC_MISMATCH and
 * what {@link runShipper} throws.
 */
export async function shipMain(options: ShipOptions, signal: AbortSignal): Promise<void> {
  const { partitionsOf, ...context } = options
  for (const topic of topicsOf(context.config)) {
    await context.eventLog.ensureTopic(topic, partitionsOf(topic))
  }
  await runShipper(context, signal)
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

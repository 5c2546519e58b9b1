/** `millrace ship`: the filebeat-shim alone, in a process of its own. */
import { loadFilebeatConfig, shipMain } from '../../filebeat-shim/main.ts'
import { systemClock } from '../../stores/clock.ts'
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import { createTelemetry } from '../../stores/telemetry.ts'
import { dataPlaces } from '../data-places.ts'
import { lockDataDirectory, openPipelines } from '../open-stores.ts'
import { readSettings } from '../settings.ts'
import { partitionsByTopic, shipperEnvironment } from '../shipper.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface ShipOptions {
  readonly filebeat: string
  readonly config?: string
}

export async function runShip(options: ShipOptions): Promise<void> {
  const settings = readSettings(options.config)
  const places = dataPlaces(settings.dataDirectory)
  const signal = stopOnSignals()
  const pipelines = await openPipelines(settings, undefined)
  const config = await loadFilebeatConfig(options.filebeat, shipperEnvironment(settings))
  // Two shippers with one registry would send every line twice.
  await using _lock = await lockDataDirectory(settings, { name: 'ship', purpose: 'millrace ship' })
  await using eventLog = await openEmbeddedEventLog({
    directory: places.eventLog,
    ...settings.eventLog,
  })
  await shipMain(
    {
      config,
      partitionsOf: partitionsByTopic(pipelines),
      eventLog,
      registryPath: places.registry,
      settings: settings.shipper,
      telemetry: createTelemetry(settings.logLevel),
      clock: systemClock,
    },
    signal,
  )
}

/** `millrace ship`: the filebeat-shim alone, in a process of its own. */
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import { createTelemetry } from '../../stores/telemetry.ts'
import { dataPlaces } from '../data-places.ts'
import { openShipperLayer, readFilebeatConfig } from '../open-shipper.ts'
import { lockDataDirectory, openPipelines } from '../open-stores.ts'
import { readSettings } from '../settings.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface ShipOptions {
  readonly filebeat: string
  readonly config?: string
}

export async function runShip(options: ShipOptions): Promise<void> {
  const settings = readSettings(options.config)
  const signal = stopOnSignals()
  const pipelines = await openPipelines(settings, undefined)
  const config = await readFilebeatConfig(options.filebeat, settings)
  // Two shippers with one registry would send every line twice.
  await using _lock = await lockDataDirectory(settings, { name: 'ship', purpose: 'millrace ship' })
  await using eventLog = await openEmbeddedEventLog({
    directory: dataPlaces(settings.dataDirectory).eventLog,
    ...settings.eventLog,
  })
  const telemetry = createTelemetry(settings.logLevel)
  const parts = { settings, pipelines, telemetry, eventLog }
  await using shipper = await openShipperLayer(parts, config)
  await shipper.run(signal)
}

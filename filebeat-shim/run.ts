/** The loop of the shipper: find files → read in turns → send → remember what is acknowledged. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { SteadyClock } from '../stores/clock.ts'
import type { EventLog } from '../stores/event-log/port.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import { type FilebeatConfig, type ShipperSettings, shipperSettings } from './config.ts'
import { discover, prepareInputs } from './discover.ts'
import { renderFormat } from './domain/format-string.ts'
import { staticFields } from './domain/static-fields.ts'
import { type LineOrigin, recordMaker, type Sender } from './encode-record.ts'
import { Output } from './produce.ts'
import { readRegistry } from './registry.ts'
import { RegistryWriter } from './registry-writer.ts'
import { Tailer } from './tailer.ts'
import { type ShipperTelemetry, shipperTelemetry } from './telemetry.ts'
import { Wakeup } from './wakeup.ts'
import { DirectoryWatcher } from './watch-directories.ts'

interface ShipperProgress {
  readonly recordsAcknowledged: number
  readonly bytesInFlight: number
}

export interface ShipperContext {
  readonly config: FilebeatConfig
  readonly eventLog: EventLog
  /** The registry file; its directory is made when it is missing. */
  readonly registryPath: string
  readonly telemetry: Telemetry
  readonly clock: SteadyClock
  readonly settings?: ShipperSettings
  /** Called after each append that holds. */
  readonly onProgress?: (progress: ShipperProgress) => void
}

const version = '0.1.0'

/**
 * Ships until `signal` aborts, then waits up to `stopGraceMs` for acknowledgements and writes the
 * registry. Topics must exist. Throws REGISTRY_INVALID at the start and, later, what the event log
 * refuses for good (TOPIC_UNKNOWN, EVENT_LOG_CORRUPT).
 */
export async function runShipper(context: ShipperContext, signal: AbortSignal): Promise<void> {
  const { config, registryPath, clock } = context
  const settings = context.settings ?? shipperSettings.parse({})
  const telemetry = shipperTelemetry(context.telemetry)
  if (config.warning !== null) telemetry.optionsWithoutEffect(config.warning)
  const saved = await readRegistry(registryPath)
  const registry = new RegistryWriter(registryPath, saved.shipperId, { telemetry, clock, settings })
  let recordsAcknowledged = 0
  const onAcknowledged = (records: number) => {
    recordsAcknowledged += records
    registry.changed()
    context.onProgress?.({ recordsAcknowledged, bytesInFlight: output.bytesInFlight })
  }
  const { eventLog } = context
  const output = new Output({ eventLog, settings, telemetry, clock, onAcknowledged })
  const sender: Sender = {
    hostName: config.name ?? hostname(),
    agentId: saved.shipperId,
    ephemeralId: randomUUID(),
    version,
  }
  const tailer = new Tailer(
    {
      inputs: config.inputs,
      recordBytesMax: config.output.recordBytesMax ?? Number.POSITIVE_INFINITY,
      settings,
      telemetry,
      clock,
      output,
      makerFor: (origin) => makerFor(origin, context, sender),
      record: () => registry.write(() => tailer.entries(), signal),
    },
    saved.entries,
  )
  telemetry.started({ file: config.file, inputs: config.inputs.length })
  try {
    await loop({ ...context, settings, telemetry, output, registry, tailer }, signal)
    await tailer.drainDeleted(clock.elapsed() + settings.stopGraceMs)
  } finally {
    await output.drain(settings.stopGraceMs)
    await registry.writeLast(tailer.entries())
    await tailer.close()
    telemetry.stopped({ unacknowledgedBytes: output.bytesInFlight })
  }
  output.throwIfFailed()
}

async function makerFor(origin: LineOrigin, { config, eventLog }: ShipperContext, sender: Sender) {
  const { output } = config
  // The configuration was refused if the topic had no value, so this never sends to ''.
  const topic = renderFormat(output.topic, staticFields(origin.input, origin.path)) ?? ''
  return recordMaker(origin, { output, sender, topic }, await eventLog.partitionCount(topic))
}

interface LoopParts extends ShipperContext {
  readonly settings: ShipperSettings
  readonly output: Output
  readonly registry: RegistryWriter
  readonly tailer: Tailer
}

type Loop = Omit<LoopParts, 'telemetry'> & { readonly telemetry: ShipperTelemetry }

async function loop(parts: Loop, signal: AbortSignal): Promise<void> {
  const { clock, settings, output, registry, tailer, config, telemetry } = parts
  const wakeup = new Wakeup(clock)
  const inputs = prepareInputs(config.inputs)
  const scanIntervalMs = Math.max(100, Math.min(...config.inputs.map((one) => one.scanIntervalMs)))
  let nextScanMs = 0
  let scanTookMs = 0
  const scanSoon = () => {
    // A directory that changes all the time must not keep us scanning.
    nextScanMs = Math.min(nextScanMs, clock.elapsed() + 10 * scanTookMs)
  }
  signal.addEventListener('abort', () => wakeup.ring(), { once: true })
  await using watcher = new DirectoryWatcher({
    changed: (path) => {
      if (tailer.wake(path)) scanSoon()
      wakeup.ring()
    },
    moved: () => {
      scanSoon()
      wakeup.ring()
    },
    failed: (error) => telemetry.directoryUnwatched(error),
  })
  while (!signal.aborted) {
    if (clock.elapsed() >= nextScanMs) {
      const startedMs = clock.elapsed()
      nextScanMs = startedMs + scanIntervalMs
      const discovery = await discover(inputs)
      watcher.follow(discovery.directories)
      if (!(await tailer.apply(discovery))) nextScanMs = Math.min(nextScanMs, clock.elapsed() + 100)
      scanTookMs = clock.elapsed() - startedMs
    }
    const nextLookMs = tailer.queueDue()
    if (tailer.hasQueued) {
      await output.waitForRoom(signal)
      await tailer.turn()
    } else {
      output.throwIfFailed()
      const dueMs = Math.min(nextScanMs, nextLookMs, registry.dueMs()) - clock.elapsed()
      if (dueMs > 0) {
        await wakeup.wait(dueMs)
        // Changes are gathered for a moment, so that a busy writer costs reads per batch, not per line.
        await clock.sleep(settings.wakeDelayMs, signal)
      }
    }
    registry.writeWhenDue(() => tailer.entries())
  }
}

/** A shipper on real files in a temporary directory, with what it sent in a fake event log. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SteadyClock, systemClock } from '../../stores/clock.ts'
import { silentTelemetry } from '../../stores/telemetry.ts'
import { parseFilebeatConfig, type ShipperSettings, shipperSettings } from '../config.ts'
import { runShipper } from '../run.ts'
import { FakeEventLog } from './fake-event-log.ts'

export interface ShipperHandle extends AsyncDisposable {
  readonly telemetry: ReturnType<typeof silentTelemetry>
  /** Settles when the run ends by itself or is stopped. */
  readonly ended: Promise<void>
  /** Stops and waits; throws what the run threw. */
  stop(): Promise<void>
}

export interface ShipRoom extends AsyncDisposable {
  readonly directory: string
  readonly registryPath: string
  readonly log: FakeEventLog
  path(name: string): string
  start(options?: StartOptions): ShipperHandle
}

interface StartOptions {
  readonly config?: string
  readonly settings?: Partial<ShipperSettings>
  readonly clock?: SteadyClock
}

/** Short waits, so that a test of rotation does not take seconds. */
const quick = { pollIntervalMsMin: 5, pollIntervalMsMax: 20, releaseAfterMs: 30, wakeDelayMs: 0 }

export function rawConfig(paths: string, more = ''): string {
  return `
filebeat.inputs:
  - type: filestream
    id: test
    paths: ['${paths}']
    prospector.scanner.check_interval: 100ms
${more}
output.kafka:
  topic: logs
  codec.format.string: '%{[message]}'
`
}

export async function shipRoom(partitions = 1): Promise<ShipRoom> {
  const directory = await mkdtemp(join(tmpdir(), 'shipper-'))
  const log = new FakeEventLog(partitions)
  const registryPath = join(directory, 'state', 'registry.json')
  const handles: ShipperHandle[] = []
  const start = (options: StartOptions = {}): ShipperHandle => {
    const { config, settings = {}, clock = systemClock } = options
    const stopping = new AbortController()
    const telemetry = silentTelemetry()
    const run = runShipper(
      {
        config: parseFilebeatConfig(config ?? rawConfig(`${directory}/*.log`), {
          file: 'filebeat.yml',
          environment: {},
        }),
        eventLog: log,
        registryPath,
        telemetry,
        clock,
        settings: shipperSettings.parse({ ...quick, ...settings }),
      },
      stopping.signal,
    )
    // Looked at by stop(); until then a failure must not end the test process.
    run.catch(() => {})
    const stop = async () => {
      stopping.abort()
      await run
    }
    const handle = { telemetry, ended: run, stop, [Symbol.asyncDispose]: stop }
    handles.push(handle)
    return handle
  }
  return {
    directory,
    registryPath,
    log,
    path: (name) => join(directory, name),
    start,
    [Symbol.asyncDispose]: async () => {
      for (const handle of handles) await handle.stop().catch(() => {})
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Waits until `isTrue` holds; the message says what was seen when it does not within `waitMs`. */
export async function until(
  isTrue: () => boolean,
  seen: () => unknown,
  waitMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + waitMs
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`Not reached; seen: ${JSON.stringify(seen())}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export async function untilLines(log: FakeEventLog, expected: readonly string[]): Promise<void> {
  await until(
    () => log.records.length >= expected.length,
    () => ({ expected, found: log.lines() }),
  )
}

/**
 * Logs and metrics. Each layer's `telemetry.ts` makes one function per signal from a {@link Telemetry};
 * nothing else logs or counts.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import { Registry } from 'prom-client'

export interface Telemetry {
  readonly logger: Logger
  readonly registry: Registry
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

export function createTelemetry(level: LogLevel, destination?: DestinationStream): Telemetry {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  const logger = destination === undefined ? pino(options) : pino(options, destination)
  return { logger, registry: new Registry() }
}

/** Makes a layer's signals once per telemetry: metrics register once however often the layer runs. */
export function oncePerTelemetry<Signals>(
  make: (telemetry: Telemetry) => Signals,
): (telemetry: Telemetry) => Signals {
  const made = new WeakMap<Telemetry, Signals>()
  return (telemetry) => {
    const known = made.get(telemetry)
    if (known !== undefined) return known
    const signals = make(telemetry)
    made.set(telemetry, signals)
    return signals
  }
}

/** For tests and tools that nobody watches. */
export function silentTelemetry(): Telemetry {
  return createTelemetry('silent')
}

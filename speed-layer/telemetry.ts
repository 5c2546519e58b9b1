/** What the speed layer logs and counts: one function per signal. */
import { Counter, Gauge, Histogram } from 'prom-client'
import { type Offsets, offsetsBetween, offsetsToJson } from '../core/offsets.ts'
import { oncePerTelemetry, type Telemetry } from '../stores/telemetry.ts'

export type SpeedTelemetry = ReturnType<typeof speedTelemetry>

export const speedTelemetryOf = oncePerTelemetry(speedTelemetry)

interface MicroBatchSignal {
  readonly pipeline: string
  readonly records: number
  readonly rows: number
  readonly bytes: number
  readonly durationMs: number
}

interface LakeCommitSignal {
  readonly pipeline: string
  readonly records: number
  readonly until: Offsets
  readonly durationMs: number
  readonly nowMs: number
}

function speedTelemetry({ logger, registry }: Telemetry) {
  const metrics = speedMetrics(registry)
  return {
    assigned(pipeline: string, from: Offsets): void {
      const fields = { pipeline, from: offsetsToJson(from) }
      logger.info(fields, 'The speed layer reads from these offsets.')
    },
    microBatchProcessed(signal: MicroBatchSignal): void {
      const { pipeline, records, rows, bytes, durationMs } = signal
      metrics.events.inc({ pipeline }, records)
      metrics.microBatch.observe({ pipeline }, durationMs / 1000)
      logger.debug({ pipeline, records, rows, bytes, durationMs }, 'A micro-batch was processed.')
    },
    /** @param rejected how many records were rejected for each reason. */
    recordsJudged(pipeline: string, rejected: ReadonlyMap<string, number>): void {
      for (const [reason, count] of rejected) metrics.rejected.inc({ pipeline, reason }, count)
    },
    lagMeasured(pipeline: string, positions: Offsets, latest: Offsets): void {
      metrics.lag.set({ pipeline }, Number(offsetsBetween(positions, latest)))
    },
    pendingChanged(pipeline: string, bytes: number, oldestAgeMs: number): void {
      metrics.pendingBytes.set({ pipeline }, bytes)
      metrics.pendingAge.set({ pipeline }, oldestAgeMs / 1000)
    },
    lakeCommitted({ pipeline, records, until, durationMs, nowMs }: LakeCommitSignal): void {
      metrics.commit.observe({ pipeline }, durationMs / 1000)
      metrics.committedAt.set({ pipeline }, nowMs / 1000)
      const fields = { pipeline, records, until: offsetsToJson(until), durationMs }
      logger.info(fields, 'New rows were committed to the lake.')
    },
    retried(pipeline: string, step: string, error: unknown, delayMs: number): void {
      metrics.retries.inc({ pipeline, step })
      logger.warn({ pipeline, step, err: error, delayMs }, 'A store failed; trying again.')
    },
    resynchronised(pipeline: string, reason: string): void {
      metrics.retries.inc({ pipeline, step: 'resynchronise' })
      logger.warn({ pipeline, reason }, 'Another writer moved the offsets; reading them again.')
    },
    linesReadAgain(pipeline: string, reason: string): void {
      logger.warn({ pipeline, reason }, 'Records did not survive as lines; they were read singly.')
    },
    checkpointFailed(table: string, error: unknown): void {
      logger.warn({ table, err: error }, 'A checkpoint could not be written; the next one will do.')
    },
    lastCommitSkipped(pipeline: string, records: number): void {
      const fields = { pipeline, records }
      logger.warn(fields, 'The last lake commit took too long; its records will be read again.')
    },
    pipelineStopped(pipeline: string, error: unknown): void {
      logger.error({ pipeline, err: error }, 'The pipeline stopped; a person is needed.')
    },
  }
}

function speedMetrics(registry: Telemetry['registry']) {
  const registers = [registry]
  const labelNames = ['pipeline'] as const
  return {
    events: new Counter({
      name: 'millrace_speed_events_total',
      help: 'Records processed, rejected ones included.',
      labelNames,
      registers,
    }),
    rejected: new Counter({
      name: 'millrace_speed_rejected_total',
      help: 'Records rejected, by reason.',
      labelNames: [...labelNames, 'reason'],
      registers,
    }),
    retries: new Counter({
      name: 'millrace_speed_retries_total',
      help: 'Steps repeated because a store failed or another writer was there.',
      labelNames: [...labelNames, 'step'],
      registers,
    }),
    ...speedGauges(registers),
    microBatch: new Histogram({
      name: 'millrace_speed_micro_batch_seconds',
      help: 'From records read to rows visible.',
      labelNames,
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    commit: new Histogram({
      name: 'millrace_speed_lake_commit_seconds',
      help: 'Duration of a lake commit, retries included.',
      labelNames,
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
  }
}

function speedGauges(registers: Telemetry['registry'][]) {
  const labelNames = ['pipeline'] as const
  return {
    lag: new Gauge({
      name: 'millrace_speed_lag_records',
      help: 'Records in the log that are not visible yet.',
      labelNames,
      registers,
    }),
    pendingBytes: new Gauge({
      name: 'millrace_speed_pending_bytes',
      help: 'Bytes of records that wait for the next lake commit.',
      labelNames,
      registers,
    }),
    pendingAge: new Gauge({
      name: 'millrace_speed_pending_age_seconds',
      help: 'Age of the oldest records that the lake does not have.',
      labelNames,
      registers,
    }),
    committedAt: new Gauge({
      name: 'millrace_speed_lake_commit_timestamp_seconds',
      help: 'When the lake last got new rows, in Unix seconds.',
      labelNames,
      registers,
    }),
  }
}

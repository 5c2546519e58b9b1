/** Every log line and metric of the serving layer. */
import { Counter, Gauge, Histogram } from 'prom-client'
import type { FailureCode } from '../core/errors.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import type { Mirror, Mode, PipelineStatus } from './mirror/contract.ts'

export interface MirrorSignals {
  /** A change became visible. */
  applied(status: PipelineStatus): void
  /** Following stopped for a moment and is tried again. */
  followFailed(pipeline: string, error: unknown): void
}

export interface QuerySignals {
  queryFinished(query: {
    readonly mode: Mode
    readonly durationMs: number
    readonly rowCount: number
    /** Why it failed; absent when it did not. */
    readonly code?: FailureCode | 'UNEXPECTED'
  }): void
}

export interface HttpSignals {
  listening(url: string): void
  closed(): void
  /** A failure that nobody foresaw; the caller is told nothing about it. */
  requestFailed(error: unknown): void
  /** A client broke the protocol of WebSockets or a limit of ours, and its socket was closed. */
  socketUnreadable(reason: string): void
}

export function mirrorSignals({ logger, registry }: Telemetry): MirrorSignals {
  const labels = ['pipeline'] as const
  const lag = new Gauge({
    name: 'millrace_serving_lag_records',
    help: 'Offsets of the event log that answers do not show yet.',
    labelNames: labels,
    registers: [registry],
  })
  const changes = new Counter({
    name: 'millrace_serving_changes_total',
    help: 'Changes of the hot store, the lake and batch views made visible.',
    labelNames: labels,
    registers: [registry],
  })
  const failures = new Counter({
    name: 'millrace_serving_follow_failures_total',
    help: 'Times that following a pipeline failed and was tried again.',
    labelNames: labels,
    registers: [registry],
  })
  return {
    applied: (status) => {
      changes.inc({ pipeline: status.name })
      lag.set({ pipeline: status.name }, Number(status.lagRecords))
    },
    followFailed: (pipeline, error) => {
      failures.inc({ pipeline })
      logger.warn({ pipeline, err: error }, 'Following a pipeline failed; trying again.')
    },
  }
}

export function querySignals({ logger, registry }: Telemetry): QuerySignals {
  const durations = new Histogram({
    name: 'millrace_serving_query_duration_seconds',
    help: 'Time from a query to its answer, waiting included.',
    labelNames: ['mode'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  })
  const rows = new Counter({
    name: 'millrace_serving_query_rows_total',
    help: 'Rows in answers.',
    registers: [registry],
  })
  const errors = new Counter({
    name: 'millrace_serving_query_errors_total',
    help: 'Queries that failed, by error code.',
    labelNames: ['code'] as const,
    registers: [registry],
  })
  return {
    queryFinished: ({ mode, durationMs, rowCount, code }) => {
      durations.observe({ mode }, durationMs / 1000)
      rows.inc(rowCount)
      if (code !== undefined) errors.inc({ code })
      logger.debug({ mode, durationMs, rowCount, code }, 'Query finished.')
    },
  }
}

interface Observed {
  readonly mirror: Mirror
  readonly queryService: { readonly activeCount: number }
}

/** What answers show and what is going on, read when somebody collects the metrics. */
export function stateGauges({ registry }: Telemetry, { mirror, queryService }: Observed): void {
  const registers = [registry]
  new Gauge({
    name: 'millrace_serving_queries_active',
    help: 'Queries that run or wait for their turn.',
    registers,
    collect() {
      this.set(queryService.activeCount)
    },
  })
  new Gauge({
    name: 'millrace_serving_visible_records',
    help: 'Offsets that merged answers cover, over all partitions.',
    labelNames: ['pipeline'] as const,
    registers,
    collect() {
      for (const { name, realtime } of mirror.status()) {
        const covered = [...realtime.values()].reduce((sum, offset) => sum + offset, 0n)
        this.set({ pipeline: name }, Number(covered))
      }
    },
  })
  new Gauge({
    name: 'millrace_serving_freshness_seconds',
    help: 'Age of the newest record that answers show.',
    labelNames: ['pipeline'] as const,
    registers,
    collect() {
      for (const { name, freshnessMs } of mirror.status()) {
        if (freshnessMs !== null) this.set({ pipeline: name }, freshnessMs / 1000)
      }
    },
  })
  new Gauge({
    name: 'millrace_serving_batch_age_seconds',
    help: 'Age of the published batch views.',
    labelNames: ['pipeline'] as const,
    registers,
    collect() {
      for (const { name, batchAgeMs } of mirror.status()) {
        if (batchAgeMs !== null) this.set({ pipeline: name }, batchAgeMs / 1000)
      }
    },
  })
}

export function httpSignals({ logger, registry }: Telemetry): HttpSignals {
  const failures = new Counter({
    name: 'millrace_serving_request_failures_total',
    help: 'Requests that failed for a reason nobody foresaw.',
    registers: [registry],
  })
  return {
    listening: (url) => logger.info({ url }, 'Serving GraphQL.'),
    closed: () => logger.info('Stopped serving GraphQL.'),
    requestFailed: (error) => {
      failures.inc()
      logger.error({ err: error }, 'A request failed for a reason nobody foresaw.')
    },
    socketUnreadable: (reason) =>
      logger.warn({ reason }, 'A WebSocket was closed because its client cannot be understood.'),
  }
}

/** What the batch layer logs and counts: one function per signal. */
import { Counter, Gauge, Histogram } from 'prom-client'
import { type Offsets, offsetsToJson } from '../core/offsets.ts'
import { oncePerTelemetry, type Telemetry } from '../stores/telemetry.ts'

interface ViewName {
  readonly pipeline: string
  readonly view: string
}

export const batchTelemetryOf = oncePerTelemetry(batchTelemetry)

function batchTelemetry({ logger, registry }: Telemetry) {
  const metrics = batchMetrics(registry)
  return {
    viewPublished(signal: ViewPublished): void {
      const { pipeline, view, kind, offsets, ...fields } = signal
      metrics.published.inc({ pipeline, view, kind })
      metrics.publishedAt.set({ pipeline, view }, signal.nowMs / 1000)
      metrics.duration.observe({ kind }, signal.durationMs / 1000)
      const { nowMs: _, ...logged } = fields
      const details = { pipeline, view, kind, offsets: offsetsToJson(offsets), ...logged }
      logger.debug(details, 'The batch view was published.')
    },
    viewCurrent({ pipeline, view, nowMs }: ViewName & { readonly nowMs: number }): void {
      metrics.publishedAt.set({ pipeline, view }, nowMs / 1000)
    },
    viewSuperseded(name: ViewName): void {
      logger.info(name, 'Another batch published the view first; this result was dropped.')
    },
    viewDiverged(signal: ViewName & { readonly expected: string; readonly found: string }): void {
      metrics.diverged.inc({ pipeline: signal.pipeline, view: signal.view })
      logger.error(
        { code: 'BATCH_DIVERGED', ...signal },
        'A full recompute differs from the published partials; the full one was published.',
      )
    },
    viewFailed({ pipeline, view, error }: ViewName & { readonly error: unknown }): void {
      metrics.failed.inc({ pipeline, view })
      logger.error({ pipeline, view, err: error }, 'The batch could not bring the view up to date.')
    },
    tableFailed({ table, error }: { readonly table: string; readonly error: unknown }): void {
      logger.error({ table, err: error }, 'The table could not be compacted or vacuumed.')
    },
    tableCompacted(signal: { table: string; filesBefore: number; filesAfter: number }): void {
      metrics.compacted.inc({ table: signal.table }, signal.filesBefore - signal.filesAfter)
      logger.debug(signal, 'Small files were merged.')
    },
    tableVacuumed(signal: { readonly table: string; readonly files: number }): void {
      if (signal.files === 0) return
      metrics.vacuumed.inc({ table: signal.table }, signal.files)
      logger.debug(signal, 'Files of old versions were deleted.')
    },
    checkpointFailed(table: string, error: unknown): void {
      logger.warn({ table, err: error }, 'A checkpoint could not be written; the next one will do.')
    },
    rebuilt({ pipeline, curated, rejected, durationMs }: Rebuilt): void {
      logger.info({ pipeline, curated, rejected, durationMs }, 'Rows were rebuilt from raw.')
    },
    batchFailed(error: unknown): void {
      logger.error({ err: error }, 'The batch did not run; the next one tries again.')
    },
  }
}

function batchMetrics(registry: Telemetry['registry']) {
  const registers = [registry]
  const viewLabels = ['pipeline', 'view'] as const
  const published = new Counter({
    name: 'millrace_batch_published_total',
    help: 'Batch views published.',
    labelNames: [...viewLabels, 'kind'],
    registers,
  })
  const failed = new Counter({
    name: 'millrace_batch_failures_total',
    help: 'Views that a batch could not bring up to date.',
    labelNames: viewLabels,
    registers,
  })
  const diverged = new Counter({
    name: 'millrace_batch_divergence_total',
    help: 'Full recomputes that differed from the incremental result at the same offsets.',
    labelNames: viewLabels,
    registers,
  })
  const duration = new Histogram({
    name: 'millrace_batch_view_duration_seconds',
    help: 'Time to recompute and publish a view.',
    labelNames: ['kind'],
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000],
    registers,
  })
  const publishedAt = new Gauge({
    name: 'millrace_batch_published_timestamp_seconds',
    help: 'When the batch view was last published or found current.',
    labelNames: viewLabels,
    registers,
  })
  const compacted = new Counter({
    name: 'millrace_batch_compacted_files_total',
    help: 'Small files merged away.',
    labelNames: ['table'],
    registers,
  })
  const vacuumed = new Counter({
    name: 'millrace_batch_vacuumed_files_total',
    help: 'Files deleted that no version young enough names.',
    labelNames: ['table'],
    registers,
  })
  return { published, failed, diverged, duration, publishedAt, compacted, vacuumed }
}

interface Rebuilt {
  readonly pipeline: string
  readonly curated: object
  readonly rejected: object
  readonly durationMs: number
}

interface ViewPublished extends ViewName {
  readonly kind: 'incremental' | 'full'
  readonly reason?: string
  readonly offsets: Offsets
  readonly rowCount: number
  readonly durationMs: number
  readonly nowMs: number
}

/** Every log line and metric of the shipper. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Telemetry } from '../stores/telemetry.ts'

export interface ShipperTelemetry {
  started(fields: { readonly file: string; readonly inputs: number }): void
  stopped(fields: { readonly unacknowledgedBytes: number }): void
  optionsWithoutEffect(warning: string): void
  fileOpened(fields: { readonly path: string; readonly offset: number }): void
  fileReleased(path: string): void
  fileTruncated(fields: { readonly path: string; readonly reason: string }): void
  fileUnreadable(path: string, error: unknown): void
  directoryUnwatched(error: unknown): void
  linesRead(count: number, bytes: number): void
  linesFiltered(count: number): void
  lineTruncated(path: string): void
  lineWithoutNewlineSent(path: string): void
  openLineLost(path: string): void
  recordDropped(fields: {
    readonly bytes: number
    readonly source: string
    readonly offset: string
  }): void
  recordsAcknowledged(count: number): void
  appendRetried(fields: { readonly waitMs: number }, error: unknown): void
  registryWriteFailed(error: unknown): void
  bytesInFlight(bytes: number): void
  filesOpen(count: number): void
}

function shipperMetrics(registry: Registry) {
  const registers = [registry]
  const counter = (name: string, help: string) =>
    new Counter({ name: `millrace_shipper_${name}_total`, help, registers })
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `millrace_shipper_${name}`, help, registers })
  return {
    lines: counter('lines', 'Complete lines read from files.'),
    bytes: counter('bytes', 'Bytes read from files.'),
    filtered: counter('lines_filtered', 'Lines left out by include_lines or exclude_lines.'),
    truncatedLines: counter('lines_truncated', 'Lines cut at the length limit.'),
    openLines: counter('lines_without_newline', 'Last lines sent without their newline.'),
    lostLines: counter('lines_lost', 'Last lines without newline destroyed by a truncation.'),
    dropped: counter('records_dropped', 'Records too large for the event log, skipped.'),
    acknowledged: counter('records_acknowledged', 'Records acknowledged by the event log.'),
    retried: counter('appends_retried', 'Appends that the event log refused for the moment.'),
    truncatedFiles: counter('files_truncated', 'Files found truncated or replaced in place.'),
    registryFailures: counter('registry_write_failures', 'Registry writes that failed.'),
    inFlight: gauge('in_flight_bytes', 'Bytes read and not yet acknowledged.'),
    openFiles: gauge('open_files', 'Files held open.'),
  }
}

export function shipperTelemetry({ logger, registry }: Telemetry): ShipperTelemetry {
  const metrics = shipperMetrics(registry)
  return {
    started: (fields) => logger.info(fields, 'Shipper started.'),
    stopped: (fields) => logger.info(fields, 'Shipper stopped.'),
    optionsWithoutEffect: (warning) => logger.warn(warning),
    fileOpened: (fields) => logger.info(fields, 'Reading a file.'),
    fileReleased: (path) => logger.info({ path }, 'Let a rotated or deleted file go.'),
    fileTruncated: (fields) => {
      metrics.truncatedFiles.inc()
      logger.warn(fields, 'A file was truncated or replaced: reading it from its start.')
    },
    fileUnreadable: (path, error) =>
      logger.warn({ path, err: error }, 'A file cannot be read now.'),
    directoryUnwatched: (error) =>
      logger.warn({ err: error }, 'A directory cannot be watched: it is scanned on time only.'),
    linesRead: (count, byteCount) => {
      metrics.lines.inc(count)
      metrics.bytes.inc(byteCount)
    },
    linesFiltered: (count) => metrics.filtered.inc(count),
    lineTruncated: (path) => {
      metrics.truncatedLines.inc()
      logger.warn({ path }, 'A line is over the length limit: its tail was cut off.')
    },
    lineWithoutNewlineSent: (path) => {
      metrics.openLines.inc()
      logger.info({ path }, 'Sent a last line without newline: its file will not grow any more.')
    },
    openLineLost: (path) => {
      metrics.lostLines.inc()
      logger.error({ path }, 'A truncation destroyed a line before it was complete.')
    },
    recordDropped: (fields) => {
      metrics.dropped.inc()
      logger.error(fields, 'A record is too large for the event log and was skipped.')
    },
    recordsAcknowledged: (count) => metrics.acknowledged.inc(count),
    appendRetried: (fields, error) => {
      metrics.retried.inc()
      logger.warn({ ...fields, err: error }, 'The event log refused an append: trying again.')
    },
    registryWriteFailed: (error) => {
      metrics.registryFailures.inc()
      logger.error({ err: error }, 'The registry cannot be written: lines may be sent twice.')
    },
    bytesInFlight: (value) => metrics.inFlight.set(value),
    filesOpen: (count) => metrics.openFiles.set(count),
  }
}

/** One read of one file on its way to the event log. */
import type { ProducedRecord } from '../stores/event-log/port.ts'
import type { ShipperSettings } from './config.ts'
import type { EmitLine } from './domain/line-assembler.ts'
import { lineFilterOf } from './domain/line-filter.ts'
import type { Output } from './produce.ts'
import type { ShipperTelemetry } from './telemetry.ts'
import type { ReadOutcome, TrackedFile } from './tracked-file.ts'

interface TurnContext {
  readonly output: Output
  readonly telemetry: ShipperTelemetry
  readonly settings: ShipperSettings
  readonly recordBytesMax: number
  /** Epoch ms. */
  readonly nowMs: number
}

/** Reads once and sends the lines that are complete. */
export async function sendTurn(file: TrackedFile, context: TurnContext): Promise<ReadOutcome> {
  const collected = collector(file, context)
  const outcome = await file.read(context.settings.readBytesMax, collected.emit)
  if (outcome.kind === 'read') collected.send(outcome.bytes)
  return outcome
}

/** Sends the last line of a file that nothing will complete any more. */
export function sendOpenLine(file: TrackedFile, context: TurnContext): void {
  const collected = collector(file, context)
  file.flush(collected.emit)
  collected.send(0)
}

interface Part {
  readonly records: ProducedRecord[]
  bytes: number
}

function collector(file: TrackedFile, context: TurnContext) {
  const { telemetry, nowMs, recordBytesMax, output } = context
  const { maker, source, input } = file
  const isKept = lineFilterOf(input)
  const parts = new Map<number, Part>()
  let lines = 0
  let filtered = 0
  let last: { readonly partition: number; readonly part: Part } | null = null

  const partOf = (partition: number): Part => {
    if (last?.partition === partition) return last.part
    const part = parts.get(partition) ?? { records: [], bytes: 0 }
    parts.set(partition, part)
    last = { partition, part }
    return part
  }
  const emit: EmitLine = (value, offset, isTruncated) => {
    lines += 1
    if (isTruncated) telemetry.lineTruncated(source.path)
    if (isKept?.(value) === false) {
      filtered += 1
      return
    }
    const line = { value, offset, isTruncated, readAtMs: nowMs }
    const record = maker.make(line)
    const bytes = record.value.length
    if (bytes > recordBytesMax) {
      return telemetry.recordDropped({ bytes, source: source.id, offset: String(offset) })
    }
    const part = partOf(maker.partitionFor(record, line))
    part.records.push(record)
    part.bytes += bytes + 1
  }
  const send = (bytesRead: number): void => {
    const onAcknowledged = source.sent(file.resumeOffset, file.resumeTail, parts.size)
    for (const [partition, { records, bytes }] of parts) {
      output.send(maker.topic, partition, { records, bytes, onAcknowledged })
    }
    telemetry.linesRead(lines, bytesRead)
    if (filtered > 0) telemetry.linesFiltered(filtered)
  }
  return { emit, send }
}

/** A line becomes a record: value by codec, key, headers, partition. */
import type { ProducedRecord } from '../stores/event-log/port.ts'
import type { InputConfig } from './config/input.ts'
import type { KafkaOutput } from './config/kafka-output.ts'
import { fieldText, isExactlyField, renderFormat } from './domain/format-string.ts'
import { decodedJson } from './domain/json-line.ts'
import { partitionOf } from './domain/partition.ts'
import { staticFields } from './domain/static-fields.ts'

/** Who sends: the fields of the envelope that are the same for every record of a run. */
export interface Sender {
  readonly hostName: string
  readonly agentId: string
  readonly ephemeralId: string
  readonly version: string
}

export interface LineOrigin {
  readonly input: InputConfig
  readonly path: string
  readonly sourceId: string
  readonly inode: string
  readonly device: string
}

interface Line {
  readonly value: Buffer
  readonly offset: number
  readonly isTruncated: boolean
  /** Epoch ms at which it was read. */
  readonly readAtMs: number
}

export interface RecordMaker {
  readonly topic: string
  make(line: Line): ProducedRecord
  /** Partition of the record just made. */
  partitionFor(record: ProducedRecord, line: Line): number
}

export function recordMaker(
  origin: LineOrigin,
  { output, sender, topic }: { output: KafkaOutput; sender: Sender; topic: string },
  partitionCount: number,
): RecordMaker {
  const fixed = staticFields(origin.input, origin.path)
  const eventOf = (line: Line) => ({ ...fixed, message: line.value.toString('utf8') })
  const encode = valueEncoder(origin, { output, sender, fixed })
  const headersOf = headerMaker(origin, output)
  const { key } = output
  return {
    topic,
    make: (line) => {
      const value = encode(line)
      const keyText = key === null ? null : renderFormat(key, eventOf(line))
      const headers = headersOf(line)
      return keyText === null ? { value, headers } : { value, key: Buffer.from(keyText), headers }
    },
    partitionFor: partitioner(origin, { output, eventOf }, partitionCount),
  }
}

function headerMaker({ sourceId }: LineOrigin, { headers: extra }: KafkaOutput) {
  const hasExtra = Object.keys(extra).length > 0
  return ({ offset, isTruncated }: Line): Readonly<Record<string, string>> => {
    const headers = { 'source.id': sourceId, 'source.offset': String(offset) }
    if (!isTruncated && !hasExtra) return headers
    return { ...headers, ...(isTruncated ? { 'source.truncated': 'true' } : {}), ...extra }
  }
}

interface ValueContext {
  readonly output: KafkaOutput
  readonly sender: Sender
  readonly fixed: Readonly<Record<string, unknown>>
}

function valueEncoder(origin: LineOrigin, { output, sender, fixed }: ValueContext) {
  const { codec } = output
  if (codec.kind === 'json') return envelopeEncoder(origin, sender, fixed)
  if (isExactlyField(codec.format, 'message')) return ({ value }: Line) => value
  return (line: Line): Buffer => {
    const event = { ...fixed, message: line.value.toString('utf8') }
    return Buffer.from(renderFormat(codec.format, event) ?? '')
  }
}

/** Filebeat's JSON event. `@timestamp` is the time of reading, as long as no parser sets another. */
function envelopeEncoder(
  origin: LineOrigin,
  sender: Sender,
  fixed: Readonly<Record<string, unknown>>,
) {
  const { path, inode, device, input } = origin
  const { hostName: name, agentId: id, ephemeralId, version } = sender
  const { log: _log, ...fields } = fixed
  const metadata = { beat: 'filebeat', type: '_doc', version }
  const file = { path, device_id: device, inode }
  const rest = {
    ...fields,
    ecs: { version: '8.0.0' },
    host: { name },
    agent: { ephemeral_id: ephemeralId, id, name, type: 'filebeat', version },
  }
  return ({ value, offset, isTruncated, readAtMs }: Line): Buffer => {
    const message = value.toString('utf8')
    const flags = isTruncated ? { flags: ['truncated'] } : {}
    const event = {
      '@timestamp': new Date(readAtMs).toISOString(),
      '@metadata': metadata,
      log: { offset, file, ...flags },
      message,
      ...rest,
    }
    const decoded = input.json === null ? event : decodedJson(event, message, input.json)
    return Buffer.from(JSON.stringify(decoded))
  }
}

interface PartitionContext {
  readonly output: KafkaOutput
  readonly eventOf: (line: Line) => Readonly<Record<string, unknown>>
}

/**
 * Without a key, Filebeat's hash partitioner picks at random. Here the file decides, so that a file's
 * lines stay in order and its source stays on one partition.
 */
function partitioner(
  { sourceId }: LineOrigin,
  { output, eventOf }: PartitionContext,
  partitionCount: number,
): RecordMaker['partitionFor'] {
  const bySource = partitionOf(Buffer.from(sourceId), partitionCount)
  const { partition } = output
  if (partition.kind === 'hash' && partition.fields.length > 0) {
    const paths = partition.fields.map((field) => field.split('.'))
    return (_record, line) => {
      const event = eventOf(line)
      const values = paths.map((path) => fieldText(event, path) ?? '')
      return partitionOf(Buffer.from(values.join('')), partitionCount)
    }
  }
  if (partition.kind === 'hash') {
    return ({ key }) => (key === undefined ? bySource : partitionOf(key, partitionCount))
  }
  // Evenly in turn from the source's own start: round_robin, and random without its unevenness.
  let sent = 0
  return () => {
    const turn = Math.floor(sent / partition.groupEvents)
    sent += 1
    return (bySource + turn) % partitionCount
  }
}

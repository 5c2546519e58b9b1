/** `output.kafka`: where records go, for the embedded event log as for Kafka. */
import { z } from 'zod'
import type { Problem } from '../../core/errors.ts'
import type { FormatString } from '../domain/format-string.ts'
import type { LocatedNode } from './located-yaml.ts'
import { kafkaOptions } from './option-tables.ts'
import { findOptions, refuseIssues, settingsOf } from './read-options.ts'
import { anyValue, byteCount, fieldMap, flag, formatString, text, textList } from './value-types.ts'

type Partitioning =
  | { readonly kind: 'hash'; readonly fields: readonly string[] }
  | { readonly kind: 'round_robin'; readonly groupEvents: number }
  | { readonly kind: 'random'; readonly groupEvents: number }

type Codec = { readonly kind: 'json' } | { readonly kind: 'format'; readonly format: FormatString }

export interface KafkaOutput {
  readonly line: number
  /** Bootstrap brokers; the embedded event log has none and does not look at them. */
  readonly hosts: readonly string[]
  readonly topic: FormatString
  readonly key: FormatString | null
  readonly partition: Partitioning
  readonly headers: Readonly<Record<string, string>>
  readonly codec: Codec
  readonly requiredAcks: -1 | 0 | 1
  readonly compression: 'none' | 'snappy' | 'lz4' | 'gzip' | 'zstd'
  /** A larger record is dropped and counted; null leaves the limit to the event log. */
  readonly recordBytesMax: number | null
}

const groupOptions = z.strictObject({
  group_events: z.number().int().positive().default(1),
  reachable_only: flag.optional(),
})
const partitionOptions = z
  .strictObject({
    hash: z
      .strictObject({
        hash: textList.default([]),
        random: flag.optional(),
        reachable_only: flag.optional(),
      })
      .nullable()
      .optional(),
    round_robin: groupOptions.nullable().optional(),
    random: groupOptions.nullable().optional(),
  })
  .refine(
    (value) => Object.keys(value).length === 1,
    'expected exactly one of hash, round_robin, random',
  )

const kafkaSettings = z.object({
  enabled: flag.default(true),
  hosts: textList.default([]),
  topic: formatString.optional(),
  key: formatString.optional(),
  partition: fieldMap.pipe(partitionOptions).optional(),
  headers: z
    .array(z.strictObject({ key: text, value: text, when: anyValue.optional() }))
    .default([]),
  format: formatString.optional(),
  json: anyValue.optional(),
  requiredAcks: z.literal([-1, 0, 1]).default(1),
  compression: z.enum(['none', 'snappy', 'lz4', 'gzip', 'zstd']).default('gzip'),
  recordBytesMax: byteCount.optional(),
})

export function readKafkaOutput(node: LocatedNode, file: string) {
  const problems: Problem[] = []
  const refuse = (line: number, message: string) => problems.push({ file, line, message })
  if (node.kind !== 'map') {
    refuse(node.line, "'output.kafka' is not a map of options.")
    return { output: null, problems, withoutEffect: [] }
  }
  const { known, unknown } = findOptions(node, kafkaOptions)
  const { raw, lines, placeOf } = settingsOf(known)
  for (const { name, line } of unknown) refuse(line, `Unknown option '${name}' of output.kafka.`)
  const settings = kafkaSettings.safeParse(raw)
  refuseIssues(settings.error?.issues ?? [], placeOf(node.line), refuse)
  if (raw['topic'] === undefined) refuse(node.line, "'output.kafka' has no topic.")
  if (raw['format'] !== undefined && raw['json'] !== undefined) {
    refuse(lines.get('json') ?? node.line, 'Two codecs: choose codec.json or codec.format.')
  }
  const withoutEffect = known
    .filter(({ spec }) => spec.sets === undefined)
    .map(({ name, line }) => ({ name: `output.kafka.${name}`, line }))
  if (raw['enabled'] === false) refuse(node.line, "'output.kafka' is switched off.")
  const topic = settings.data?.topic
  if (settings.data === undefined || topic === undefined) {
    return { output: null, problems, withoutEffect }
  }
  return { output: outputOf(settings.data, topic, node.line), problems, withoutEffect }
}

function outputOf(
  settings: z.infer<typeof kafkaSettings>,
  topic: FormatString,
  line: number,
): KafkaOutput {
  const { key, partition, headers, format, hosts, requiredAcks, compression } = settings
  return {
    line,
    hosts,
    topic,
    key: key ?? null,
    partition: partitioningOf(partition),
    headers: Object.fromEntries(headers.map((header) => [header.key, header.value])),
    codec: format === undefined ? { kind: 'json' } : { kind: 'format', format },
    requiredAcks,
    compression,
    recordBytesMax: settings.recordBytesMax ?? null,
  }
}

function partitioningOf(options: z.infer<typeof partitionOptions> | undefined): Partitioning {
  if (options?.round_robin !== undefined) {
    return { kind: 'round_robin', groupEvents: options.round_robin?.group_events ?? 1 }
  }
  if (options?.random !== undefined) {
    return { kind: 'random', groupEvents: options.random?.group_events ?? 1 }
  }
  return { kind: 'hash', fields: options?.hash?.hash ?? [] }
}

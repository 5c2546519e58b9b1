/** What the shipper is told: a `filebeat.yml` as people have it, and its own few settings. */
import { z } from 'zod'
import { type Problem, problemsError } from '../core/errors.ts'
import { type InputConfig, readInput } from './config/input.ts'
import { type KafkaOutput, readKafkaOutput } from './config/kafka-output.ts'
import { type Environment, type LocatedMap, parseLocated } from './config/located-yaml.ts'
import { otherOutputs, topOptions } from './config/option-tables.ts'
import { processorProblems } from './config/processors.ts'
import { type FoundOption, findOptions, refuseIssues, settingsOf } from './config/read-options.ts'
import { fieldMap, flag, text, textList } from './config/value-types.ts'
import { refersTo, renderFormat } from './domain/format-string.ts'
import { staticFields } from './domain/static-fields.ts'

export const shipperSettings = z.strictObject({
  lineBytesMax: size(1024 * 1024).describe(
    'Longest line in bytes that is sent whole; a longer one is cut and flagged. A limit in filebeat.yml wins.',
  ),
  readBytesMax: size(256 * 1024).describe(
    'Bytes read from one file before the next file has its turn.',
  ),
  inFlightBytesMax: size(16 * 1024 * 1024).describe(
    'Bytes read but not yet acknowledged by the event log; beyond it nothing is read.',
  ),
  batchRecordsMax: count(8192).describe('Records in one append to the event log.'),
  batchBytesMax: size(4 * 1024 * 1024).describe('Bytes in one append to the event log.'),
  openFilesMax: count(4096).describe('Files held open at once; idle ones are closed first.'),
  wakeDelayMs: delay(4).describe('How long changes are gathered before files are read, in ms.'),
  pollIntervalMsMin: delay(100).describe('Shortest time between two looks at an open file, in ms.'),
  pollIntervalMsMax: delay(1000).describe(
    'Longest time between two looks at a rotated file, in ms.',
  ),
  releaseAfterMs: delay(10_000).describe(
    'A rotated or deleted file is let go after this long at its end without a new byte, in ms.',
  ),
  registryFlushMs: delay(1000).describe('Shortest time between two writes of the registry, in ms.'),
  retryDelayMsMin: delay(50).describe('First wait after the event log refused an append, in ms.'),
  retryDelayMsMax: delay(5000).describe('Longest wait between two tries of an append, in ms.'),
  stopGraceMs: delay(3000).describe('How long a stop waits for acknowledgements, in ms.'),
})

export type ShipperSettings = z.infer<typeof shipperSettings>

function size(bytes: number) {
  return z.number().int().min(16).default(bytes)
}
function count(records: number) {
  return z.number().int().positive().default(records)
}
function delay(ms: number) {
  return z.number().int().nonnegative().default(ms)
}

export interface FilebeatConfig {
  readonly file: string
  /** `name`, or null: then the host's name is used. */
  readonly name: string | null
  readonly inputs: readonly InputConfig[]
  readonly output: KafkaOutput
  /** One sentence that names every option without an effect; null when there is none. */
  readonly warning: string | null
}

/**
 * Reads a filebeat.yml. Throws SHIPPER_CONFIG_INVALID with every problem at once: unknown options,
 * options of the other dialect, values of the wrong kind, each with its line.
 */
export function parseFilebeatConfig(
  source: string,
  { file, environment }: { readonly file: string; readonly environment: Environment },
): FilebeatConfig {
  const { root, problems } = parseLocated(source, file, environment)
  const reading = root === null ? null : readTop(root, file)
  const all = [...problems, ...(reading?.problems ?? [])]
  if (reading === null || reading.config === null || all.length > 0) {
    const ordered = all.toSorted((left, right) => (left.line ?? 0) - (right.line ?? 0))
    throw problemsError(
      'SHIPPER_CONFIG_INVALID',
      `The shipper cannot start with '${file}':`,
      ordered,
    )
  }
  return reading.config
}

const topSettings = z.object({
  fields: fieldMap.default({}),
  fieldsUnderRoot: flag.default(false),
  tags: textList.default([]),
  name: text.optional(),
})

function readTop(root: LocatedMap, file: string) {
  const problems: Problem[] = []
  const refuse = (line: number, message: string) => problems.push({ file, line, message })
  const { known, unknown } = findOptions(root, topOptions)
  for (const { name, line } of unknown) refuse(line, unknownAtTop(name))
  const { raw, placeOf } = settingsOf(known)
  const top = topSettings.safeParse(raw)
  refuseIssues(top.error?.issues ?? [], placeOf(1), refuse)
  const processors = known.find(({ spec }) => spec.sets === 'processors')
  problems.push(...processorProblems(processors?.node, file))

  const inputs = readInputs(known, file)
  const kafkaNode = known.find(({ spec }) => spec.sets === 'kafka')
  if (kafkaNode === undefined) refuse(1, "'output.kafka' is missing: there is nowhere to send to.")
  const kafka = kafkaNode === undefined ? null : readKafkaOutput(kafkaNode.node, file)
  problems.push(...inputs.problems, ...(kafka?.problems ?? []))
  if (!top.success || kafka?.output === undefined || kafka.output === null) {
    return { config: null, problems }
  }

  const merged = inputs.inputs.map((input) => withGlobals(input, top.data))
  problems.push(...topicProblems(merged, kafka.output, file))
  const withoutEffect = [
    ...known.filter(({ spec }) => spec.sets === undefined),
    ...inputs.withoutEffect,
    ...kafka.withoutEffect,
  ]
  const config: FilebeatConfig = {
    file,
    name: top.data.name ?? null,
    inputs: merged,
    output: kafka.output,
    warning: warningOf(withoutEffect),
  }
  return { config, problems }
}

function unknownAtTop(name: string): string {
  const output = /^output\.(\w+)/.exec(name)?.[1]
  if (output !== undefined && otherOutputs.includes(output)) {
    return `'output.${output}' is not supported: records go to 'output.kafka'.`
  }
  return `Unknown option '${name}'.`
}

function readInputs(known: readonly FoundOption[], file: string) {
  const option = known.find(({ spec }) => spec.sets === 'inputs')
  const refusal = (line: number, message: string) => ({
    inputs: [],
    withoutEffect: [],
    problems: [{ file, line, message }],
  })
  if (option === undefined)
    return refusal(1, "'filebeat.inputs' is missing: nothing would be read.")
  if (option.node.kind !== 'list') return refusal(option.line, "'filebeat.inputs' is not a list.")
  const readings = option.node.items.map((item, position) => readInput(item, file, position))
  const inputs = readings.flatMap(({ input }) => (input === null ? [] : [input]))
  const problems = readings.flatMap((reading) => reading.problems)
  if (inputs.length === 0 && problems.length === 0) {
    return refusal(option.line, 'No input is enabled: nothing would be read.')
  }
  return {
    inputs,
    withoutEffect: readings.flatMap((reading) => reading.withoutEffect),
    problems: [...problems, ...duplicateIds(inputs, file)],
  }
}

function duplicateIds(inputs: readonly InputConfig[], file: string): Problem[] {
  const seen = new Map<string, number>()
  return inputs.flatMap(({ id, line }) => {
    const first = seen.get(id)
    seen.set(id, first ?? line)
    if (first === undefined) return []
    return [{ file, line, message: `Input id '${id}' is used twice, first at line ${first}.` }]
  })
}

/** What is written at the top holds for every input; the input's own word wins. */
function withGlobals(input: InputConfig, top: z.infer<typeof topSettings>): InputConfig {
  return {
    ...input,
    fields: { ...top.fields, ...input.fields },
    fieldsUnderRoot: input.fieldsUnderRoot || top.fieldsUnderRoot,
    tags: [...top.tags, ...input.tags],
  }
}

/** A topic must be known for every file before a line is read: no record is dropped for want of one. */
function topicProblems(inputs: readonly InputConfig[], { topic, line }: KafkaOutput, file: string) {
  if (refersTo(topic, 'message') || refersTo(topic, 'log')) {
    const message = `Topic '${topic.source}' depends on the line or the file; use fields of the input.`
    return [{ file, line, message }]
  }
  return inputs.flatMap((input): Problem[] => {
    if (renderFormat(topic, staticFields(input, '/any')) !== null) return []
    const message = `Topic '${topic.source}' has no value for input '${input.id}': add the field or a default.`
    return [{ file, line: input.line, message }]
  })
}

/** The topics that the inputs write to. */
export function topicsOf({ inputs, output }: FilebeatConfig): readonly string[] {
  const topics = inputs.map((input) => renderFormat(output.topic, staticFields(input, '/any')))
  return [...new Set(topics.filter((topic) => topic !== null))]
}

function warningOf(options: readonly { readonly name: string; readonly line: number }[]) {
  if (options.length === 0) return null
  const listed = options.map(({ name, line }) => `'${name}' (line ${line})`).join(', ')
  return `These options are known and have no effect here yet: ${listed}.`
}

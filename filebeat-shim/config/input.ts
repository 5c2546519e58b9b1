/** One entry of `filebeat.inputs`. */
import { z } from 'zod'
import type { Problem } from '../../core/errors.ts'
import { type LocatedEntry, type LocatedNode, plainValue } from './located-yaml.ts'
import { type InputDialect, inputOptions } from './option-tables.ts'
import { processorProblems } from './processors.ts'
import {
  type FoundOption,
  findOptions,
  issueText,
  refuseIssues,
  settingsOf,
} from './read-options.ts'
import { byteCount, duration, fieldMap, flag, patternList, text, textList } from './value-types.ts'

/** How a line of JSON is merged into the envelope of `codec.json`; the raw line is sent as it is. */
interface JsonDecoding {
  /** Dotted name of the field that holds the decoded keys; '' is the root. */
  readonly target: string
  readonly overwriteKeys: boolean
  readonly addErrorKey: boolean
  readonly messageKey: string | null
}

export interface InputConfig {
  readonly id: string
  readonly dialect: InputDialect
  readonly line: number
  readonly paths: readonly string[]
  readonly recursiveGlob: boolean
  readonly includeFiles: readonly RegExp[]
  readonly excludeFiles: readonly RegExp[]
  readonly includeLines: readonly RegExp[]
  readonly excludeLines: readonly RegExp[]
  readonly fields: Readonly<Record<string, unknown>>
  readonly fieldsUnderRoot: boolean
  readonly tags: readonly string[]
  readonly json: JsonDecoding | null
  readonly symlinks: boolean
  readonly scanIntervalMs: number
  /** A file that is idle this long is closed; it is opened again when it changes. */
  readonly closeInactiveMs: number
  /** A file unchanged for longer is not read when it is first seen; 0 reads all. */
  readonly ignoreOlderMs: number
  /** Files are first read from their end. */
  readonly tailFiles: boolean
  /** Null when the file does not say: the shipper's own limit holds. */
  readonly lineBytesMax: number | null
}

const jsonOptions = z.strictObject({
  keys_under_root: flag.optional(),
  target: text.optional(),
  overwrite_keys: flag.optional(),
  add_error_key: flag.optional(),
  message_key: text.optional(),
  expand_keys: flag.optional(),
  document_id: text.optional(),
  ignore_decoding_error: flag.optional(),
})

const inputSettings = z.object({
  type: text.optional(),
  id: text.optional(),
  enabled: flag.default(true),
  paths: textList.optional(),
  recursiveGlob: flag.default(true),
  includeFiles: patternList.default([]),
  excludeFiles: patternList.default([]),
  includeLines: patternList.default([]),
  excludeLines: patternList.default([]),
  fields: fieldMap.default({}),
  fieldsUnderRoot: flag.default(false),
  tags: textList.default([]),
  json: fieldMap.pipe(jsonOptions).optional(),
  parsers: z.unknown().optional(),
  processors: z.unknown().optional(),
  encoding: text.default('plain'),
  symlinks: flag.default(false),
  scanIntervalMs: duration.default(10_000),
  closeInactiveMs: duration.default(300_000),
  ignoreOlderMs: duration.default(0),
  tailFiles: flag.default(false),
  lineBytesMax: byteCount.optional(),
})

export interface InputReading {
  /** Null when it is switched off or refused. */
  readonly input: InputConfig | null
  readonly problems: readonly Problem[]
  /** Options that are known and have no effect yet. */
  readonly withoutEffect: readonly { readonly name: string; readonly line: number }[]
}

export function readInput(node: LocatedNode, file: string, position: number): InputReading {
  const problems: Problem[] = []
  const refuse: Refuse = (line, message) => problems.push({ file, line, message })
  if (node.kind !== 'map') {
    refuse(node.line, `Input ${position + 1} is not a map of options.`)
    return { input: null, problems, withoutEffect: [] }
  }
  const { known, unknown } = findOptions(node, inputOptions)
  const { raw, lines, placeOf } = settingsOf(known)
  if (raw['enabled'] === false) return { input: null, problems: [], withoutEffect: [] }
  for (const { name, line } of unknown) refuse(line, `Unknown option '${name}' of an input.`)
  const dialect = dialectOf(raw['type'])
  if (dialect === null) refuse(lines.get('type') ?? node.line, typeRefusal(raw['type']))
  else refuseOtherDialect(known, dialect, refuse)
  const settings = inputSettings.safeParse(raw)
  refuseIssues(settings.error?.issues ?? [], placeOf(node.line), refuse)
  const processors = known.find(({ spec }) => spec.sets === 'processors')
  problems.push(...processorProblems(processors?.node, file))
  const parsers = readParsers(known.find(({ spec }) => spec.sets === 'parsers')?.node, refuse)
  const withoutEffect = known.filter(({ spec }) => spec.sets === undefined)
  withoutEffect.push(...parsers.withoutEffect)
  if (settings.data === undefined || dialect === null) {
    return { input: null, problems, withoutEffect }
  }
  refuseUnusable(settings.data, { lineOf: (field) => lines.get(field) ?? node.line, refuse })
  const at = { dialect, line: node.line, decoding: parsers.json }
  return { input: inputOf(settings.data, at), problems, withoutEffect }
}

type Refuse = (line: number, message: string) => void
type InputSettings = z.infer<typeof inputSettings>

function refuseUnusable(
  { paths, encoding }: InputSettings,
  { lineOf, refuse }: { readonly lineOf: (field: string) => number; readonly refuse: Refuse },
): void {
  if (paths === undefined || paths.length === 0) {
    refuse(lineOf('paths'), 'The input has no paths: nothing would be read.')
  }
  if (!['plain', 'utf-8', 'utf8'].includes(encoding.toLowerCase())) {
    refuse(lineOf('encoding'), `Encoding '${encoding}' is not supported; expected plain or utf-8.`)
  }
}

interface InputPlace {
  readonly dialect: InputDialect
  readonly line: number
  readonly decoding: JsonDecoding | null
}

function inputOf(settings: InputSettings, { dialect, line, decoding }: InputPlace): InputConfig {
  const { type: _type, parsers: _parsers, processors: _processors, ...rest } = settings
  const { paths = [], json, lineBytesMax = null } = rest
  return {
    ...rest,
    // Not by position: inputs that change places keep what the registry knows of them.
    id: rest.id ?? paths.join(','),
    dialect,
    line,
    paths,
    json: json === undefined ? decoding : decodingOf(json, 'json'),
    lineBytesMax,
  }
}

function dialectOf(type: unknown): InputDialect | null {
  return type === 'log' || type === 'filestream' ? type : null
}

function typeRefusal(type: unknown): string {
  if (type === undefined) return "An input has no type; expected 'filestream' or 'log'."
  return `Input type '${String(type)}' is not supported; expected 'filestream' or 'log'.`
}

function refuseOtherDialect(
  known: readonly FoundOption[],
  dialect: InputDialect,
  refuse: Refuse,
): void {
  for (const { name, line, spec } of known) {
    if (spec.only === undefined || spec.only === dialect) continue
    const hint = spec.instead === undefined ? 'remove it' : `write '${spec.instead}'`
    refuse(
      line,
      `'${name}' is an option of type ${spec.only} in an input of type ${dialect}: ${hint}.`,
    )
  }
}

function decodingOf(options: z.infer<typeof jsonOptions>, targetWhenAbsent: string): JsonDecoding {
  return {
    target: options.keys_under_root === true ? '' : (options.target ?? targetWhenAbsent),
    overwriteKeys: options.overwrite_keys ?? false,
    addErrorKey: options.add_error_key ?? false,
    messageKey: options.message_key ?? null,
  }
}

const otherParsers = ['multiline', 'container', 'syslog', 'include_message']

/** `parsers` is a list of maps with one key each. Only ndjson has an effect yet. */
function readParsers(node: LocatedNode | undefined, refuse: Refuse) {
  const withoutEffect: FoundOption[] = []
  let json: JsonDecoding | null = null
  for (const item of node?.kind === 'list' ? node.items : []) {
    const entry = item.kind === 'map' ? item.entries[0] : undefined
    if (entry?.key === 'ndjson') json = readNdjson(entry, refuse)
    else if (entry !== undefined && otherParsers.includes(entry.key)) {
      withoutEffect.push({ ...entry, name: `parsers.${entry.key}`, spec: {} })
    } else refuse(item.line, `Unknown parser '${entry?.key ?? ''}'.`)
  }
  return { json, withoutEffect }
}

function readNdjson({ node, line }: LocatedEntry, refuse: Refuse): JsonDecoding | null {
  const options = fieldMap.pipe(jsonOptions).safeParse(plainValue(node) ?? {})
  if (options.success) return decodingOf(options.data, '')
  for (const issue of options.error.issues) refuse(line, issueText('ndjson', issue))
  return null
}

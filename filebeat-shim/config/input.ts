/** One entry of `filebeat.inputs`. */
import { z } from 'zod'
import type { Problem } from '../../core/errors.ts'
import type { LocatedNode } from './located-yaml.ts'
import { plainValue } from './located-yaml.ts'
import { type InputDialect, inputOptions } from './option-tables.ts'
import { processorProblems } from './processors.ts'
import { type FoundOption, findOptions, settingsOf } from './read-options.ts'
import { byteCount, duration, fieldMap, flag, patternList, text, textList } from './value-types.ts'

/** How a line of JSON is merged into the envelope of `codec.json`; the raw line is sent as it is. */
export interface JsonDecoding {
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
  const refuse = (line: number, message: string) => problems.push({ file, line, message })
  if (node.kind !== 'map') {
    refuse(node.line, `Input ${position + 1} is not a map of options.`)
    return { input: null, problems, withoutEffect: [] }
  }
  const { known, unknown } = findOptions(node, inputOptions)
  const { raw, lines, names } = settingsOf(known)
  const settings = inputSettings.safeParse(raw)
  if (raw['enabled'] === false) return { input: null, problems: [], withoutEffect: [] }
  const dialect = dialectOf(raw['type'])
  if (dialect === null) refuse(lines.get('type') ?? node.line, typeRefusal(raw['type']))
  for (const { name, line } of unknown) refuse(line, `Unknown option '${name}' of an input.`)
  if (dialect !== null) refuseOtherDialect(known, dialect, refuse)
  for (const issue of settings.error?.issues ?? []) {
    const field = String(issue.path[0])
    refuse(lines.get(field) ?? node.line, issueText(names.get(field) ?? field, issue))
  }
  const withoutEffect = known.filter(({ spec }) => spec.sets === undefined)
  if (settings.data === undefined || dialect === null) {
    return { input: null, problems, withoutEffect }
  }

  const lineOf = (field: string) => lines.get(field) ?? node.line
  const { type: _type, parsers, processors, encoding, enabled: _on, ...rest } = settings.data
  if (rest.paths === undefined || rest.paths.length === 0) {
    refuse(node.line, `Input ${position + 1} has no paths: nothing would be read.`)
  }
  if (!['plain', 'utf-8', 'utf8'].includes(encoding.toLowerCase())) {
    refuse(lineOf('encoding'), `Encoding '${encoding}' is not supported; expected plain or utf-8.`)
  }
  problems.push(...processorProblems(processors, file, lineOf('processors')))
  const parserNode = known.find(({ spec }) => spec.sets === 'parsers')?.node
  const decoding = parsers === undefined ? null : readParsers(parserNode, refuse)
  const input: InputConfig = {
    ...rest,
    id: rest.id ?? `input-${position + 1}`,
    dialect,
    line: node.line,
    paths: rest.paths ?? [],
    json: rest.json === undefined ? (decoding?.json ?? null) : decodingOf(rest.json, 'json'),
    lineBytesMax: rest.lineBytesMax ?? null,
  }
  return { input, problems, withoutEffect: [...withoutEffect, ...(decoding?.withoutEffect ?? [])] }
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
  refuse: (line: number, message: string) => void,
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

export function issueText(option: string, issue: z.core.$ZodIssue): string {
  const inner = issue.path.slice(1).join('.')
  const name = inner === '' ? option : `${option}.${inner}`
  return `'${name}': ${issue.message.replace(/\.$/, '')}.`
}

function decodingOf(options: z.infer<typeof jsonOptions>, targetWhenAbsent: string): JsonDecoding {
  return {
    target: options.keys_under_root === true ? '' : (options.target ?? targetWhenAbsent),
    overwriteKeys: options.overwrite_keys ?? false,
    addErrorKey: options.add_error_key ?? false,
    messageKey: options.message_key ?? null,
  }
}

/** `parsers` is a list of maps with one key each. Only ndjson has an effect yet. */
function readParsers(
  node: LocatedNode | undefined,
  refuse: (line: number, message: string) => void,
) {
  const withoutEffect: { name: string; line: number }[] = []
  let json: JsonDecoding | null = null
  for (const item of node?.kind === 'list' ? node.items : []) {
    const entry = item.kind === 'map' ? item.entries[0] : undefined
    if (entry?.key === 'ndjson') {
      const options = fieldMap.pipe(jsonOptions).safeParse(plainValue(entry.node) ?? {})
      if (options.success) json = decodingOf(options.data, '')
      else for (const issue of options.error.issues) refuse(entry.line, issueText('ndjson', issue))
    } else if (
      entry !== undefined &&
      ['multiline', 'container', 'syslog', 'include_message'].includes(entry.key)
    ) {
      withoutEffect.push({ name: `parsers.${entry.key}`, line: entry.line })
    } else refuse(item.line, `Unknown parser '${entry?.key ?? ''}'.`)
  }
  return { json, withoutEffect }
}

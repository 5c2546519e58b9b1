/**
 * Reads settings from one YAML file and the environment. Every problem of both is reported in one
 * error; a name nobody knows is refused, because a default in the place of a misspelt setting is
 * the worst way to find out.
 */
import { readFileSync } from 'node:fs'
import { isMap, isScalar, LineCounter, type ParsedNode, parse, parseDocument } from 'yaml'
import type { z } from 'zod'
import { MillraceError, type Problem, problemsError } from '../core/errors.ts'
import { nearestName } from '../core/nearest-name.ts'
import { type FieldNaming, type SettingField, settingFields } from '../core/settings.ts'

export interface SettingsSource extends FieldNaming {
  /** Path of the YAML file; absent: defaults and environment only. */
  readonly file?: string
  /** Usually `process.env`: only `main.ts` and `cli/` read it. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Variables with the prefix that are none of these settings and belong to somebody else. */
  readonly foreignVariables?: readonly string[]
}

type Tree = Record<string, unknown>

/** Where a value came from, to name it in a complaint. */
interface Origin {
  readonly file: string
  readonly line?: number
}

interface Reading {
  readonly fields: readonly SettingField[]
  readonly values: Tree
  readonly problems: Problem[]
  /** By dotted path of the setting. */
  readonly origins: Map<string, Origin>
}

/**
 * The checked, deeply frozen settings.
 *
 * @throws MillraceError CONFIG_INVALID listing every problem with file and line or variable.
 */
export function loadSettings<Schema extends z.ZodType>(
  schema: Schema,
  source: SettingsSource,
): z.infer<Schema> {
  const fields = settingFields(schema, source)
  const reading: Reading = { fields, values: {}, problems: [], origins: new Map() }
  if (source.file !== undefined) readFile(source.file, reading)
  readEnvironment(source, reading)
  const parsed = schema.safeParse(reading.values)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) reading.problems.push(problemOf(issue, reading))
  }
  if (reading.problems.length > 0 || !parsed.success) {
    throw problemsError('CONFIG_INVALID', 'The settings cannot be used:', reading.problems)
  }
  return deepFreeze(parsed.data)
}

function readFile(file: string, reading: Reading): void {
  const lineCounter = new LineCounter()
  const document = parseDocument(textOf(file), { lineCounter })
  for (const error of document.errors) {
    const line = lineCounter.linePos(error.pos[0]).line
    // The library's message goes on with an excerpt of the file over several lines.
    const message = error.message.split('\n', 1)[0]?.replace(/ at line \d+.*$/, '') ?? 'Bad YAML'
    reading.problems.push({ file, line, message: `The file is not valid YAML: ${message}.` })
  }
  if (document.errors.length > 0 || document.contents === null) return
  readMap(document.contents, [], { ...reading, file, lineCounter })
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new MillraceError(
      'CONFIG_INVALID',
      `The settings file '${file}' cannot be read (${reason}). Give the path of an existing file with --config.`,
      { cause },
    )
  }
}

interface FileReading extends Reading {
  readonly file: string
  readonly lineCounter: LineCounter
}

/** Takes over the entries of one level: sections by recursion, settings as values. */
function readMap(node: ParsedNode, path: readonly string[], reading: FileReading): void {
  const { fields, file, lineCounter, problems } = reading
  const lineOf = (at: ParsedNode) => lineCounter.linePos(at.range[0]).line
  if (!isMap(node)) {
    const what = path.length === 0 ? 'The file' : `The section '${path.join('.')}'`
    problems.push({ file, line: lineOf(node), message: `${what} must be a map of names.` })
    return
  }
  const known = new Set(
    fields.filter((field) => startsWith(field.path, path)).map((field) => field.path[path.length]),
  )
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : ''
    const line = lineOf(key)
    if (!known.has(name)) {
      problems.push({ file, line, message: unknownSetting([...path, name], known) })
      continue
    }
    // An empty section or setting (`speed:`) means its defaults.
    if (value === null || (isScalar(value) && value.value === null && value.source === '')) continue
    readEntry(value, [...path, name], line, reading)
  }
}

function readEntry(
  value: ParsedNode,
  path: readonly string[],
  line: number,
  reading: FileReading,
): void {
  const field = reading.fields.find((one) => one.path.join('.') === path.join('.'))
  if (field === undefined) {
    readMap(value, path, reading)
    return
  }
  setValue(reading.values, path, value.toJSON())
  reading.origins.set(path.join('.'), { file: reading.file, line })
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.every((name, index) => path[index] === name)
}

function unknownSetting(path: readonly string[], known: Iterable<string | undefined>): string {
  const names = [...known].filter((name) => name !== undefined)
  const nearest = nearestName(path.at(-1) ?? '', names)
  const remedy =
    nearest === null
      ? `Known here: ${names.join(', ')}.`
      : `Did you mean '${[...path.slice(0, -1), nearest].join('.')}'?`
  return `There is no setting '${path.join('.')}'. ${remedy}`
}

function readEnvironment(source: SettingsSource, reading: Reading): void {
  const { fields, problems, origins, values } = reading
  const byVariable = new Map(fields.map((field) => [field.variable, field]))
  const foreign = new Set(source.foreignVariables ?? [])
  for (const [variable, text] of Object.entries(source.environment).sort()) {
    if (!variable.startsWith(source.prefix) || text === undefined || foreign.has(variable)) continue
    const field = byVariable.get(variable)
    if (field !== undefined) {
      const path = field.path.join('.')
      setValue(values, field.path, settingOf(field, text))
      origins.set(path, { file: `environment variable ${variable}` })
    } else if (!isServiceLink(variable)) {
      const nearest = nearestName(variable, byVariable.keys())
      const remedy = nearest === null ? 'Unset it' : `Did you mean ${nearest}`
      const message = `There is no such setting. ${remedy}${nearest === null ? '.' : '?'}`
      problems.push({ file: `environment variable ${variable}`, message })
    }
  }
}

/** Kubernetes and old Docker put `<SERVICE>_PORT=tcp://…` and the like into every container. */
function isServiceLink(variable: string): boolean {
  return /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$/.test(
    variable,
  )
}

/** What cannot be read as the kind stays a text, so that the schema's complaint quotes it. */
function settingOf(field: SettingField, text: string): unknown {
  switch (field.kind) {
    case 'text':
      return text
    case 'number':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'structure':
      return yamlOf(text)
  }
}

function yamlOf(text: string): unknown {
  try {
    return parse(text)
  } catch {
    // The schema refuses the text and says what it expected.
    return text
  }
}

function setValue(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree
  for (const name of path.slice(0, -1)) {
    node[name] ??= {}
    node = node[name] as Tree
  }
  node[path.at(-1) ?? ''] = value
}

function problemOf(issue: z.core.$ZodIssue, { fields, origins, values }: Reading): Problem {
  const path = issue.path.map(String)
  const field = fields.find((one) => startsWith(path, one.path))
  if (field === undefined) {
    // A rule across settings: its own sentence says everything.
    return { file: originOfSection(origins, path)?.file ?? 'settings', message: issue.message }
  }
  const name = field.path.join('.')
  const found = JSON.stringify(valueAt(values, field.path))
  const reason = issue.code === 'custom' ? ` (${issue.message})` : ''
  const message = `Setting '${name}' is ${found}, expected ${field.expected}${reason}.`
  return { ...(origins.get(name) ?? { file: 'settings' }), message }
}

function originOfSection(origins: Map<string, Origin>, path: readonly string[]) {
  for (const [name, origin] of origins) {
    if (startsWith(name.split('.'), path)) return origin
  }
  return undefined
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, name) => (node as Tree | undefined)?.[name], tree)
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) deepFreeze(child)
  }
  return value
}

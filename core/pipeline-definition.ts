/** Reads a pipeline from the text of its files, and reports every problem of all of them at once. */
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'
import { type Problem, problemsError } from './errors.ts'
import {
  coordinateColumns,
  type PartitionColumn,
  type Pipeline,
  type RecordFormat,
  type ViewSource,
} from './pipeline.ts'
import { schemaType } from './schema-types.ts'
import type { Column } from './sql.ts'

/** A file of the pipeline's folder; `path` is relative to it, with `/`. */
export interface PipelineFile {
  readonly path: string
  readonly text: string
}

export interface PipelineSource {
  /** The folder's name, which is the pipeline's. */
  readonly folder: string
  /** How messages name the folder, e.g. `sql/http_logs`. */
  readonly shownFolder?: string
  readonly files: readonly PipelineFile[]
}

const identifier = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,62}$/,
    'is not a name: use lower-case letters, digits and _, starting with a letter',
  )
const sqlText = z.string().trim().min(1, 'is empty: write an SQL expression')

const definitionSchema = z.strictObject({
  description: z.string().default(''),
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/, 'is not a topic name: use letters, digits, ".", "_" and "-"'),
  partitions: z.int().min(1).max(1024).default(3),
  format: z.enum(['json', 'text', 'csv']).default('json'),
  patterns: z.array(z.string().min(1)).min(1).optional(),
  delimiter: z.string().length(1, 'must be one character, e.g. ";"').optional(),
  schema: z.record(identifier, z.string()),
  event_time: identifier.optional(),
  checks: z.record(identifier, sqlText).default({}),
  references: z
    .record(identifier, z.strictObject({ path: z.string().min(1), key: identifier }))
    .default({}),
  table: identifier.optional(),
  partition_by: z.record(identifier, sqlText).default({}),
})

type Definition = z.infer<typeof definitionSchema>

/** @throws MillraceError PIPELINE_INVALID with all problems of the folder. */
export function parsePipeline(source: PipelineSource): Pipeline {
  const { pipeline, problems } = readPipeline(source)
  if (pipeline === null || problems.length > 0) {
    throw problemsError('PIPELINE_INVALID', `The pipeline '${source.folder}' is invalid:`, problems)
  }
  return pipeline
}

/** As {@link parsePipeline}, for callers that collect the problems of several folders. */
export function readPipeline(source: PipelineSource): {
  readonly pipeline: Pipeline | null
  readonly problems: readonly Problem[]
  /** The definition has no problem, so that its SQL can be checked, whatever the files are called. */
  readonly isDefined: boolean
} {
  const shown = (path: string) => `${source.shownFolder ?? `sql/${source.folder}`}/${path}`
  const problems: Problem[] = folderProblems(source, shown)
  const undefinedBy = (found: readonly Problem[]) => ({
    pipeline: null,
    problems: [...problems, ...found],
    isDefined: false,
  })
  const yamlFile = source.files.find(({ path }) => path === 'pipeline.yml')
  if (yamlFile === undefined) {
    const message = 'The file is missing: a pipeline needs its topic and its schema there.'
    return undefinedBy([{ file: shown('pipeline.yml'), message }])
  }
  const reader = new DefinitionReader(shown('pipeline.yml'), yamlFile.text)
  const definition = reader.read()
  if (definition === null) return undefinedBy(reader.problems)
  const schema = readSchema(definition, reader)
  checkNames(definition, schema, reader)
  const format = readFormat(definition, schema, reader)
  const pipeline = { ...assemble(source, definition, shown), schema, format }
  const isDefined = reader.problems.length === 0
  return { pipeline, problems: [...problems, ...reader.problems], isDefined }
}

/** The line of a key of `pipeline.yml`, e.g. of `['checks', 'has_ts']`; null where it is not there. */
export function definitionLine(text: string, path: readonly string[]): number | null {
  return new DefinitionReader('pipeline.yml', text).lineOf(path)
}

const viewPath = /^views\/([^/]+)\.sql$/

function folderProblems(source: PipelineSource, shown: (path: string) => string): Problem[] {
  const problems: Problem[] = []
  if (!identifier.safeParse(source.folder).success) {
    problems.push({
      file: shown(''),
      message: `The folder's name '${source.folder}' names the pipeline: use lower-case letters, digits and _.`,
    })
  }
  for (const { path } of source.files) {
    const view = viewPath.exec(path)?.[1]
    if (view === undefined || identifier.safeParse(view).success) continue
    problems.push({
      file: shown(path),
      message: `The file's name '${view}' names the view: use lower-case letters, digits and _.`,
    })
  }
  return problems
}

function assemble(
  source: PipelineSource,
  definition: Definition,
  shown: (path: string) => string,
): Omit<Pipeline, 'schema' | 'format'> {
  const curated = source.files.find(({ path }) => path === 'curated.sql')
  const partitionBy: readonly PartitionColumn[] = Object.entries(definition.partition_by).map(
    ([name, sql]) => ({ name, sql }),
  )
  return {
    name: source.folder,
    description: definition.description,
    topic: definition.topic,
    partitions: definition.partitions,
    eventTime: definition.event_time ?? null,
    checks: Object.entries(definition.checks).map(([name, sql]) => ({ name, sql })),
    references: Object.entries(definition.references).map(([name, { path, key }]) => ({
      name,
      path,
      key,
    })),
    table: definition.table ?? source.folder,
    curatedSql: withoutSemicolon(curated?.text ?? 'SELECT * FROM input'),
    partitionBy,
    views: source.files
      .filter(({ path }) => viewPath.test(path))
      .map((file) => viewOf(file, shown)),
  }
}

function withoutSemicolon(sql: string): string {
  return sql.trim().replace(/;\s*$/, '')
}

function viewOf({ path, text }: PipelineFile, shown: (path: string) => string): ViewSource {
  const name = viewPath.exec(path)?.[1] ?? path
  return { name, file: shown(path), sql: text, description: leadingComment(text) }
}

/** The `--` lines at the top of an SQL file, as one text. */
function leadingComment(sql: string): string {
  const lines: string[] = []
  for (const line of sql.split('\n')) {
    const comment = /^\s*--\s?(.*)$/.exec(line)
    if (comment === null) break
    lines.push((comment[1] ?? '').trim())
  }
  return lines.join(' ').trim()
}

function readSchema(definition: Definition, reader: DefinitionReader): readonly Column[] {
  const columns: Column[] = []
  for (const [name, text] of Object.entries(definition.schema)) {
    const result = schemaType(text)
    if ('type' in result) columns.push({ name, type: result.type })
    else
      reader.report(
        ['schema', name],
        `The type '${text}' of '${name}' is refused: ${result.refused}`,
      )
  }
  if (Object.keys(definition.schema).length === 0) {
    reader.report(['schema'], 'The schema is empty: name at least one column and its type.')
  }
  return columns
}

function checkNames(definition: Definition, schema: readonly Column[], reader: DefinitionReader) {
  const { event_time: eventTime, partition_by: partitionBy } = definition
  const column = schema.find(({ name }) => name === eventTime)
  if (eventTime !== undefined && !(eventTime in definition.schema)) {
    reader.report(
      ['event_time'],
      `event_time names '${eventTime}', which the schema does not have.`,
    )
  } else if (column !== undefined && !/^(TIMESTAMP WITH TIME ZONE|DATE)$/.test(column.type)) {
    reader.report(
      ['event_time'],
      `event_time names '${eventTime}', a ${column.type}: declare it TIMESTAMPTZ in the schema.`,
    )
  }
  for (const name of Object.keys(partitionBy)) {
    if (name in definition.schema || coordinateColumns.some((other) => other.name === name)) {
      reader.report(
        ['partition_by', name],
        `The partition column '${name}' is also a column of the schema: choose another name.`,
      )
    }
  }
}

function readFormat(
  definition: Definition,
  schema: readonly Column[],
  reader: DefinitionReader,
): RecordFormat {
  const { format, patterns, delimiter } = definition
  if (patterns !== undefined && format !== 'text') {
    reader.report(['patterns'], `patterns belong to 'format: text', but the format is '${format}'.`)
  }
  if (delimiter !== undefined && format !== 'csv') {
    reader.report(
      ['delimiter'],
      `delimiter belongs to 'format: csv', but the format is '${format}'.`,
    )
  }
  if (format === 'csv') return { kind: 'csv', delimiter: delimiter ?? ',' }
  if (format === 'json') return { kind: 'json' }
  if (patterns === undefined) {
    reader.report(
      ['format'],
      "'format: text' needs patterns: a list of regular expressions with named groups.",
    )
  }
  for (const [index, pattern] of (patterns ?? []).entries()) {
    checkPattern(pattern, index, schema, reader)
  }
  return { kind: 'text', patterns: patterns ?? [] }
}

function checkPattern(
  pattern: string,
  index: number,
  schema: readonly Column[],
  reader: DefinitionReader,
): void {
  const groups = [...pattern.matchAll(/\(\?P?<([A-Za-z_]\w*)>/g)].map((match) => match[1] ?? '')
  const path = ['patterns', index]
  if (groups.length === 0) {
    reader.report(path, 'The pattern has no named group: write e.g. (?P<host>\\S+).')
  }
  for (const group of groups) {
    if (schema.some(({ name }) => name === group)) continue
    reader.report(path, `The pattern's group '${group}' is not a column of the schema.`)
  }
  if (/\(\?(?:[=!]|<[=!])/.test(pattern)) {
    reader.report(path, 'The pattern looks ahead or behind, which RE2 does not know: leave it out.')
  }
}

/** The YAML file with its lines. */
class DefinitionReader {
  readonly problems: Problem[] = []
  readonly #file: string
  readonly #lines = new LineCounter()
  readonly #document: ReturnType<typeof parseDocument>

  constructor(file: string, text: string) {
    this.#file = file
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
  }

  /** Null when the file has no shape to go on with; the problems say why. */
  read(): Definition | null {
    for (const error of [...this.#document.errors, ...this.#document.warnings]) {
      this.problems.push({
        file: this.#file,
        line: this.#lines.linePos(error.pos[0]).line,
        message: `The file is not YAML as expected: ${error.message.replace(/\.?$/, '.')}`,
      })
    }
    if (this.problems.length > 0) return null
    if (!isMap(this.#document.contents)) {
      this.report([], 'The file must be a map of names: begin with the topic and the schema.')
      return null
    }
    const values = this.#values()
    if (values === null) return null
    const result = definitionSchema.safeParse(values.value)
    if (result.success) return result.data
    for (const issue of result.error.issues) this.#reportIssue(issue)
    return null
  }

  /** Null when aliases (`*name`) refer to nothing, or to so much that a small file fills the memory. */
  #values(): { readonly value: unknown } | null {
    try {
      return { value: this.#document.toJS() }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.report([], `The aliases of the file cannot be used: ${reason}.`)
      return null
    }
  }

  report(path: readonly (string | number)[], message: string): void {
    const line = this.lineOf(path)
    this.problems.push({ file: this.#file, ...(line === null ? {} : { line }), message })
  }

  #reportIssue(issue: z.core.$ZodIssue): void {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? step.toString() : step))
    const name = path.join('.')
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const known = path.length === 0 ? Object.keys(definitionSchema.shape) : ['path', 'key']
        this.report(
          [...path, key],
          `The key '${[...path, key].join('.')}' is unknown: expected one of ${known.join(', ')}.`,
        )
      }
      return
    }
    if (issue.code === 'invalid_key') {
      const reason = issue.issues[0]?.message ?? issue.message
      this.report(path, `The name '${path.at(-1)}' in '${path.slice(0, -1).join('.')}' ${reason}.`)
      return
    }
    const value = this.#document.getIn(path)
    const shown = value === undefined ? '' : ` (found '${scalarText(value)}')`
    const required = value === undefined && issue.code === 'invalid_type'
    this.report(
      path,
      required
        ? `The key '${name || 'topic'}' is missing: add it.`
        : `'${name}' ${issue.message.replace(/^Invalid input: /, 'is invalid: ').replace(/\.$/, '')}${shown}.`,
    )
  }

  /** The line of the key that the path ends with, or of the nearest key around it. */
  lineOf(path: readonly (string | number)[]): number | null {
    let node: unknown = this.#document.contents
    let offset: number | null = null
    for (const step of path) {
      const next = childOf(node, step)
      if (next === null) break
      offset = next.offset ?? offset
      node = next.node
    }
    return offset === null ? (path.length === 0 ? 1 : null) : this.#lines.linePos(offset).line
  }
}

function childOf(node: unknown, step: string | number) {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
    if (pair === undefined) return null
    return { node: pair.value, offset: rangeStart(pair.key) }
  }
  const items = (node as { items?: readonly unknown[] } | null)?.items
  if (items === undefined || typeof step !== 'number' || items[step] === undefined) return null
  return { node: items[step], offset: rangeStart(items[step]) }
}

function rangeStart(node: unknown): number | null {
  return (node as Node | null)?.range?.[0] ?? null
}

function scalarText(value: unknown): string {
  return isScalar(value) ? String(value.value) : JSON.stringify(value)
}

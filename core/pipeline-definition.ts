/** Reads a pipeline from the text of its files, and reports every problem of all of them at once. */
import {
  type Definition,
  DefinitionReader,
  identifier,
  type ReadDefinition,
} from './definition-reader.ts'
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
  const read = reader.read()
  if (read === null) return undefinedBy(reader.problems)
  const schema = readSchema(read, reader)
  checkNames(read, schema, reader)
  const format = readFormat(read, reader)
  if (read.whole === null) return undefinedBy(reader.problems)
  const pipeline = { ...assemble(source, read.whole, shown), schema, format }
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

function readSchema({ schema }: ReadDefinition, reader: DefinitionReader): readonly Column[] {
  const columns: Column[] = []
  for (const [name, text] of schema ?? []) {
    if (typeof text !== 'string') continue
    const result = schemaType(text)
    if ('type' in result) columns.push({ name, type: result.type })
    else
      reader.report(
        ['schema', name],
        `The type '${text}' of '${name}' is refused: ${result.refused}`,
      )
  }
  if (schema?.size === 0) {
    reader.report(['schema'], 'The schema is empty: name at least one column and its type.')
  }
  return columns
}

function checkNames(
  { parts, schema, partitionBy }: ReadDefinition,
  columns: readonly Column[],
  reader: DefinitionReader,
) {
  const eventTime = parts.event_time
  const column = columns.find(({ name }) => name === eventTime)
  if (eventTime !== undefined && schema?.has(eventTime) === false) {
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
  for (const name of partitionBy.keys()) {
    if (schema?.has(name) || coordinateColumns.some((other) => other.name === name)) {
      reader.report(
        ['partition_by', name],
        `The partition column '${name}' is also a column of the schema: choose another name.`,
      )
    }
  }
}

function readFormat({ parts, schema }: ReadDefinition, reader: DefinitionReader): RecordFormat {
  const { format, patterns = [], delimiter } = parts
  for (const [key, itsFormat] of [
    ['patterns', 'text'],
    ['delimiter', 'csv'],
  ] as const) {
    if (!reader.has(key) || format === undefined || format === itsFormat) continue
    reader.report(
      [key],
      `${key} ${key === 'patterns' ? 'belong' : 'belongs'} to 'format: ${itsFormat}', but the format is '${format}'.`,
    )
  }
  if (format === 'csv') return { kind: 'csv', delimiter: delimiter ?? ',' }
  if (format === 'json') return { kind: 'json' }
  if (format === 'text' && !reader.has('patterns')) {
    reader.report(
      ['format'],
      "'format: text' needs patterns: a list of regular expressions with named groups.",
    )
  }
  for (const [index, pattern] of patterns.entries()) checkPattern(pattern, index, schema, reader)
  return { kind: 'text', patterns }
}

function checkPattern(
  pattern: string,
  index: number,
  schema: ReadDefinition['schema'],
  reader: DefinitionReader,
): void {
  const groups = [...pattern.matchAll(/\(\?P?<([A-Za-z_]\w*)>/g)].map((match) => match[1] ?? '')
  const path = ['patterns', index]
  if (groups.length === 0) {
    reader.report(path, 'The pattern has no named group: write e.g. (?P<host>\\S+).')
  }
  for (const group of groups) {
    if (schema?.has(group) !== false) continue
    reader.report(path, `The pattern's group '${group}' is not a column of the schema.`)
  }
  if (/\(\?(?:[=!]|<[=!])/.test(pattern)) {
    reader.report(path, 'The pattern looks ahead or behind, which RE2 does not know: leave it out.')
  }
}

/** Loads every pipeline below a directory and checks it against an empty DuckDB, before any data moves. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError, type Problem, problemsError } from '../core/errors.ts'
import { macroFileProblems } from '../core/macro-file.ts'
import type { LoadedPipeline, Pipeline } from '../core/pipeline.ts'
import { type PipelineFile, readPipeline } from '../core/pipeline-definition.ts'
import { compileView } from '../core/views/compile-view.ts'
import type { CompiledView } from '../core/views/compiled-view.ts'
import type { SqlParser } from '../core/views/sql-parser.ts'
import { Database } from './engine/duckdb.ts'
import { DuckDbSqlParser } from './engine/duckdb-sql-parser.ts'
import { checkPipeline, nameProblems } from './pipeline-checks.ts'

interface LoadOptions {
  /** Names of the pipelines to load; absent loads all. */
  readonly only?: readonly string[]
}

const parserMemoryBytesMax = 256 * 1024 * 1024
const macrosFolder = 'macros'

/**
 * Reads `<directory>/<pipeline>/pipeline.yml`, `curated.sql` and `views/*.sql`, sorted by name.
 * @throws MillraceError PIPELINE_INVALID (or VIEW_REFUSED where only views are wrong) with every
 * problem of every pipeline, each with its file and line.
 */
export async function loadPipelines(
  directory: string,
  { only }: LoadOptions = {},
): Promise<readonly LoadedPipeline[]> {
  const folders = await pipelineFolders(directory, only)
  const macros = await readSqlFiles(directory, macrosFolder)
  await using database = await Database.open({
    threads: 1,
    memoryBytesMax: parserMemoryBytesMax,
  })
  const problems: Problem[] = await runMacros(database, directory, macros)
  const parser = new DuckDbSqlParser(database)
  const loaded: LoadedPipeline[] = []
  const definitions: Pipeline[] = []
  let isOnlyViews = problems.length === 0
  for (const folder of folders) {
    const source = await readFolder(directory, folder)
    const read = readPipeline(source)
    problems.push(...read.problems)
    isOnlyViews &&= read.problems.length === 0
    if (read.pipeline === null) continue
    definitions.push(read.pipeline)
    if (!read.isDefined) continue
    const checked = await checkPipeline(
      read.pipeline,
      { folder: join(directory, folder), definition: source.files[0]?.text ?? '' },
      database,
      parser,
    )
    problems.push(...checked.problems)
    isOnlyViews &&= checked.problems.length === 0
    if (checked.curatedColumns === null) continue
    const views = await compileViews(read.pipeline, checked.curatedColumns, parser)
    problems.push(...views.problems)
    loaded.push({
      pipeline: read.pipeline,
      curatedColumns: checked.curatedColumns,
      views: views.compiled,
    })
  }
  const clashes = nameProblems(definitions, directory)
  problems.push(...clashes)
  if (problems.length > 0) {
    const code = isOnlyViews && clashes.length === 0 ? 'VIEW_REFUSED' : 'PIPELINE_INVALID'
    const noun = problems.length === 1 ? 'problem' : 'problems'
    throw problemsError(code, `${problems.length} ${noun} in ${directory}:`, problems)
  }
  return loaded
}

/** The SQL of every file in `<directory>/macros`, for `DatabaseOptions.setupSql`. */
export async function loadMacros(directory: string): Promise<readonly string[]> {
  return (await readSqlFiles(directory, macrosFolder)).map(({ text }) => text)
}

/** A view's compiled SQL over its table, for people to read. */
export function explainView(view: CompiledView, table: string) {
  return {
    partial: view.partialSql(table),
    merge: view.mergeSql('partials'),
    finalize: view.finalizeSql('merged'),
  }
}

async function pipelineFolders(
  directory: string,
  only: readonly string[] | undefined,
): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `The folder of pipelines '${directory}' cannot be read. Create it with one folder per pipeline, or name another one.`,
      { cause },
    )
  })
  const folders = entries
    .filter((entry) => entry.isDirectory() && entry.name !== macrosFolder)
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('.'))
    .sort()
  const unknown = (only ?? []).filter((name) => !folders.includes(name))
  if (unknown.length > 0) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `There is no pipeline '${unknown.join("', '")}' in '${directory}'. There are: ${folders.join(', ')}.`,
    )
  }
  return only === undefined ? folders : folders.filter((name) => only.includes(name))
}

async function readFolder(directory: string, folder: string) {
  const files: PipelineFile[] = []
  for (const path of ['pipeline.yml', 'curated.sql']) {
    const text = await readFile(join(directory, folder, path), 'utf8').catch(absentIsNull)
    if (text !== null) files.push({ path, text })
  }
  files.push(...(await readSqlFiles(directory, folder, 'views')))
  return { folder, shownFolder: join(directory, folder), files }
}

/** The `.sql` files of a folder, by name; `path` is relative to the pipeline's folder. */
async function readSqlFiles(
  directory: string,
  folder: string,
  subfolder = '',
): Promise<readonly PipelineFile[]> {
  const place = join(directory, folder, subfolder)
  const names = (await readdir(place).catch(absentIsNull)) ?? []
  const files: PipelineFile[] = []
  for (const name of names.filter((other) => other.endsWith('.sql')).sort()) {
    const path = subfolder === '' ? name : `${subfolder}/${name}`
    files.push({ path, text: await readFile(join(place, name), 'utf8') })
  }
  return files
}

function absentIsNull(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
  throw error
}

async function runMacros(
  database: Database,
  directory: string,
  macros: readonly PipelineFile[],
): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const { path, text } of macros) {
    const file = join(directory, macrosFolder, path)
    const refused = macroFileProblems(file, text)
    problems.push(...refused)
    if (refused.length > 0) continue
    await database.run(text).catch((error: unknown) => {
      problems.push({ file, message: sentence(error) })
    })
  }
  return problems
}

function sentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return `DuckDB refuses it: ${message.split('\n')[0] ?? ''}`
}

async function compileViews(
  pipeline: Pipeline,
  curatedColumns: LoadedPipeline['curatedColumns'],
  parser: SqlParser,
) {
  const compiled: CompiledView[] = []
  const problems: Problem[] = []
  for (const source of pipeline.views) {
    try {
      const { name, table } = pipeline
      compiled.push(await compileView({ source, pipeline: name, table, curatedColumns, parser }))
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      const line = Number(error.details['line'] ?? 1)
      const column = error.details['column'] ?? 1
      const place = `${source.file}:${line}:${column}: `
      const message = error.message.replace(place, `column ${column}: `)
      problems.push({ file: source.file, line, message })
    }
  }
  return { compiled, problems }
}

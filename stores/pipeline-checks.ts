/** Checks a pipeline's SQL (checks, curated.sql, partition columns) and names against empty tables. */
import { join } from 'node:path'
import type { Problem } from '../core/errors.ts'
import { coordinateColumns, type Pipeline } from '../core/pipeline.ts'
import { definitionLine } from '../core/pipeline-definition.ts'
import { schemaType } from '../core/schema-types.ts'
import { type Column, quoteLiteral } from '../core/sql.ts'
import { parseAst, textOf, walk } from '../core/views/ast.ts'
import { rowWiseProblem } from '../core/views/row-wise.ts'
import type { EmptyTable, SqlParser } from '../core/views/sql-parser.ts'
import type { Database } from './engine/duckdb.ts'

export interface CheckedPipeline {
  /** The curated table's columns; null where `curated.sql` has problems, so that they are not known. */
  readonly curatedColumns: readonly Column[] | null
  readonly problems: readonly Problem[]
}

/** Where a pipeline was read from. */
interface PipelinePlace {
  readonly folder: string
  /** The text of pipeline.yml, for the lines in messages. */
  readonly definition: string
}

export async function checkPipeline(
  pipeline: Pipeline,
  { folder, definition }: PipelinePlace,
  database: Database,
  parser: SqlParser,
): Promise<CheckedPipeline> {
  const problems: Problem[] = []
  const input: EmptyTable = { name: 'input', columns: pipeline.schema }
  const report = (file: string, message: string) => problems.push({ file, message })
  const reportKey = (path: readonly string[], message: string) => {
    const line = definitionLine(definition, path)
    const file = join(folder, 'pipeline.yml')
    problems.push({ file, ...(line === null ? {} : { line }), message })
  }
  for (const { name, sql } of pipeline.checks) {
    const found = await expressionType(sql, input, parser)
    const what = `The check '${name}' (${sql})`
    if ('problem' in found) reportKey(['checks', name], `${what} ${found.problem}`)
    else if (found.type !== 'BOOLEAN') {
      reportKey(['checks', name], `${what} gives ${found.type}, not BOOLEAN: write a condition.`)
    }
  }
  const references = await referenceTables(pipeline, folder, database, report)
  const before = problems.length
  const curated = await curatedColumns(pipeline, [input, ...references], parser, (message) =>
    report(join(folder, 'curated.sql'), message),
  )
  const isCurated = problems.length === before
  const table: EmptyTable = { name: 'curated', columns: curated }
  for (const { name, sql } of curated.length === 0 ? [] : pipeline.partitionBy) {
    const found = await expressionType(sql, table, parser)
    const what = `The partition column '${name}' (${sql})`
    const path = ['partition_by', name]
    if ('problem' in found) reportKey(path, `${what} ${found.problem}`)
    else if (found.type !== 'VARCHAR') {
      reportKey(path, `${what} gives ${found.type}, not VARCHAR: cast it, e.g. CAST(x AS VARCHAR).`)
    }
    if (curated.some((column) => column.name.toLowerCase() === name)) {
      reportKey(path, `The partition column '${name}' is also a column of curated.sql: rename one.`)
    }
  }
  const partitions = pipeline.partitionBy.map(({ name }) => ({ name, type: 'VARCHAR' }))
  const columns = [...curated, ...partitions, ...coordinateColumns]
  return { curatedColumns: isCurated ? columns : null, problems }
}

type Typed = { readonly type: string } | { readonly problem: string }

async function expressionType(sql: string, table: EmptyTable, parser: SqlParser): Promise<Typed> {
  try {
    // The brackets keep an expression one: `1, 2` or `a FROM b` do not parse inside them.
    const select = `SELECT (${sql}\n) AS v FROM "${table.name}"`
    const [column] = await parser.describe(select, [table])
    const problem = await rowWiseProblem(select, table.name, parser)
    if (problem !== null) return { problem: `${problem}.` }
    return column === undefined ? { problem: 'gives no value.' } : { type: column.type }
  } catch (error) {
    return { problem: `does not bind: ${firstLine(error)}` }
  }
}

async function curatedColumns(
  pipeline: Pipeline,
  tables: readonly EmptyTable[],
  parser: SqlParser,
  report: (message: string) => void,
): Promise<readonly Column[]> {
  try {
    const columns = await parser.describe(`\n${pipeline.curatedSql}\n`, tables)
    const problem = await rowWiseProblem(pipeline.curatedSql, 'input', parser)
    if (problem !== null) report(`The SELECT ${problem}.`)
    const written = new Set([
      ...(await aliasesOf(pipeline.curatedSql, parser)),
      ...tables.flatMap((table) => table.columns.map(({ name }) => name.toLowerCase())),
    ])
    reportColumns(columns, written, report)
    return columns
  } catch (error) {
    report(`DuckDB cannot run it: ${firstLine(error)}`)
    return []
  }
}

/** @param written lower-case names that occur in the SELECT or in its tables. */
function reportColumns(
  columns: readonly Column[],
  written: ReadonlySet<string>,
  report: (message: string) => void,
): void {
  const seen = new Set(coordinateColumns.map(({ name }) => name))
  for (const { name, type } of columns) {
    // DuckDB numbers the second of two equal names: page, page_1.
    const isNumbered =
      !written.has(name.toLowerCase()) && seen.has(name.toLowerCase().replace(/_\d+$/, ''))
    if (seen.has(name.toLowerCase()) || isNumbered) {
      report(`The column '${name}' occurs twice or is reserved: give it another name with AS.`)
    }
    seen.add(name.toLowerCase())
    const allowed = schemaType(type)
    if ('refused' in allowed) {
      report(`The column '${name}' is a ${type}, which a table cannot have: ${allowed.refused}`)
    }
  }
}

async function aliasesOf(sql: string, parser: SqlParser): Promise<readonly string[]> {
  const nodes = [...walk(parseAst(await parser.serialize(sql)))]
  return nodes.map((node) => textOf(node['alias']).toLowerCase()).filter((alias) => alias !== '')
}

/** The columns of the reference files, which must exist when the program starts. */
async function referenceTables(
  pipeline: Pipeline,
  folder: string,
  database: Database,
  report: (file: string, message: string) => void,
): Promise<readonly EmptyTable[]> {
  const tables: EmptyTable[] = []
  for (const { name, path, key } of pipeline.references) {
    const file = join(folder, path)
    const read = path.endsWith('.parquet') ? 'read_parquet' : 'read_csv'
    try {
      const columns = await database.rows<{ column_name: string; column_type: string }>(
        `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${read}(${quoteLiteral(file)}))`,
      )
      tables.push({
        name,
        columns: columns.map((column) => ({ name: column.column_name, type: column.column_type })),
      })
      if (columns.some((column) => column.column_name === key)) continue
      report(file, `The reference '${name}' has no column '${key}', which is to be its key.`)
    } catch (error) {
      report(file, `The reference '${name}' cannot be read: ${firstLine(error)}`)
    }
  }
  return tables
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
}

/** All tables and views share one name space: `SELECT … FROM name` must mean one thing. */
export function nameProblems(pipelines: readonly Pipeline[], directory: string): Problem[] {
  const owners = new Map<string, string>()
  const problems: Problem[] = []
  const claim = (name: string, owner: string, file: string) => {
    const other = owners.get(name)
    if (other === undefined) owners.set(name, owner)
    else {
      const message = `The name '${name}' (${owner}) is already that of ${other}: choose another one.`
      problems.push({ file, message })
    }
  }
  for (const { name, table } of pipelines) {
    const file = join(directory, name, 'pipeline.yml')
    claim(table, `the table of '${name}'`, file)
    claim(`${table}_raw`, `the raw table of '${name}'`, file)
    claim(`${table}_rejected`, `the rejected rows of '${name}'`, file)
  }
  for (const { name, views } of pipelines) {
    for (const view of views) claim(view.name, `a view of '${name}'`, view.file)
  }
  return problems
}

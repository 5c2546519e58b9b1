/** The view compiler: one SQL file in, partial, merge and finalize SQL out. */
import type { ViewSource } from '../pipeline.ts'
import type { Column } from '../sql.ts'
import { type AstNode, isNode, nodesOf, parseAst, textOf } from './ast.ts'
import { compileFinalize } from './compile-finalize.ts'
import type { CompiledView } from './compiled-view.ts'
import { explainPlan } from './explanation.ts'
import { expressionsAbove } from './finalize-sql.ts'
import { type Aggregation, findAggregation } from './find-aggregation.ts'
import { refuseUnstableCalls } from './function-rules.ts'
import { stableHash } from './hash.ts'
import {
  type KeyColumn,
  mergeSqlOf,
  type PartialPlan,
  partialColumnsOf,
  partialSqlOf,
} from './partial-sql.ts'
import { planAggregates } from './plan-aggregates.ts'
import { refusalError, refuse, ViewRefusal } from './refusal.ts'
import { type ResolvedAggregation, resolveNames } from './resolve-names.ts'
import { type RowSource, rowSourceOf } from './row-source.ts'
import type { EmptyTable, FunctionFacts, SqlParser } from './sql-parser.ts'
import { SqlPrinter } from './sql-printer.ts'
import { storageOf } from './storage-types.ts'
import { readViewOptions, type ViewOptions } from './view-options.ts'

/** Part of every definition hash: raise it when partials get another meaning or layout. */
const compilerVersion = 1

export interface CompileRequest {
  readonly source: ViewSource
  readonly pipeline: string
  /** The curated table, the only one that the view may read. */
  readonly table: string
  readonly curatedColumns: readonly Column[]
  readonly parser: SqlParser
}

/** @throws MillraceError VIEW_REFUSED with file, line, column, reason and remedy. */
export async function compileView(request: CompileRequest): Promise<CompiledView> {
  try {
    return await compile(request)
  } catch (error) {
    if (error instanceof ViewRefusal) throw refusalError(request.source, error.refusal)
    if (!isDuckDbError(error)) throw error
    throw refusalError(request.source, {
      location: -1,
      what: `DuckDB runs it as it is, but not in parts: ${error.message.split('\n')[0]}`,
      reason: 'The compiler does not know this form',
      remedy: 'Write it in a simpler form, e.g. with common table expressions, and report it',
    })
  }
}

/** What the binder says of our own statements, as opposed to an error of this program. */
function isDuckDbError(error: unknown): error is Error {
  return error instanceof Error && /^(Binder|Catalog|Parser|Conversion) Error/.test(error.message)
}

async function compile(request: CompileRequest): Promise<CompiledView> {
  const { source, parser, curatedColumns } = request
  const table: EmptyTable = { name: request.table, columns: curatedColumns }
  const options = readViewOptions(source.sql)
  const functions = await parser.functions()
  const root = await parseSelect(source.sql, parser)
  await refuseUnstableCalls(parser, root)
  const aggregation = findAggregation(root, { table: request.table, functions })
  const columns = await boundColumns(source.sql, table, parser)
  const printer = new SqlPrinter(parser, table)
  const rows = await rowSourceOf(aggregation, { table, parser, printer })
  const rowPrinter = new SqlPrinter(parser, { name: request.table, columns: rowColumns(rows) })
  const columnNames = rows.columns.map(({ name }) => name)
  const resolved = resolveNames(aggregation, columnNames, functions)
  const plan = await planPartials({
    resolved,
    rows,
    aggregation,
    functions,
    options,
    printer: rowPrinter,
  })
  const final = await compileFinalize({
    root,
    names: columns.map(({ name }) => name),
    aggregation,
    resolved,
    plan,
    functions,
    printer,
    table,
    parser,
  })
  const partialColumns = partialColumnsOf(plan)
  const partialSql = (input: string) => partialSqlOf(plan, input)
  const mergeSql = (input: string) => mergeSqlOf(plan, input)
  return {
    name: source.name,
    pipeline: request.pipeline,
    description: source.description,
    sql: source.sql,
    definitionHash: stableHash(
      JSON.stringify([compilerVersion, partialColumns, partialSql('input'), mergeSql('input')]),
    ),
    partialColumns,
    keyCount: plan.keys.length,
    columns: final.columns,
    partialSql,
    mergeSql,
    finalizeSql: final.sql,
    explanation: explainPlan(plan, aggregation),
  }
}

/** Without levels the place is among the table's own columns. */
function rowColumns({ columns, place }: RowSource): readonly Column[] {
  const names = new Set(columns.map(({ name }) => name))
  return [...columns, ...place.filter(({ name }) => !names.has(name))]
}

async function parseSelect(sql: string, parser: SqlParser): Promise<AstNode> {
  const parsed = parseAst(await parser.serialize(sql))
  if (parsed['error'] === true) {
    const characters = Number(parsed['position'] ?? 0)
    const location = new TextEncoder().encode(sql.slice(0, characters)).length
    throw new ViewRefusal({
      location,
      what: `DuckDB cannot parse it: ${textOf(parsed['error_message'])}`,
      reason: 'A view is one SELECT',
      remedy: 'Correct the SQL; it runs as it is in DuckDB',
    })
  }
  const statements = nodesOf(parsed['statements'])
  const [statement] = statements
  if (statement === undefined || statements.length > 1 || !isNode(statement['node'])) {
    return refuse(
      null,
      `it has ${statements.length} statements`,
      'A view is one SELECT',
      'Write each view into a file of its own',
    )
  }
  return statement['node']
}

/** Lets DuckDB's binder check the view as it stands, for its messages and places, and name its columns. */
async function boundColumns(
  sql: string,
  table: EmptyTable,
  parser: SqlParser,
): Promise<readonly Column[]> {
  // The statement starts on a line of its own, so that DuckDB's line numbers are the file's plus one.
  const statement = sql.replace(/;\s*(--[^\n]*\s*)*$/, '')
  try {
    return await parser.describe(`\n${statement}\n`, [table])
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new ViewRefusal({
      location: locationIn(sql, message),
      what: `DuckDB cannot run it: ${message.split('\n')[0]?.replace(/[.!]$/, '') ?? ''}`,
      reason: `It must run as it is over '${table.name}'`,
      remedy: message.includes('GROUP BY clause')
        ? 'Add it to GROUP BY or put it into an aggregate, e.g. arg_max(x, by). A column of the table wins over an alias of the same name: group by the position then, e.g. GROUP BY 1'
        : 'Correct the SQL',
    })
  }
}

/** The byte offset that DuckDB's `LINE n: … ^` points at; -1 without one. */
function locationIn(sql: string, message: string): number {
  const match = /LINE (\d+): (.*)\n( *)\^/.exec(message)
  if (match === null) return -1
  const [, lineText = '', excerpt = '', padding = ''] = match
  const lines = sql.split('\n')
  const lineIndex = Number(lineText) - 2
  const line = lines[lineIndex] ?? ''
  const inExcerpt = padding.length - `LINE ${lineText}: `.length
  // A long line is shown from its middle, after three dots.
  const shown = excerpt.startsWith('...') ? excerpt.slice(3, -3) : excerpt
  const column = inExcerpt - (excerpt.startsWith('...') ? 3 : 0) + Math.max(0, line.indexOf(shown))
  const before = [...lines.slice(0, lineIndex), line.slice(0, column)].join('\n')
  return new TextEncoder().encode(before).length
}

interface PlanRequest {
  readonly resolved: ResolvedAggregation
  readonly rows: RowSource
  readonly aggregation: Aggregation
  readonly functions: ReadonlyMap<string, FunctionFacts>
  readonly options: ViewOptions
  readonly printer: SqlPrinter
}

async function planPartials(request: PlanRequest): Promise<PartialPlan> {
  const { resolved, rows, aggregation, functions, options, printer } = request
  const { select, resolve, keys, groupSets } = resolved
  const where = select['where_clause']
  const { items, clauses, orders } = expressionsAbove(resolved)
  const above = [...clauses, ...orders.filter((node) => !isOutputName(node, resolved)).map(resolve)]
  const keyColumns: KeyColumn[] = []
  for (const [index, key] of keys.entries()) {
    const { name: sql, type } = await printer.typed(key)
    const storage = storageOf(type)
    if (storage === null) {
      refuse(
        key,
        `it groups by a ${type}`,
        'A partial is kept in Parquet with a Delta log, which has no such key',
        'Group by a number, a text, a date or a time',
      )
    }
    keyColumns.push({ name: `g${index}`, sql, storage })
  }
  const context = { functions, printer, place: rows.place, options }
  return {
    rows: rows.sql,
    tableAlias: aggregation.tableAlias,
    where: isNode(where) ? await printer.rowText(resolve(where)) : null,
    keys: keyColumns,
    groupSets,
    aggregates: await planAggregates([...items, ...above], context),
  }
}

/** What ORDER BY may name without computing it. */
function isOutputName(node: AstNode, resolved: ResolvedAggregation): boolean {
  if (node['class'] !== 'COLUMN_REF') return false
  const names = node['column_names'] as readonly string[]
  return names.length === 1 && resolved.isAlias(names[0] ?? '')
}

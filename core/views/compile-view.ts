/** The view compiler: one SQL file in, partial, merge and finalize SQL out. */
import type { ViewSource } from '../pipeline.ts'
import { type Column, quoteIdentifier } from '../sql.ts'
import { type AstNode, isNode, nodesOf, parseAst, rewrite, textOf, walk, withAlias } from './ast.ts'
import type { CompiledView } from './compiled-view.ts'
import { finalizeSelect, inputToken, keyedRelation, qualifyStates } from './finalize-sql.ts'
import { findAggregation } from './find-aggregation.ts'
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
import type { EmptyTable, SqlParser } from './sql-parser.ts'
import { SqlPrinter } from './sql-printer.ts'
import { storageOf } from './storage-types.ts'

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
    throw error
  }
}

async function compile(request: CompileRequest): Promise<CompiledView> {
  const { source, parser, curatedColumns } = request
  const table: EmptyTable = { name: request.table, columns: curatedColumns }
  const printer = new SqlPrinter(parser, table)
  const functions = await parser.functions()
  const root = await parseSelect(source.sql, parser)
  await refuseUnstableCalls(parser, root)
  const aggregation = findAggregation(root, { table: request.table, functions })
  await refuseUnbound(source.sql, table, parser)
  const columnNames = curatedColumns.map(({ name }) => name)
  const resolved = resolveNames(aggregation, columnNames, functions)
  const plan = await planPartials(resolved, aggregation.tableAlias, request, printer)
  const direct = await printer.query(aggregation.select)
  const outputNames = (await parser.describe(direct, [table])).map(({ name }) => name)
  const finals = new Map<string, AstNode>()
  for (const [key, sql] of plan.aggregates.finals) {
    finals.set(key, qualifyStates(await printer.expression(sql)))
  }
  const finalSelect = finalizeSelect({ resolved, functions, finals, outputNames })
  const statement = rewrite(root, (node) => (node === aggregation.select ? finalSelect : undefined))
  const partialColumns = partialColumnsOf(plan)
  const final = await printFinal(statement, plan, partialColumns, printer, parser)
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
  }
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

/** Lets DuckDB's binder check the view as it stands, for its messages and places. */
async function refuseUnbound(sql: string, table: EmptyTable, parser: SqlParser): Promise<void> {
  // The statement starts on a line of its own, so that DuckDB's line numbers are the file's plus one.
  const statement = sql.replace(/;\s*(--[^\n]*\s*)*$/, '')
  try {
    await parser.describe(`\n${statement}\n`, [table])
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

async function planPartials(
  resolved: ResolvedAggregation,
  tableAlias: string,
  request: CompileRequest,
  printer: SqlPrinter,
): Promise<PartialPlan> {
  const { select, resolve, items, keys } = resolved
  const where = select['where_clause']
  const orders = nodesOf(select['modifiers']).flatMap((modifier) => nodesOf(modifier['orders']))
  const above = [select['having'], select['qualify'], ...orders.map((order) => order['expression'])]
    .filter(isNode)
    .filter((node) => !isOutputName(node, resolved))
    .map(resolve)
  const functions = await request.parser.functions()
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
  return {
    tableAlias,
    where: isNode(where) ? await printer.rowText(resolve(where)) : null,
    keys: keyColumns,
    aggregates: await planAggregates([...items, ...above], functions, printer),
  }
}

/** What ORDER BY may name without computing it. */
function isOutputName(node: AstNode, resolved: ResolvedAggregation): boolean {
  if (node['class'] !== 'COLUMN_REF') return false
  const names = node['column_names'] as readonly string[]
  return names.length === 1 && resolved.isAlias(names[0] ?? '')
}

interface FinalQuery {
  readonly columns: readonly Column[]
  readonly sql: (input: string) => string
}

/**
 * Prints the finalize statement. A HUGEINT column becomes DECIMAL(38,0): Parquet and Delta have no
 * HUGEINT, and DuckDB writes one as DOUBLE, silently.
 */
async function printFinal(
  statement: AstNode,
  plan: PartialPlan,
  partialColumns: readonly Column[],
  printer: SqlPrinter,
  parser: SqlParser,
): Promise<FinalQuery> {
  const example: EmptyTable = { name: '__millrace_partials', columns: partialColumns }
  const place = (text: string) => (input: string) =>
    text.replace(inputToken, () => keyedRelation(plan, input))
  const describe = async (text: string) =>
    await parser.describe(place(text)(example.name), [example])
  const text = await printer.query(statement)
  const columns = await describe(text)
  if (!columns.some(({ type }) => type === 'HUGEINT')) return { columns, sql: place(text) }
  const storable = columns.map(({ name, type }) => {
    const quoted = quoteIdentifier(name)
    return type === 'HUGEINT' ? `CAST(${quoted} AS DECIMAL(38,0)) AS ${quoted}` : quoted
  })
  const inner = await castInPlace(statement, columns, printer)
  const castText = inner ?? `SELECT ${storable.join(', ')} FROM (${text})`
  return { columns: await describe(castText), sql: place(castText) }
}

/** The casts in the SELECT list itself where it has one item per column, which keeps ORDER BY on top. */
async function castInPlace(
  statement: AstNode,
  columns: readonly Column[],
  printer: SqlPrinter,
): Promise<string | null> {
  const items = nodesOf(statement['select_list'])
  const isPlain =
    items.length === columns.length && ![...walk(items)].some((n) => n['class'] === 'STAR')
  if (statement['type'] !== 'SELECT_NODE' || !isPlain) return null
  const target = await printer.expression('CAST(x AS DECIMAL(38,0))')
  const list = items.map((item, index) =>
    columns[index]?.type === 'HUGEINT'
      ? withAlias({ ...target, child: withAlias(item, '') }, columns[index].name)
      : item,
  )
  return await printer.query({ ...statement, select_list: list })
}

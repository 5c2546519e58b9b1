/** The finalize statement: the view as it is written, over merged partials instead of rows. */
import { type Column, quoteIdentifier } from '../sql.ts'
import { withTotalOrder } from './above-aggregation.ts'
import { type AstNode, fingerprint, nodesOf, rewrite, textOf, walk, withAlias } from './ast.ts'
import {
  expressionsAbove,
  type FinalizeContext,
  finalizeSelect,
  isGroupingCall,
  qualifyStates,
  selectOverMerged,
  windowArguments,
} from './finalize-sql.ts'
import type { Aggregation } from './find-aggregation.ts'
import { groupingSql } from './group-sets.ts'
import { inputTable, inputToken } from './input-token.ts'
import { keyedRelation } from './keyed-relation.ts'
import { type PartialPlan, partialColumnsOf } from './partial-sql.ts'
import type { ResolvedAggregation } from './resolve-names.ts'
import type { EmptyTable, FunctionFacts, SqlParser } from './sql-parser.ts'
import type { SqlPrinter } from './sql-printer.ts'

interface FinalizeRequest {
  readonly root: AstNode
  /** The names that DuckDB gives the view's columns, as it is written. */
  readonly names: readonly string[]
  readonly aggregation: Aggregation
  readonly resolved: ResolvedAggregation
  readonly plan: PartialPlan
  readonly functions: ReadonlyMap<string, FunctionFacts>
  readonly printer: SqlPrinter
  readonly table: EmptyTable
  readonly parser: SqlParser
}

interface FinalQuery {
  readonly columns: readonly Column[]
  readonly sql: (input: string) => string
}

export async function compileFinalize(request: FinalizeRequest): Promise<FinalQuery> {
  const { root, aggregation, resolved, plan, functions, printer } = request
  const example: EmptyTable = { name: '__millrace_partials', columns: partialColumnsOf(plan) }
  const place = (text: string) => (input: string) =>
    text.replace(inputToken, () => keyedRelation(plan, input))
  const describe = async (text: string) =>
    await request.parser.describe(place(text)(example.name), [example])
  const finals = await finalExpressions(request)
  const context = { resolved, functions, finals }
  const finalSelect = finalizeSelect({
    ...context,
    outputNames: await outputNames(request),
    types: await windowTypes(context, (node) => printer.query(node).then(describe)),
  })
  const statement = replaceAggregation(root, aggregation, finalSelect)
  const ordered = await withTotalOrder(statement, {
    aggregation: finalSelect,
    functions,
    describe: async (node) => await describe(await printer.query(node)),
    nameOf: async (item) => await printer.text(item),
  })
  return await printFinal(ordered, { names: request.names, printer, place, describe })
}

/** What stands for each aggregate and each grouping(), by fingerprint. */
async function finalExpressions({ resolved, plan, printer }: FinalizeRequest) {
  const finals = new Map<string, AstNode>()
  for (const [key, sql] of plan.aggregates.finals) {
    finals.set(key, qualifyStates(await printer.expression(sql)))
  }
  const keys = resolved.keys.map(fingerprint)
  const { items, clauses, orders } = expressionsAbove(resolved)
  for (const node of walk([...items, ...clauses, ...orders.map(resolved.resolve)] as never)) {
    if (!isGroupingCall(node)) continue
    const positions = nodesOf(node['children']).map((child) => keys.indexOf(fingerprint(child)))
    const sql = groupingSql(positions, plan.groupSets)
    finals.set(fingerprint(node), qualifyStates(await printer.expression(sql)))
  }
  return finals
}

/** The names that DuckDB gives the aggregation's columns, as the view is written. */
async function outputNames({ aggregation, plan, printer, table, parser }: FinalizeRequest) {
  const { select, levels, qualifiers, tableAlias } = aggregation
  // Over the table, alone or beside its lists, the SELECT stands by itself.
  const isDirect = levels.length === 0 || qualifiers.length > 1
  const alone = isDirect
    ? select
    : { ...select, cte_map: { map: [] }, from_table: inputTable(tableAlias) }
  const text = await printer.query(alone)
  const sql = text.replace(inputToken, () => plan.rows(quoteIdentifier(table.name)))
  return (await parser.describe(sql, [table])).map(({ name }) => name)
}

async function windowTypes(
  context: FinalizeContext,
  describe: (node: AstNode) => Promise<readonly Column[]>,
) {
  const { items, clauses, orders } = expressionsAbove(context.resolved)
  const expressions = [...items, ...clauses, ...orders.map(context.resolved.resolve)]
  const types = new Map<string, string>()
  for (const [key, expression] of windowArguments(context, expressions)) {
    const [column] = await describe(selectOverMerged({ select_list: [expression] }))
    types.set(key, column?.type ?? '')
  }
  return types
}

/**
 * The statement over results. Common table expressions below the aggregation are left out: they are
 * in the partial, and here they would read the table.
 */
function replaceAggregation(
  root: AstNode,
  { select, levelNames }: Aggregation,
  finalSelect: AstNode,
): AstNode {
  const isLevel = (entry: AstNode) => levelNames.includes(textOf(entry['key']).toLowerCase())
  const replace = (node: AstNode): AstNode | undefined => {
    if (node === select) return finalSelect
    if (!Array.isArray(node['map']) || !nodesOf(node['map']).some(isLevel)) return undefined
    const rest = nodesOf(node['map']).filter((entry) => !isLevel(entry))
    return { ...node, map: rewrite(rest, replace) }
  }
  return rewrite(root, replace)
}

interface PrintContext {
  readonly names: readonly string[]
  readonly printer: SqlPrinter
  readonly place: (text: string) => (input: string) => string
  readonly describe: (text: string) => Promise<readonly Column[]>
}

const hugeinteger = /(?<!U)HUGEINT\b/g

/** A HUGEINT becomes DECIMAL(38,0): Parquet and Delta have none, and DuckDB writes one as DOUBLE, silently. */
function storableType(type: string): string {
  return type.replaceAll(hugeinteger, 'DECIMAL(38,0)')
}

/** Prints the finalize statement, its columns under the view's names and of types that can be stored. */
async function printFinal(statement: AstNode, context: PrintContext): Promise<FinalQuery> {
  const { names, printer, place, describe } = context
  const text = await printer.query(statement)
  const columns = await describe(text)
  const changes = columns.map(({ name, type }, index) => ({
    name: names[index] ?? name,
    isRenamed: (names[index] ?? name) !== name,
    cast: storableType(type) === type ? null : storableType(type),
  }))
  if (changes.every(({ isRenamed, cast }) => !isRenamed && cast === null)) {
    return { columns, sql: place(text) }
  }
  const changed = (await changedInPlace(statement, changes, printer)) ?? wrapped(text, changes)
  return { columns: await describe(changed), sql: place(changed) }
}

interface ColumnChange {
  readonly name: string
  readonly isRenamed: boolean
  /** The type to cast to, or null. */
  readonly cast: string | null
}

function wrapped(text: string, changes: readonly ColumnChange[]): string {
  const inner = changes.map((_, index) => `c${index}`)
  const items = changes.map(({ name, cast }, index) => {
    const value = cast === null ? `c${index}` : `CAST(c${index} AS ${cast})`
    return `${value} AS ${quoteIdentifier(name)}`
  })
  return `SELECT ${items.join(', ')} FROM (${text}) AS __final(${inner.join(', ')})`
}

/** In the SELECT list itself where it has one item per column, which keeps ORDER BY on top. */
async function changedInPlace(
  statement: AstNode,
  changes: readonly ColumnChange[],
  printer: SqlPrinter,
): Promise<string | null> {
  const items = nodesOf(statement['select_list'])
  const isPlain =
    items.length === changes.length && ![...walk(items)].some((n) => n['class'] === 'STAR')
  if (statement['type'] !== 'SELECT_NODE' || !isPlain) return null
  const list: AstNode[] = []
  for (const [index, { name, isRenamed, cast }] of changes.entries()) {
    const item = items[index] ?? {}
    if (cast === null) {
      list.push(isRenamed ? withAlias(item, name) : item)
      continue
    }
    const target = await printer.expression(`CAST(x AS ${cast})`)
    list.push(withAlias({ ...target, child: withAlias(item, '') }, name))
  }
  return await printer.query({ ...statement, select_list: list })
}

/** Finds the one aggregation over the pipeline's table and refuses every other shape by name. */
import { type AstNode, isNode, nodesOf, textOf, walk } from './ast.ts'
import { isAggregateCall } from './function-rules.ts'
import { refuse } from './refusal.ts'
import {
  isRowByRow,
  lateralLevels,
  overLateral,
  readerOf,
  refuseSecondReader,
} from './row-levels.ts'
import type { FunctionFacts } from './sql-parser.ts'
import {
  joinReason,
  joinRemedy,
  refuseForeignTables,
  refuseTableFunctions,
  tableReferences,
} from './table-rules.ts'

export interface Aggregation {
  /** The SELECT_NODE that aggregates. */
  readonly select: AstNode
  /** The name of its rows inside it. */
  readonly tableAlias: string
  /** Names that may qualify its columns. */
  readonly qualifiers: readonly string[]
  /** SELECTs that work row by row below it, the one over the table first. */
  readonly levels: readonly AstNode[]
  /** Common table expressions that are such levels, in lower case: nothing is left of them above. */
  readonly levelNames: readonly string[]
}

interface Context {
  readonly table: string
  readonly functions: ReadonlyMap<string, FunctionFacts>
}

export function findAggregation(root: AstNode, context: Context): Aggregation {
  refuseTableFunctions(root)
  const references = tableReferences(root, context.table)
  const [reference] = references
  refuseForeignTables(root, context.table)
  if (reference === undefined) {
    refuse(
      null,
      `it does not read '${context.table}'`,
      "A view aggregates its pipeline's own table",
      `Write FROM ${context.table}`,
    )
  }
  const second = references[1]
  if (second !== undefined) {
    refuse(
      second,
      `it reads '${context.table}' a second time`,
      'A view has one aggregation over its table: one set of partials',
      'Use FILTER or CASE inside one aggregation, or write two views',
    )
  }
  const found = climb(root, reference, context)
  refuseTableOptions(reference, found.select)
  refuseShape(found.select, context)
  return found
}

/** From the SELECT over the table upwards, as long as rows stay rows. */
function climb(root: AstNode, reference: AstNode, context: Context): Aggregation {
  let select = selectOver(root, reference)
  const lateral = lateralLevels(select['from_table'] as AstNode)
  const levels: AstNode[] = [...lateral.levels]
  const levelNames: string[] = []
  let qualifiers = lateral.qualifiers
  while (!aggregates(select, context) && isRowByRow(select)) {
    const reader = readerOf(root, select)
    if (reader === null) break
    refuseSecondReader(root, reader)
    refuseExpressions(select)
    const isOverLateral = levels.length > 0 && levels.length === lateral.levels.length
    levels.push(isOverLateral ? overLateral(select, lateral) : select)
    if (reader.commonTable !== null) levelNames.push(reader.commonTable)
    select = reader.select
    qualifiers = [reader.alias]
  }
  const tableAlias = qualifiers[0] ?? context.table
  return { select, tableAlias, qualifiers, levels, levelNames }
}

function selectOver(root: AstNode, reference: AstNode): AstNode {
  for (const node of walk(root)) {
    const from = node['from_table']
    if (node['type'] !== 'SELECT_NODE' || !isNode(from)) continue
    if (from === reference || lateralLevels(from).reference === reference) return node
  }
  return refuse(reference, 'it joins its table', joinReason, joinRemedy)
}

function refuseTableOptions(reference: AstNode, select: AstNode): void {
  if (isNode(reference['sample']) || isNode(select['sample'])) {
    refuse(
      reference,
      'it samples the table',
      'Two runs would count different rows',
      'Filter with WHERE, e.g. on a hash column computed in curated.sql',
    )
  }
  const renamed = reference['column_name_alias']
  if (isNode(reference['at_clause']) || (Array.isArray(renamed) && renamed.length > 0)) {
    refuse(
      reference,
      'the table carries a column list or a version',
      "A view reads the table's current columns by their names",
      'Rename columns in the SELECT list',
    )
  }
}

function refuseShape(select: AstNode, context: Context): void {
  if (!aggregates(select, context)) refuseWithoutAggregation(select)
  for (const node of walk(select['select_list'])) {
    const refusal = refusedExpressions.get('STAR')
    if (node['class'] === 'STAR' && refusal !== undefined) refuse(node, ...refusal)
    if (textOf(node['function_name']).toLowerCase() === 'unnest') {
      refuse(
        node,
        'it unnests a list beside the aggregation',
        'One group would become several rows, in no order of their own',
        'Unnest below, FROM (SELECT unnest(list) AS x, * FROM …), or above, SELECT unnest(l) FROM (SELECT …)',
      )
    }
  }
  refuseExpressions(select)
  refuseDistinctOn(select)
}

function refuseExpressions(select: AstNode): void {
  const isStarAllowed = (node: AstNode) =>
    isOrderByAll(node) || (node['columns'] === false && node['expr'] === null)
  for (const node of walk({ ...select, from_table: null, cte_map: null })) {
    const refusal = refusedExpressions.get(textOf(node['class']))
    if (refusal === undefined || (node['class'] === 'STAR' && isStarAllowed(node))) continue
    refuse(node, ...refusal)
  }
}

const refusedExpressions = new Map<string, readonly [string, string, string]>([
  [
    'SUBQUERY',
    [
      'it has a subquery beside the aggregation',
      'A subquery reads rows that the partials do not hold',
      'Aggregate once and put conditions into WHERE, FILTER or HAVING',
    ],
  ],
  [
    'LAMBDA',
    [
      'it uses a lambda',
      'The compiler cannot tell its parameters from columns',
      'Compute the value in curated.sql',
    ],
  ],
  [
    'PARAMETER',
    ['it has a parameter', 'A view is compiled once, without values', 'Write the value itself'],
  ],
  [
    'STAR',
    [
      'it selects * from an aggregation',
      'Only keys and aggregates have a value for a group',
      'Name the keys and the aggregates',
    ],
  ],
])

function isOrderByAll(node: AstNode): boolean {
  return node['class'] === 'STAR' && node['columns'] === true && node['expr'] === null
}

function refuseDistinctOn(select: AstNode): void {
  for (const modifier of nodesOf(select['modifiers'])) {
    const [target] = nodesOf(modifier['distinct_on_targets'])
    if (modifier['type'] !== 'DISTINCT_MODIFIER' || target === undefined) continue
    refuse(
      target,
      'it uses DISTINCT ON',
      'Which row of a group it keeps depends on their order',
      'Use arg_max(value, by) or first(value) with GROUP BY',
    )
  }
}

function aggregates(select: AstNode, { functions }: Context): boolean {
  if (select['aggregate_handling'] === 'FORCE_AGGREGATES') return true
  if (nodesOf(select['group_expressions']).length > 0) return true
  const sets = select['group_sets']
  if (Array.isArray(sets) && sets.length > 0) return true
  const places = [select['select_list'], select['having'], select['qualify'], select['modifiers']]
  return [...walk(places as never)].some((node) => isAggregateCall(functions, node))
}

function refuseWithoutAggregation(select: AstNode): never {
  const window = [...walk(select)].find((node) => node['class'] === 'WINDOW')
  if (window !== undefined) {
    refuse(
      window,
      `${textOf(window['function_name'])}() OVER runs over raw rows`,
      'Its value for a row depends on rows of the other part of the answer',
      'Aggregate first and use the window function over the grouped result',
    )
  }
  const modifiers = nodesOf(select['modifiers']).map((modifier) => textOf(modifier['type']))
  const [item = null] = nodesOf(select['select_list'])
  if (modifiers.some((type) => type.startsWith('LIMIT'))) {
    refuse(
      item,
      'it limits rows of the table',
      'Which rows those are depends on how they are stored',
      'Put LIMIT behind the aggregation, or select rows by a condition',
    )
  }
  const hasDistinct = modifiers.includes('DISTINCT_MODIFIER')
  return refuse(
    item,
    'it has no aggregation',
    'A view is a summary of rows by keys; single rows are in the table itself',
    hasDistinct ? 'Write GROUP BY instead of DISTINCT' : 'Add an aggregate or a GROUP BY',
  )
}

/** Finds the one aggregation over the pipeline's table and refuses every other shape by name. */
import { type AstNode, isNode, nodesOf, textOf, walk } from './ast.ts'
import { isAggregateCall } from './function-rules.ts'
import { refuse } from './refusal.ts'
import type { FunctionFacts } from './sql-parser.ts'

export interface Aggregation {
  /** The SELECT_NODE that reads the table. */
  readonly select: AstNode
  /** The name that qualifies the table's columns inside it. */
  readonly tableAlias: string
}

interface Context {
  readonly table: string
  readonly functions: ReadonlyMap<string, FunctionFacts>
}

const joinReason = 'The joined value could change after the row was counted'
const joinRemedy = 'Join in curated.sql instead, so that the joined value is frozen in the row'

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
  const select = selectOver(root, reference)
  refuseTableOptions(reference, select)
  refuseShape(select, context)
  return { select, tableAlias: textOf(reference['alias']) || textOf(reference['table_name']) }
}

function refuseTableFunctions(root: AstNode): void {
  for (const node of walk(root)) {
    if (node['type'] === 'TABLE_FUNCTION') {
      const call = node['function']
      const name = isNode(call) ? textOf(call['function_name']) : 'a table function'
      refuse(
        isNode(call) ? call : node,
        `${name}() is a table function`,
        'What it reads is not part of the event log',
        joinRemedy,
      )
    }
    if (node['type'] === 'PIVOT' || node['type'] === 'SHOW_REF') {
      refuse(
        node,
        'PIVOT, DESCRIBE and SHOW are not aggregations over the table',
        'Their columns depend on the data or on the session',
        'Use count(*) FILTER (WHERE ...) for each column',
      )
    }
  }
}

function commonTableNames(root: AstNode): ReadonlySet<string> {
  const names = new Set<string>()
  for (const node of walk(root)) {
    const map = node['cte_map']
    if (!isNode(map)) continue
    for (const entry of nodesOf(map['map'])) names.add(textOf(entry['key']).toLowerCase())
  }
  return names
}

function tableReferences(root: AstNode, table: string): readonly AstNode[] {
  const common = commonTableNames(root)
  return [...walk(root)].filter((node) => {
    if (node['type'] !== 'BASE_TABLE') return false
    const name = textOf(node['table_name']).toLowerCase()
    return name === table.toLowerCase() && !common.has(name) && textOf(node['schema_name']) === ''
  })
}

function refuseForeignTables(root: AstNode, table: string): void {
  const common = commonTableNames(root)
  for (const node of walk(root)) {
    if (node['type'] === 'JOIN' && tableReferences(node, table).length > 0 && isDirectJoin(node)) {
      refuse(lastTable(node), `it joins '${table}'`, joinReason, joinRemedy)
    }
  }
  for (const node of walk(root)) {
    if (node['type'] !== 'BASE_TABLE') continue
    const name = textOf(node['table_name'])
    const schema = textOf(node['schema_name'])
    const isOwn = name.toLowerCase() === table.toLowerCase()
    if (schema === '' && (isOwn || common.has(name.toLowerCase()))) continue
    refuse(
      node,
      `the table '${schema === '' ? name : `${schema}.${name}`}' is not '${table}'`,
      "A view reads its pipeline's own table and nothing else",
      joinRemedy,
    )
  }
}

/** A join that has the table itself as a side, not an aggregation of it. */
function isDirectJoin(join: AstNode): boolean {
  return [join['left'], join['right']].some(
    (side) => isNode(side) && (side['type'] === 'BASE_TABLE' || side['type'] === 'JOIN'),
  )
}

/** A join has no place of its own; its last table has. */
function lastTable(join: AstNode): AstNode {
  return [...walk(join)].filter((node) => node['type'] === 'BASE_TABLE').at(-1) ?? join
}

function selectOver(root: AstNode, reference: AstNode): AstNode {
  for (const node of walk(root)) {
    if (node['type'] === 'SELECT_NODE' && node['from_table'] === reference) return node
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
  }
  for (const node of walk({ ...select, from_table: null, cte_map: null })) {
    const refusal = refusedExpressions.get(textOf(node['class']))
    if (refusal !== undefined && !isOrderByAll(node)) refuse(node, ...refusal)
  }
  const groups = select['group_sets']
  if (Array.isArray(groups) && groups.length > 1) {
    refuse(
      nodesOf(select['group_expressions'])[0] ?? null,
      'it uses GROUPING SETS, ROLLUP or CUBE',
      'A partial has one set of keys',
      'Group by the finest keys, or write one view for each set',
    )
  }
  refuseDistinctOn(select)
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
  const hasDistinct = nodesOf(select['modifiers']).some((m) => m['type'] === 'DISTINCT_MODIFIER')
  return refuse(
    nodesOf(select['select_list'])[0] ?? null,
    'it has no aggregation',
    'A view is a summary of rows by keys; single rows are in the table itself',
    hasDistinct ? 'Write GROUP BY instead of DISTINCT' : 'Add an aggregate or a GROUP BY',
  )
}

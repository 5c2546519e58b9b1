/**
 * SELECTs above the aggregation: subqueries in FROM, common table expressions, set operations. They run
 * over results as they are; whatever in them depends on the order of rows is given one here, or refused.
 */
import type { Column } from '../sql.ts'
import {
  type AstNode,
  type AstValue,
  columnReference,
  fingerprint,
  isNode,
  nodesOf,
  rewrite,
  selectNode,
  starNode,
  textOf,
  walk,
  withAlias,
} from './ast.ts'
import { functionName, isAggregateCall } from './function-rules.ts'
import { refuse } from './refusal.ts'
import type { FunctionFacts } from './sql-parser.ts'
import { ascending, hasAnyOrder, needsTypes, orderedCall, orderedWindow } from './window-order.ts'

interface Context {
  /** The aggregation's finished SELECT, which stays as it is. */
  readonly aggregation: AstNode
  readonly functions: ReadonlyMap<string, FunctionFacts>
  /** Names and types of a query node over the merged partials; rejects where it does not bind alone. */
  readonly describe: (query: AstNode) => Promise<readonly Column[]>
  /** The name that DuckDB gives an item without an alias. */
  readonly nameOf: (item: AstNode) => Promise<string>
}

/** Common table expressions that a query node may name, in order. */
type Scope = readonly AstNode[]

export async function withTotalOrder(root: AstNode, context: Context): Promise<AstNode> {
  if (root === context.aggregation) return root
  refuseUnordered(root, context)
  return (await visit(root, [], context)) as AstNode
}

/** Joins whose match for a row is one of several, samples, and recursion. */
function refuseUnordered(root: AstNode, { aggregation }: Context): void {
  const reason = 'Results have no order of their own, and two runs would differ'
  for (const node of walkBut(root, aggregation)) {
    if (isNode(node['sample'])) refuse(node, 'it samples results', reason, 'Use ORDER BY and LIMIT')
    if (node['ref_type'] === 'ASOF' || node['ref_type'] === 'POSITIONAL') {
      refuse(
        firstPlaced(node),
        `it joins results with ${textOf(node['ref_type'])}`,
        reason,
        'Join by equal keys',
      )
    }
    if (textOf(node['type']).startsWith('RECURSIVE')) {
      refuse(
        firstPlaced(node),
        'it is recursive',
        'How often its steps run is not bounded',
        'Write the steps that are needed as common table expressions',
      )
    }
  }
}

function firstPlaced(node: AstNode): AstNode | null {
  return [...walk(node)].find((inner) => Number(inner['query_location'] ?? 0) > 0) ?? null
}

function* walkBut(root: AstValue | undefined, excluded: AstNode): Generator<AstNode> {
  if (Array.isArray(root)) {
    for (const item of root) yield* walkBut(item, excluded)
  } else if (isNode(root) && root !== excluded) {
    yield root
    for (const value of Object.values(root)) yield* walkBut(value, excluded)
  }
}

async function visit(value: AstValue, scope: Scope, context: Context): Promise<AstValue> {
  if (Array.isArray(value)) {
    const items: AstValue[] = []
    for (const item of value) items.push(await visit(item, scope, context))
    return items
  }
  if (!isNode(value) || value === context.aggregation) return value
  const map = value['cte_map']
  if (!isNode(map)) return await visitFields(value, scope, context)
  const entries: AstNode[] = []
  for (const entry of nodesOf(map['map'])) {
    entries.push(await visitFields(entry, [...scope, ...entries], context))
  }
  const inner = [...scope, ...entries]
  const { cte_map: _, ...fields } = value
  const visited = { ...(await visitFields(fields, inner, context)), cte_map: { map: entries } }
  return await orderedQuery(visited, inner, context)
}

async function visitFields(node: AstNode, scope: Scope, context: Context): Promise<AstNode> {
  const fields: Record<string, AstValue> = {}
  for (const [key, child] of Object.entries(node)) fields[key] = await visit(child, scope, context)
  return fields
}

/** A SELECT or a set operation whose parts have been visited. */
async function orderedQuery(query: AstNode, scope: Scope, context: Context): Promise<AstNode> {
  const select =
    query['type'] === 'SELECT_NODE' ? await orderedSelect(query, scope, context) : query
  const modifiers = nodesOf(select['modifiers'])
  const isCut = modifiers.some((modifier) => /^(LIMIT|DISTINCT)/.test(textOf(modifier['type'])))
  const order = modifiers.find((modifier) => modifier['type'] === 'ORDER_MODIFIER')
  const isAll = nodesOf(order?.['orders']).some(
    ({ expression }) => isNode(expression) && expression['class'] === 'STAR',
  )
  if ((!isCut && order === undefined) || isAll) return select
  // Rows that are equal in every column cannot be told apart.
  const columns = await describeIn(select, { ...select, modifiers: [] }, scope, context)
  const ties = columns.map((_, index) => ascending(ordinal(index + 1)))
  const orders = [...nodesOf(order?.['orders']), ...ties]
  const others = modifiers.filter((modifier) => modifier !== order)
  const distinct = others.filter((modifier) => modifier['type'] === 'DISTINCT_MODIFIER')
  const limits = others.filter((modifier) => modifier['type'] !== 'DISTINCT_MODIFIER')
  return { ...select, modifiers: [...distinct, { type: 'ORDER_MODIFIER', orders }, ...limits] }
}

function ordinal(value: number): AstNode {
  return {
    class: 'CONSTANT',
    type: 'VALUE_CONSTANT',
    alias: '',
    query_location: 0,
    value: { type: { id: 'INTEGER', type_info: null }, is_null: false, value },
  }
}

/** The SELECT with its windows and aggregates in order. */
async function orderedSelect(select: AstNode, scope: Scope, context: Context): Promise<AstNode> {
  const { from_table: from, cte_map: map, ...expressions } = select
  const nodes = [...ownExpressions(expressions)]
  const windows = nodes.filter((node) => node['class'] === 'WINDOW')
  const calls = nodes.filter((node) => isAggregateCall(context.functions, node))
  if (windows.length === 0 && calls.length === 0) return select
  const types = await argumentTypes(select, [...windows, ...calls], scope, context)
  const needsTies = windows.length > 0
  const ties = needsTies ? await tiesOf(select, scope, context) : []
  const replace = (node: AstNode): AstNode | undefined => {
    if (isQuery(node)) return node
    const own = types.get(node) ?? []
    if (node['class'] === 'WINDOW') {
      const inside = rewriteInside(node, replace)
      return orderedWindow(inside, { ties: () => ties ?? refuseTies(node), types: own })
    }
    if (!calls.includes(node) || hasAnyOrder(functionName(node), own)) return undefined
    return orderedCall(rewriteInside(node, replace))
  }
  const ordered = rewrite(expressions, replace)
  const select_list = await withNames(nodesOf(select['select_list']), ordered, context)
  return { ...ordered, select_list, from_table: from ?? null, cte_map: map ?? { map: [] } }
}

/** An item that has been given an order keeps the name that it had without. */
async function withNames(before: readonly AstNode[], ordered: AstNode, context: Context) {
  const items: AstNode[] = []
  for (const [index, item] of nodesOf(ordered['select_list']).entries()) {
    const original = before[index] ?? item
    const isNamed = textOf(item['alias']) !== '' || fingerprint(item) === fingerprint(original)
    const hasStar = [...ownExpressions(original)].some((node) => node['class'] === 'STAR')
    items.push(isNamed || hasStar ? item : withAlias(item, await context.nameOf(original)))
  }
  return items
}

function rewriteInside(node: AstNode, replace: (node: AstNode) => AstNode | undefined): AstNode {
  const entries = Object.entries(node).map(([key, child]) => [key, rewrite(child, replace)])
  return Object.fromEntries(entries) as AstNode
}

const isQuery = (node: AstNode) => isNode(node['cte_map'])

/** Nodes of a SELECT that are not those of a query inside it. */
function* ownExpressions(value: AstValue | undefined): Generator<AstNode> {
  if (Array.isArray(value)) {
    for (const item of value) yield* ownExpressions(item)
  } else if (isNode(value) && !isQuery(value)) {
    yield value
    for (const child of Object.values(value)) yield* ownExpressions(child)
  }
}

/** Types of the arguments of those whose need of an order depends on them. */
async function argumentTypes(
  select: AstNode,
  nodes: readonly AstNode[],
  scope: Scope,
  context: Context,
): Promise<ReadonlyMap<AstNode, readonly string[]>> {
  const types = new Map<AstNode, readonly string[]>()
  for (const node of nodes.filter((one) => needsTypes(functionName(one)))) {
    const from_table = select['from_table'] ?? null
    const list = selectNode({ select_list: nodesOf(node['children']), from_table })
    // An argument that does not stand alone (an alias, a correlated column) counts as inexact.
    const columns = await context.describe(withScope(list, scope)).catch(() => [])
    types.set(
      node,
      columns.map(({ type }) => type),
    )
  }
  return types
}

/** What tells the rows that a window sees apart: the groups of the SELECT, or all columns of its FROM. */
async function tiesOf(
  select: AstNode,
  scope: Scope,
  context: Context,
): Promise<readonly AstNode[] | null> {
  const items = nodesOf(select['select_list'])
  const groups = nodesOf(select['group_expressions'])
  if (groups.length > 0 || select['aggregate_handling'] === 'FORCE_AGGREGATES') {
    return groupedTies(groups, items, context)
  }
  const star = selectNode({ select_list: [starNode], from_table: select['from_table'] ?? null })
  const columns = await describeIn(select, star, scope, context)
  const names = columns.map(({ name }) => name.toLowerCase())
  if (new Set(names).size < names.length) return null
  return columns.map(({ name }) => ascending(columnReference(name)))
}

function groupedTies(groups: readonly AstNode[], items: readonly AstNode[], context: Context) {
  const isKey = (item: AstNode) =>
    ![...ownExpressions(item)].some(
      (node) => node['class'] === 'WINDOW' || isAggregateCall(context.functions, node),
    )
  const keys = groups.length > 0 ? groups : items.filter(isKey)
  return keys.map((key) => {
    const { value } = isNode(key['value']) ? key['value'] : { value: null }
    const item = key['class'] === 'CONSTANT' ? items[Number(value) - 1] : undefined
    return ascending({ ...(item ?? key), alias: '' })
  })
}

function refuseTies(window: AstNode): never {
  return refuse(
    window,
    `${functionName(window)}() OVER runs over a join with two columns of one name`,
    'Nothing tells its rows apart by name',
    'Put the join into a common table expression that names its columns',
  )
}

async function describeIn(select: AstNode, query: AstNode, scope: Scope, context: Context) {
  try {
    return await context.describe(withScope(query, scope))
  } catch {
    return refuse(
      firstPlaced(select),
      'a subquery that orders or limits rows depends on the query around it',
      'What it gives cannot be ordered completely then',
      'Join with a common table expression instead',
    )
  }
}

function withScope(query: AstNode, scope: Scope): AstNode {
  return { ...query, cte_map: { map: scope } }
}

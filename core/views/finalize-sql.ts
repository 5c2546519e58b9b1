/**
 * What is above the aggregation: the view's own SELECT with keys and aggregates replaced by what the
 * merged partials hold. Its FROM becomes one row per key.
 */
import {
  type AstNode,
  type AstValue,
  columnReference,
  fingerprint,
  isNode,
  nodesOf,
  rewrite,
  selectNode,
  textOf,
  walk,
  withAlias,
} from './ast.ts'
import { isAggregateCall } from './function-rules.ts'
import { setColumn } from './group-sets.ts'
import { inputTable } from './input-token.ts'
import { refuse } from './refusal.ts'
import type { ResolvedAggregation } from './resolve-names.ts'
import type { FunctionFacts } from './sql-parser.ts'
import { ascending, needsTypes, orderedWindow } from './window-order.ts'

/** One row per key with the keys, scalar states and sketch readings: qualifies what we put in. */
const merged = '__merged'

export interface FinalizeContext {
  readonly resolved: ResolvedAggregation
  readonly functions: ReadonlyMap<string, FunctionFacts>
  /** Final expressions by the fingerprint of the aggregate call, or of a call of grouping(). */
  readonly finals: ReadonlyMap<string, AstNode>
}

interface SelectContext extends FinalizeContext {
  /** Names of the output columns, in order. */
  readonly outputNames: readonly string[]
  /** Types of the arguments of window aggregates, by the fingerprint of {@link windowArguments}. */
  readonly types: ReadonlyMap<string, string>
}

/** Qualifies the state columns of a final expression, so that no alias of the view can capture them. */
export function qualifyStates(expression: AstNode): AstNode {
  return rewrite(expression, (node) => {
    if (node['class'] !== 'COLUMN_REF') return undefined
    const [name = ''] = node['column_names'] as readonly string[]
    return columnReference(merged, name)
  })
}

/** What the aggregation's SELECT computes, but for WHERE and GROUP BY; resolved. */
export function expressionsAbove({ select, items, resolve }: ResolvedAggregation) {
  const orders = nodesOf(select['modifiers'])
    .flatMap((modifier) => nodesOf(modifier['orders']))
    .map((order) => order['expression'])
    .filter(isNode)
  const clauses = [select['having'], select['qualify']].filter(isNode)
  return { items, clauses: clauses.map(resolve), orders }
}

/** Arguments of window aggregates whose types decide whether they need an order, by fingerprint. */
export function windowArguments(
  context: FinalizeContext,
  expressions: readonly AstNode[],
): ReadonlyMap<string, AstNode> {
  const found = new Map<string, AstNode>()
  for (const node of walk(expressions as never)) {
    if (node['class'] !== 'WINDOW' || !needsTypes(textOf(node['function_name']))) continue
    for (const child of nodesOf(node['children'])) {
      const expression = above({ ...context, outputNames: [], types: new Map() }, child)
      found.set(fingerprint(expression), expression)
    }
  }
  return found
}

/** Any SELECT of expressions over the relation that takes the input's place. */
export function selectOverMerged(fields: AstNode): AstNode {
  return selectNode({ ...fields, from_table: inputTable(merged) })
}

/** The aggregation's SELECT over the input, without grouping. */
export function finalizeSelect(context: SelectContext): AstNode {
  const { resolved, outputNames } = context
  const { select } = resolved
  const items = resolved.items.map((item, index) =>
    withAlias(above(context, item), outputNames[index] ?? ''),
  )
  const having = optional(select['having'], (node) => above(context, resolved.resolve(node)))
  const qualify = optional(select['qualify'], (node) => above(context, resolved.resolve(node)))
  return selectOverMerged({
    modifiers: modifiers(context),
    select_list: items,
    where_clause: having,
    qualify,
  })
}

function optional(value: AstValue | undefined, map: (node: AstNode) => AstNode): AstNode | null {
  return isNode(value) ? map(value) : null
}

/** A resolved expression with keys and aggregates replaced. */
function above(context: SelectContext, expression: AstNode): AstNode {
  const { resolved, functions, finals } = context
  const keys = new Map(resolved.keys.map((key, index) => [fingerprint(key), `g${index}`]))
  return rewrite(expression, (node) => {
    if (typeof node['class'] !== 'string') return undefined
    const text = fingerprint(node)
    const key = keys.get(text)
    if (key !== undefined) return withAlias(columnReference(merged, key), textOf(node['alias']))
    if (isAggregateCall(functions, node) || isGroupingCall(node)) return finals.get(text)
    if (node['class'] === 'COLUMN_REF') {
      const name = (node['column_names'] as readonly string[]).join('.')
      refuse(
        node,
        `the column '${name}' is neither grouped nor aggregated`,
        'A group has many values of it',
        `Add it to GROUP BY, or use arg_max(${name}, by) or any_value(${name})`,
      )
    }
    return node['class'] === 'WINDOW' ? windowAbove(context, node) : undefined
  })
}

export function isGroupingCall(node: AstNode): boolean {
  return node['type'] === 'GROUPING_FUNCTION'
}

/** The keys decide ties, so that every part and every run agrees. */
function windowAbove(context: SelectContext, window: AstNode): AstNode {
  const visit = (value: AstValue): AstValue => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isNode(value)) return value
    if (typeof value['class'] === 'string') return above(context, value)
    return mapFields(value, visit)
  }
  const rewritten = mapFields(window, visit)
  const types = nodesOf(rewritten['children']).map(
    (child) => context.types.get(fingerprint(child)) ?? '',
  )
  return orderedWindow(rewritten, { ties: () => keyOrders(context), types })
}

function mapFields(node: AstNode, map: (value: AstValue) => AstValue): AstNode {
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, map(value)]))
}

function keyOrders({ resolved }: FinalizeContext): readonly AstNode[] {
  const names = resolved.keys.map((_, index) => `g${index}`)
  if (resolved.groupSets !== null) names.push(setColumn)
  return names.map((name) => ascending(columnReference(merged, name)))
}

/** DISTINCT, ORDER BY and LIMIT. Equal rows are ordered by the keys, so that LIMIT is exact. */
function modifiers(context: SelectContext): readonly AstNode[] {
  const own = nodesOf(context.resolved.select['modifiers'])
  const limit = own.find((modifier) => textOf(modifier['type']).startsWith('LIMIT'))
  const distinct = own.find((modifier) => modifier['type'] === 'DISTINCT_MODIFIER')
  if (limit !== undefined && distinct !== undefined) {
    refuse(
      null,
      'it combines DISTINCT with LIMIT',
      'Which rows remain would depend on their order',
      'Write GROUP BY instead of DISTINCT',
    )
  }
  const ties = distinct === undefined ? keyOrders(context) : []
  const ordered = own.map((modifier) => {
    if (modifier['type'] !== 'ORDER_MODIFIER') return modifier
    const orders = nodesOf(modifier['orders']).map((order) => orderAbove(context, order))
    return { ...modifier, orders: [...orders, ...ties] }
  })
  const isOrdered = own.some((modifier) => modifier['type'] === 'ORDER_MODIFIER')
  if (limit === undefined || isOrdered || ties.length === 0) return ordered
  return [{ type: 'ORDER_MODIFIER', orders: ties }, ...ordered]
}

function orderAbove(context: SelectContext, order: AstNode): AstNode {
  const expression = order['expression']
  if (!isNode(expression)) return order
  const kind = expression['class']
  if (kind === 'CONSTANT' || kind === 'STAR') return order
  if (kind === 'COLUMN_REF') {
    const names = expression['column_names'] as readonly string[]
    if (names.length === 1 && context.resolved.isAlias(names[0] ?? '')) return order
  }
  return { ...order, expression: above(context, context.resolved.resolve(expression)) }
}

/**
 * Results have no order of their own. What depends on one above the aggregation is given one, so that
 * every part, every split and every run gives the same digits: window functions that number rows, frames
 * counted in rows, and aggregates that round, break ties or list what they meet.
 */
import { type AstNode, isNode, nodesOf, textOf } from './ast.ts'
import { refuse } from './refusal.ts'

/** Aggregates whose result is the same in any order, for every type of argument. */
const anyOrder = new Set([
  'count',
  'count_star',
  'count_if',
  'countif',
  'min',
  'max',
  'bool_and',
  'bool_or',
  'bit_and',
  'bit_or',
  'bit_xor',
  'median',
  'quantile',
  'quantile_cont',
  'quantile_disc',
  'mad',
  'histogram',
  'histogram_exact',
  'regr_count',
  'approx_count_distinct',
])
/** And these over integers and decimals. */
const exactInAnyOrder = new Set(['sum', 'avg', 'mean'])

export const needsTypes = (name: string) => exactInAnyOrder.has(name)

/** @param types of the arguments, where they are known. */
export function hasAnyOrder(name: string, types: readonly string[]): boolean {
  if (anyOrder.has(name)) return true
  const areExact = types.length > 0 && types.every((type) => /INT|^DECIMAL|^BOOLEAN/.test(type))
  return exactInAnyOrder.has(name) && areExact
}

/** Functions that number rows one by one: equal rows need an order. */
const peerless = new Set([
  'row_number',
  'lag',
  'lead',
  'ntile',
  'first_value',
  'last_value',
  'nth_value',
])

interface WindowContext {
  /** What orders the rows completely, behind the window's own order. */
  readonly ties: () => readonly AstNode[]
  /** Types of the arguments of a window aggregate. */
  readonly types: readonly string[]
}

export function orderedWindow(window: AstNode, { ties, types }: WindowContext): AstNode {
  const name = textOf(window['function_name']).toLowerCase()
  const byRows = [window['start'], window['end']].some((bound) => textOf(bound).endsWith('_ROWS'))
  const isFullFrame =
    textOf(window['start']) === 'UNBOUNDED_PRECEDING' &&
    textOf(window['end']) === 'UNBOUNDED_FOLLOWING'
  if (peerless.has(name) || (byRows && !isFullFrame)) {
    if (/GROUP|TIES/.test(textOf(window['exclude_clause']))) {
      refuse(
        window,
        `${name}() OVER excludes peers from a frame counted in rows`,
        'Rows with equal values are told apart by their keys here, so that there are no peers',
        'Use a RANGE frame, or leave EXCLUDE out',
      )
    }
    return { ...window, orders: [...nodesOf(window['orders']), ...ties()] }
  }
  if (window['type'] !== 'WINDOW_AGGREGATE' || hasAnyOrder(name, types)) return window
  const own = nodesOf(window['arg_orders'])
  return { ...window, arg_orders: [...own, ...argumentOrders(window)] }
}

/** An aggregate above the aggregation, its rows in the order of its arguments. */
export function orderedCall(call: AstNode): AstNode {
  const modifier = call['order_bys']
  const own = isNode(modifier) ? nodesOf(modifier['orders']) : []
  const orders = [...own, ...argumentOrders(call)]
  return { ...call, order_bys: { type: 'ORDER_MODIFIER', orders } }
}

function argumentOrders(call: AstNode): readonly AstNode[] {
  return nodesOf(call['children'])
    .filter((argument) => argument['class'] !== 'CONSTANT')
    .map(ascending)
}

export function ascending(expression: AstNode): AstNode {
  return { type: 'ORDER_DEFAULT', null_order: 'ORDER_DEFAULT', expression }
}

/**
 * Results have no order of their own. What depends on one above the aggregation is given one, so that
 * every part, every split and every run gives the same digits: window functions that number rows, frames
 * counted in rows, and aggregates that round, break ties or list what they meet.
 */
import { type AstNode, fingerprint, isNode, nodesOf, textOf } from './ast.ts'
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

/** Functions that look at single rows, whatever the frame: equal rows need an order. */
const byRow = new Set(['row_number', 'ntile', 'lag', 'lead'])
/** Functions that give the value of one row of the frame. */
const ofFrame = new Set(['first_value', 'last_value', 'nth_value'])

interface WindowContext {
  /** What orders the rows completely, behind the window's own order. */
  readonly ties: () => readonly AstNode[]
  /** Types of the arguments of a window aggregate. */
  readonly types: readonly string[]
}

interface Frame {
  readonly byRows: boolean
  /** All rows of the partition. */
  readonly isWhole: boolean
  readonly startsAtFirst: boolean
}

function frameOf(window: AstNode): Frame {
  const [start, end] = [textOf(window['start']), textOf(window['end'])]
  const byRows = start.endsWith('_ROWS') || end.endsWith('_ROWS')
  const startsAtFirst = start === 'UNBOUNDED_PRECEDING'
  // Without an order all rows are peers: a frame up to the current row has all of them.
  const reachesLast =
    end === 'UNBOUNDED_FOLLOWING' || (!byRows && nodesOf(window['orders']).length === 0)
  return { byRows, isWhole: startsAtFirst && reachesLast, startsAtFirst }
}

export function orderedWindow(window: AstNode, { ties, types }: WindowContext): AstNode {
  const name = textOf(window['function_name']).toLowerCase()
  const { byRows, isWhole, startsAtFirst } = frameOf(window)
  const isAggregate = window['type'] === 'WINDOW_AGGREGATE'
  if (byRow.has(name)) return withTies(window, ties())
  if (ofFrame.has(name) || (isAggregate && byRows && !isWhole)) {
    const isTold = byRows || isWhole || (name === 'first_value' && startsAtFirst)
    return isTold || hasNoPeers(window, ties()) ? withTies(window, ties()) : refusePeers(window)
  }
  if (!isAggregate || hasAnyOrder(name, types) || hasNoPeers(window, ties())) return window
  if (!isWhole) return refusePeers(window)
  return { ...window, arg_orders: [...nodesOf(window['arg_orders']), ...argumentOrders(window)] }
}

/** The window with its rows in one order; its frame has the same rows as before. */
function withTies(window: AstNode, ties: readonly AstNode[]): AstNode {
  if (/GROUP|TIES/.test(textOf(window['exclude_clause']))) {
    refuse(
      window,
      `${textOf(window['function_name'])}() OVER excludes peers from its frame`,
      'Rows with equal values are told apart by their keys here, so that there are no peers',
      'Leave EXCLUDE out',
    )
  }
  const own = nodesOf(window['orders'])
  const whole = { start: 'UNBOUNDED_PRECEDING', end: 'UNBOUNDED_FOLLOWING' }
  const frame = frameOf(window).isWhole ? whole : {}
  return { ...window, ...frame, orders: [...own, ...ties] }
}

/** Whether the window's own partitions and order tell all rows apart. */
function hasNoPeers(window: AstNode, ties: readonly AstNode[]): boolean {
  const orders = nodesOf(window['orders']).map((order) => order['expression'])
  const own = [...nodesOf(window['partitions']), ...orders.filter(isNode)].map(fingerprint)
  return ties.every(({ expression }) => isNode(expression) && own.includes(fingerprint(expression)))
}

function refusePeers(window: AstNode): never {
  return refuse(
    window,
    `${textOf(window['function_name'])}() OVER has a frame that ends among rows with equal values`,
    'In which order those are taken would decide the result, or its last digits',
    'Count the frame in rows (ROWS BETWEEN …), order by all keys, or cast the argument to a DECIMAL',
  )
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

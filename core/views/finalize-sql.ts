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
  withAlias,
} from './ast.ts'
import { isAggregateCall } from './function-rules.ts'
import type { KeyColumn, PartialPlan } from './partial-sql.ts'
import type { NamedSketch } from './plan-aggregates.ts'
import { refuse } from './refusal.ts'
import type { ResolvedAggregation } from './resolve-names.ts'
import type { FunctionFacts } from './sql-parser.ts'

/** Stands for the input in the printed SQL; it is replaced, once, by the caller's relation. */
export const inputToken = '__millrace_input__'
/** One row per key with the keys, scalar states and sketch readings: qualifies what we put in. */
const merged = '__merged'

interface Context {
  readonly resolved: ResolvedAggregation
  readonly functions: ReadonlyMap<string, FunctionFacts>
  /** Final expressions by the fingerprint of the aggregate call. */
  readonly finals: ReadonlyMap<string, AstNode>
  /** Names of the output columns, in order. */
  readonly outputNames: readonly string[]
}

/** Qualifies the state columns of a final expression, so that no alias of the view can capture them. */
export function qualifyStates(expression: AstNode): AstNode {
  return rewrite(expression, (node) => {
    if (node['class'] !== 'COLUMN_REF') return undefined
    const [name = ''] = node['column_names'] as readonly string[]
    return columnReference(merged, name)
  })
}

/** The aggregation's SELECT over {@link inputToken}, without grouping. */
export function finalizeSelect(context: Context): AstNode {
  const { resolved, outputNames } = context
  const { select } = resolved
  const items = resolved.items.map((item, index) =>
    withAlias(above(context, item), outputNames[index] ?? ''),
  )
  const having = optional(select['having'], (node) => above(context, resolved.resolve(node)))
  const qualify = optional(select['qualify'], (node) => above(context, resolved.resolve(node)))
  return selectNode({
    modifiers: modifiers(context),
    cte_map: select['cte_map'] ?? { map: [] },
    select_list: items,
    from_table: {
      type: 'BASE_TABLE',
      alias: merged,
      sample: null,
      query_location: 0,
      schema_name: '',
      table_name: inputToken,
      column_name_alias: [],
      catalog_name: '',
      at_clause: null,
    },
    where_clause: having,
    qualify,
  })
}

function optional(value: AstValue | undefined, map: (node: AstNode) => AstNode): AstNode | null {
  return isNode(value) ? map(value) : null
}

/** A resolved expression with keys and aggregates replaced. */
function above(context: Context, expression: AstNode): AstNode {
  const { resolved, functions, finals } = context
  const keys = new Map(resolved.keys.map((key, index) => [fingerprint(key), `g${index}`]))
  return rewrite(expression, (node) => {
    if (typeof node['class'] !== 'string') return undefined
    const text = fingerprint(node)
    const key = keys.get(text)
    if (key !== undefined) return withAlias(columnReference(merged, key), textOf(node['alias']))
    if (isAggregateCall(functions, node)) return finals.get(text)
    if (node['class'] === 'COLUMN_REF') {
      const name = (node['column_names'] as readonly string[]).join('.')
      refuse(
        node,
        `the column '${name}' is neither grouped nor aggregated`,
        'A group has many values of it',
        `Add it to GROUP BY, or use arg_max(${name}, by) or any_value(${name})`,
      )
    }
    return node['class'] === 'WINDOW' ? decideTies(context, node) : undefined
  })
}

const peerless = new Set([
  'row_number',
  'lag',
  'lead',
  'ntile',
  'first_value',
  'last_value',
  'nth_value',
])

/**
 * A window function that numbers rows one by one depends on the order of equal rows: the keys
 * decide it, so that every part and every run agrees.
 */
function decideTies(context: Context, window: AstNode): AstNode {
  const visit = (value: AstValue): AstValue => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isNode(value)) return value
    if (typeof value['class'] === 'string') return above(context, value)
    return mapFields(value, visit)
  }
  const rewritten = mapFields(window, visit)
  const byRows = [window['start'], window['end']].some((bound) => textOf(bound).endsWith('_ROWS'))
  const isFullFrame =
    textOf(window['start']) === 'UNBOUNDED_PRECEDING' &&
    textOf(window['end']) === 'UNBOUNDED_FOLLOWING'
  if (!peerless.has(textOf(window['function_name'])) && (!byRows || isFullFrame)) return rewritten
  return { ...rewritten, orders: [...nodesOf(rewritten['orders']), ...keyOrders(context)] }
}

function mapFields(node: AstNode, map: (value: AstValue) => AstValue): AstNode {
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, map(value)]))
}

function keyOrders({ resolved }: Context): readonly AstNode[] {
  return resolved.keys.map((_, index) => ({
    type: 'ORDER_DEFAULT',
    null_order: 'ORDER_DEFAULT',
    expression: columnReference(merged, `g${index}`),
  }))
}

/** DISTINCT, ORDER BY and LIMIT. Equal rows are ordered by the keys, so that LIMIT is exact. */
function modifiers(context: Context): readonly AstNode[] {
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

function orderAbove(context: Context, order: AstNode): AstNode {
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

/** The relation with one row per key that takes the place of {@link inputToken}. */
export function keyedRelation({ keys, aggregates }: PartialPlan, input: string): string {
  const states = aggregates.scalars.map(({ column }) => column)
  const decodedKeys = keys.map(({ name, storage }) => `${storage.decode(`p.${name}`)} AS ${name}`)
  if (aggregates.sketches.length === 0) {
    const columns = [...decodedKeys, ...scalarColumns(keys, states)]
    return `(SELECT ${columns.join(', ')} FROM ${input} AS p)`
  }
  const readings = aggregates.sketches.flatMap(({ part, readings: named }) =>
    named.map(({ name }, index) => `k${part}.q${index} AS ${name}`),
  )
  const columns = [...decodedKeys, ...states.map((state) => `p.${state}`), ...readings]
  const scalars = `SELECT ${[...keys.map(({ name }) => `p.${name}`), ...scalarColumns(keys, states)].join(', ') || '1'} FROM __partials AS p WHERE _part = 0`
  const joins = aggregates.sketches.map((sketch) => joinSketch(keys, sketch))
  // Materialised: the input may itself be an aggregation, and every sketch reads it.
  return `(WITH __partials AS MATERIALIZED (SELECT * FROM ${input}) SELECT ${columns.join(', ')} FROM (${scalars}) AS p${joins.join('')})`
}

/** Without keys there is one row even over nothing. */
function scalarColumns(keys: readonly KeyColumn[], states: readonly string[]): readonly string[] {
  if (keys.length > 0) return states.map((state) => `p.${state}`)
  return states.length === 0
    ? ['count(*) AS _rows']
    : states.map((state) => `any_value(p.${state}) AS ${state}`)
}

function joinSketch(
  keys: readonly KeyColumn[],
  { sketch, part, columns, readings }: NamedSketch,
): string {
  const keyNames = keys.map(({ name }) => name)
  const rows = `(SELECT * FROM __partials WHERE _part = ${part})`
  const read = sketch.readSql(
    rows,
    keyNames,
    columns,
    readings.map(({ reading }) => reading),
  )
  const condition = keyNames.map((name) => `p.${name} IS NOT DISTINCT FROM k${part}.${name}`)
  return ` LEFT JOIN (${read}) AS k${part} ON ${condition.join(' AND ') || 'true'}`
}

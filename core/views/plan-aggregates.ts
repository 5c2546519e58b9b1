/** Turns each aggregate call into states, and remembers what finalize puts in its place. */

import type { Column } from '../sql.ts'
import type {
  Aggregate,
  Explanation,
  OrderTerm,
  ScalarState,
  Sketch,
  StateRegistry,
} from './aggregates/aggregate.ts'
import { aggregateTable, whyNoState } from './aggregates/aggregate-table.ts'
import { type AstNode, fingerprint, isNode, nodesOf, textOf, walk } from './ast.ts'
import { argumentsOf, filterOf, functionName, isAggregateCall } from './function-rules.ts'
import { refuse } from './refusal.ts'
import type { FunctionFacts } from './sql-parser.ts'
import type { SqlPrinter } from './sql-printer.ts'
import type { ViewOptions } from './view-options.ts'

/** A scalar state under its name among the partials' columns. */
interface NamedState extends ScalarState {
  readonly column: string
}

/** A sketch with the names of its states and readings. */
export interface NamedSketch {
  readonly sketch: Sketch
  /** The value of `_part` of its rows. */
  readonly part: number
  /** Columns that tell its rows apart, beside `_bucket`. */
  readonly values: readonly string[]
  readonly columns: readonly string[]
  /** What finalize reads, and the name under which it finds it. */
  readonly readings: { readonly reading: string; readonly name: string }[]
}

/** An expression over states, readings and the derived values of lower levels. */
export interface DerivedValue {
  readonly name: string
  readonly expression: string
  readonly level: number
}

/** What became of one call, for people. */
export interface ExplainedAggregate extends Explanation {
  readonly sql: string
}

export interface AggregatePlan {
  readonly scalars: readonly NamedState[]
  readonly sketches: readonly NamedSketch[]
  readonly derived: readonly DerivedValue[]
  /** Final expressions by the call's {@link fingerprint}; their columns are unqualified. */
  readonly finals: ReadonlyMap<string, string>
  readonly explanations: readonly ExplainedAggregate[]
}

class Registry implements StateRegistry {
  readonly scalars: NamedState[] = []
  readonly sketches: NamedSketch[] = []
  readonly derivedValues: DerivedValue[] = []
  #stateCount = 0
  #valueCount = 0

  readonly scalar = (state: ScalarState): string => {
    const known = this.scalars.find(
      ({ partial, type }) => partial === state.partial && type === state.type,
    )
    if (known !== undefined) return known.column
    const column = this.#nextColumn()
    this.scalars.push({ ...state, column })
    return column
  }

  readonly reading = (sketch: Sketch, reading: string): string => {
    const named = this.#sketch(sketch)
    const known = named.readings.find((other) => other.reading === reading)
    if (known !== undefined) return known.name
    const name = `q${named.part}_${named.readings.length}`
    named.readings.push({ reading, name })
    return name
  }

  readonly derived = (expression: string): string => {
    const known = this.derivedValues.find((other) => other.expression === expression)
    if (known !== undefined) return known.name
    const below = this.derivedValues
      .filter(({ name }) => new RegExp(`\\b${name}\\b`).test(expression))
      .map(({ level }) => level)
    const name = `d${this.derivedValues.length}`
    this.derivedValues.push({ name, expression, level: Math.max(-1, ...below) + 1 })
    return name
  }

  #sketch(sketch: Sketch): NamedSketch {
    const known = this.sketches.find((other) => other.sketch.identity === sketch.identity)
    if (known !== undefined) return known
    const columns = sketch.states.map(() => this.#nextColumn())
    const values = (sketch.values ?? []).map((_, index) => `v${this.#valueCount + index}`)
    this.#valueCount += values.length
    const named = { sketch, part: this.sketches.length + 1, values, columns, readings: [] }
    this.sketches.push(named)
    return named
  }

  #nextColumn(): string {
    this.#stateCount += 1
    return `s${this.#stateCount - 1}`
  }
}

interface PlanContext {
  readonly functions: ReadonlyMap<string, FunctionFacts>
  readonly printer: SqlPrinter
  readonly place: readonly Column[]
  readonly options: ViewOptions
}

/** Plans every aggregate call in `expressions`; calls with the same text share their states. */
export async function planAggregates(
  expressions: readonly AstNode[],
  context: PlanContext,
): Promise<AggregatePlan> {
  const calls = new Map<string, AstNode>()
  for (const node of walk(expressions as never)) {
    if (isAggregateCall(context.functions, node)) calls.set(fingerprint(node), node)
  }
  const registry = new Registry()
  const finals = new Map<string, string>()
  const explanations: ExplainedAggregate[] = []
  for (const [key, call] of calls) {
    const planned = await planCall(call, registry, context)
    finals.set(key, planned.final)
    explanations.push(planned.explained)
  }
  const { scalars, sketches, derivedValues: derived } = registry
  return { scalars, sketches, derived, finals, explanations }
}

async function planCall(call: AstNode, registry: Registry, context: PlanContext) {
  const { printer } = context
  const name = functionName(call)
  const aggregate = aggregateTable.get(name)
  if (aggregate === undefined) {
    const { reason, remedy } = whyNoState(name)
    return refuse(call, `${name}() cannot be merged`, reason, remedy)
  }
  const { nodes, orders } = normalised(call, name)
  refuseModifiers(call, { name, aggregate, orders })
  if (!aggregate.argumentCounts.includes(nodes.length)) {
    refuse(
      call,
      `${name}() has ${nodes.length} arguments`,
      `Here it takes ${aggregate.argumentCounts.join(' or ')}`,
      `Use the form ${aggregate.takes}`,
    )
  }
  const args = []
  for (const node of nodes) args.push(await printer.typed(node))
  const filterNode = filterOf(call)
  const filter = filterNode === null ? null : await printer.rowText(filterNode)
  const planned = aggregate.plan(
    {
      name,
      args,
      isDistinct: call['distinct'] === true,
      orders: await orderTerms(orders, printer),
      filter,
      resultType: (await printer.typed(call)).type,
      place: context.place,
      options: context.options,
      over: (sql) => (filter === null ? sql : `${sql} FILTER (WHERE ${filter})`),
      refuse: (what, reason, remedy) => refuse(call, what, reason, remedy),
    },
    registry,
  )
  const { accuracy, states } = aggregate
  const { sql: final, ...own } = typeof planned === 'string' ? { sql: planned } : planned
  const text = (await printer.text(call)).replaceAll('count_star()', 'count(*)')
  const explained = { accuracy, states, ...own, sql: text }
  return { final, explained }
}

const withinGroup = new Set(['mode', 'quantile_cont', 'quantile_disc'])

/** `percentile_cont(q) WITHIN GROUP (ORDER BY x)` is parsed as `quantile_cont(q ORDER BY x)`. */
function normalised(call: AstNode, name: string) {
  const nodes = argumentsOf(call)
  const modifier = call['order_bys']
  const orders = isNode(modifier) ? nodesOf(modifier['orders']) : []
  const [order] = orders
  const isWithinGroup = withinGroup.has(name) && nodes.length === (name === 'mode' ? 0 : 1)
  if (!isWithinGroup || order === undefined || !isNode(order['expression'])) {
    return { nodes, orders }
  }
  if (orders.length > 1 || order['type'] === 'DESCENDING') {
    refuse(
      call,
      `${name}() is taken of a descending order`,
      'Its rank is counted from the least value',
      'Write WITHIN GROUP (ORDER BY x), and 1 - q where the order was to be descending',
    )
  }
  return { nodes: [order['expression'], ...nodes], orders: [] }
}

async function orderTerms(
  orders: readonly AstNode[],
  printer: SqlPrinter,
): Promise<readonly OrderTerm[]> {
  const terms: OrderTerm[] = []
  for (const order of orders) {
    const expression = order['expression']
    if (!isNode(expression)) continue
    terms.push({
      ...(await printer.typed(expression)),
      isDescending: order['type'] === 'DESCENDING',
      isNullsFirst: textOf(order['null_order']) === 'NULLS FIRST',
    })
  }
  return terms
}

function refuseModifiers(
  call: AstNode,
  {
    name,
    aggregate,
    orders,
  }: { readonly name: string; readonly aggregate: Aggregate; readonly orders: readonly AstNode[] },
): void {
  if (call['distinct'] === true && aggregate.distinct === undefined) {
    refuse(
      call,
      `${name}(DISTINCT ...) cannot be merged`,
      'Two parts may hold the same value',
      'Leave DISTINCT out, or group by the value',
    )
  }
  if (orders.length > 0 && aggregate.order === undefined) {
    refuse(
      call,
      `${name}() has an ORDER BY inside`,
      'Rows of the two parts have no common order but their place in the event log',
      'Leave it out, or use arg_max(value, by) or arg_min(value, by)',
    )
  }
  if (textOf(call['schema']) !== '' && textOf(call['schema']) !== 'main') {
    refuse(call, `${name}() names a schema`, 'Aggregates are built in', 'Leave the schema out')
  }
}

/** Turns each aggregate call into states, and remembers what finalize puts in its place. */

import type { ScalarState, Sketch, StateRegistry } from './aggregates/aggregate.ts'
import { aggregateTable, whyNoState } from './aggregates/aggregate-table.ts'
import { type AstNode, fingerprint, nodesOf, textOf, walk } from './ast.ts'
import { argumentsOf, filterOf, functionName, isAggregateCall } from './function-rules.ts'
import { refuse } from './refusal.ts'
import type { FunctionFacts } from './sql-parser.ts'
import type { SqlPrinter } from './sql-printer.ts'

/** A scalar state under its name among the partials' columns. */
interface NamedState extends ScalarState {
  readonly column: string
}

/** A sketch with the names of its states and readings. */
export interface NamedSketch {
  readonly sketch: Sketch
  /** The value of `_part` of its rows. */
  readonly part: number
  readonly columns: readonly string[]
  /** What finalize reads, and the name under which it finds it. */
  readonly readings: { readonly reading: string; readonly name: string }[]
}

export interface AggregatePlan {
  readonly scalars: readonly NamedState[]
  readonly sketches: readonly NamedSketch[]
  /** Final expressions by the call's {@link fingerprint}; their columns are unqualified. */
  readonly finals: ReadonlyMap<string, string>
}

class Registry implements StateRegistry {
  readonly scalars: NamedState[] = []
  readonly sketches: NamedSketch[] = []
  #stateCount = 0

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

  #sketch(sketch: Sketch): NamedSketch {
    const known = this.sketches.find((other) => other.sketch.identity === sketch.identity)
    if (known !== undefined) return known
    const columns = sketch.states.map(() => this.#nextColumn())
    const named = { sketch, part: this.sketches.length + 1, columns, readings: [] }
    this.sketches.push(named)
    return named
  }

  #nextColumn(): string {
    this.#stateCount += 1
    return `s${this.#stateCount - 1}`
  }
}

/** Plans every aggregate call in `expressions`; calls with the same text share their states. */
export async function planAggregates(
  expressions: readonly AstNode[],
  functions: ReadonlyMap<string, FunctionFacts>,
  printer: SqlPrinter,
): Promise<AggregatePlan> {
  const calls = new Map<string, AstNode>()
  for (const node of walk(expressions as never)) {
    if (isAggregateCall(functions, node)) calls.set(fingerprint(node), node)
  }
  const registry = new Registry()
  const finals = new Map<string, string>()
  for (const [key, call] of calls) finals.set(key, await planCall(call, registry, printer))
  return { scalars: registry.scalars, sketches: registry.sketches, finals }
}

async function planCall(call: AstNode, registry: Registry, printer: SqlPrinter): Promise<string> {
  const name = functionName(call)
  const aggregate = aggregateTable.get(name)
  if (aggregate === undefined) {
    const { reason, remedy } = whyNoState(name)
    return refuse(call, `${name}() cannot be merged`, reason, remedy)
  }
  refuseModifiers(call, name, aggregate.ignoresDistinct === true)
  const nodes = argumentsOf(call)
  if (nodes.length !== aggregate.argumentCount) {
    refuse(
      call,
      `${name}() has ${nodes.length} arguments`,
      `Here it takes ${aggregate.argumentCount}`,
      'Use the form with one value per group',
    )
  }
  const args = []
  for (const node of nodes) args.push(await printer.typed(node))
  const filterNode = filterOf(call)
  const filter = filterNode === null ? null : await printer.rowText(filterNode)
  return aggregate.plan(
    {
      name,
      args,
      filter,
      resultType: (await printer.typed(call)).type,
      over: (sql) => (filter === null ? sql : `${sql} FILTER (WHERE ${filter})`),
      refuse: (what, reason, remedy) => refuse(call, what, reason, remedy),
    },
    registry,
  )
}

function refuseModifiers(call: AstNode, name: string, ignoresDistinct: boolean): void {
  if (call['distinct'] === true && !ignoresDistinct) {
    refuse(
      call,
      `${name}(DISTINCT ...) cannot be merged`,
      'Two parts may hold the same value',
      'Use approx_count_distinct(x), or group by the value',
    )
  }
  const orders = call['order_bys']
  const order =
    typeof orders === 'object' && orders !== null ? nodesOf((orders as AstNode)['orders']) : []
  if (order.length > 0) {
    refuse(
      call,
      `${name}() has an ORDER BY inside`,
      'Rows of the two parts have no common order but their place in the event log',
      'Use arg_max(value, by) or arg_min(value, by)',
    )
  }
  if (textOf(call['schema']) !== '' && textOf(call['schema']) !== 'main') {
    refuse(call, `${name}() names a schema`, 'Aggregates are built in', 'Leave the schema out')
  }
}

/** Merged partials as one row per group, with the keys, the scalar states and what sketches are read as. */
import { groupingSets } from './group-sets.ts'
import { type KeyColumn, mergeSqlOf, type PartialPlan } from './partial-sql.ts'
import type { DerivedValue, NamedSketch } from './plan-aggregates.ts'

/** The relation that takes the place of `inputToken` in the finalize statement. */
export function keyedRelation(plan: PartialPlan, input: string): string {
  const { groupSets } = plan
  if (groupSets === null) return withDerived(plan, rowPerKey(plan, input))
  const { finer, coarser } = groupingSets(plan, groupSets)
  return withDerived(plan, rowPerKey(finer, `(${mergeSqlOf(finer, coarser(input))})`))
}

/** One SELECT for each level of derived values, so that each is computed once. */
function withDerived({ aggregates }: PartialPlan, relation: string): string {
  const levels = new Map<number, DerivedValue[]>()
  for (const value of aggregates.derived) {
    levels.set(value.level, [...(levels.get(value.level) ?? []), value])
  }
  return [...levels.values()].reduce((below, values) => {
    const columns = values.map(({ name, expression }) => `${expression} AS ${name}`)
    return `(SELECT *, ${columns.join(', ')} FROM ${below})`
  }, relation)
}

function rowPerKey({ keys, aggregates }: PartialPlan, input: string): string {
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
  { sketch, part, values, columns, readings }: NamedSketch,
): string {
  const keyNames = keys.map(({ name }) => name)
  const rows = `(SELECT * FROM __partials WHERE _part = ${part})`
  const read = sketch.readSql({
    rows,
    keys: keyNames,
    values,
    states: columns,
    readings: readings.map(({ reading }) => reading),
  })
  const condition = keyNames.map((name) => `p.${name} IS NOT DISTINCT FROM k${part}.${name}`)
  return ` LEFT JOIN (${read}) AS k${part} ON ${condition.join(' AND ') || 'true'}`
}

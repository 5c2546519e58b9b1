/** The SQL from rows to partials, and from partials to merged partials. */
import type { Column } from '../sql.ts'
import { quoteIdentifier } from '../sql.ts'
import { type BoundedPart, withinBounds } from './bounded-parts.ts'
import type { GroupSets } from './group-sets.ts'
import type { AggregatePlan, NamedSketch } from './plan-aggregates.ts'
import type { StorageType } from './storage-types.ts'

/** A group key: its expression over the table's row and how a partial keeps it. */
export interface KeyColumn {
  readonly name: string
  readonly sql: string
  readonly storage: StorageType
}

export interface PartialPlan {
  /** What the aggregation reads: the caller's relation, or row by row what the view makes of it. */
  readonly rows: (input: string) => string
  readonly tableAlias: string
  /** The condition of WHERE over the table's row, or null. */
  readonly where: string | null
  readonly keys: readonly KeyColumn[]
  /** The sets of GROUPING SETS, ROLLUP or CUBE; null for one set with all keys. */
  readonly groupSets: GroupSets | null
  readonly aggregates: AggregatePlan
}

export function partialColumnsOf({ keys, aggregates }: PartialPlan): readonly Column[] {
  return [
    ...keys.map(({ name, storage }) => ({ name, type: storage.type })),
    { name: '_part', type: 'INTEGER' },
    { name: '_bucket', type: 'INTEGER' },
    ...valueColumnsOf(aggregates),
    ...stateColumnsOf(aggregates),
  ]
}

/** What tells the rows of a sketch apart, beside `_bucket`: merging groups by these too. */
function valueColumnsOf({ sketches }: AggregatePlan): readonly Column[] {
  return sketches.flatMap(({ values, sketch }) =>
    values.map((name, index) => ({ name, type: sketch.values?.[index] ?? '' })),
  )
}

/** The states in the order of their numbers, which is the order of registration. */
function stateColumnsOf({ scalars, sketches }: AggregatePlan): readonly Column[] {
  const columns = [
    ...scalars.map(({ column, type }) => ({ name: column, type })),
    ...sketches.flatMap(({ columns: names, sketch }) =>
      names.map((name, index) => ({ name, type: sketch.states[index]?.type ?? '' })),
    ),
  ]
  return columns.sort((a, b) => Number(a.name.slice(1)) - Number(b.name.slice(1)))
}

export function partialSqlOf(plan: PartialPlan, input: string): string {
  const parts = [
    scalarPart(plan, input),
    ...plan.aggregates.sketches.map((sketch) => sketchPart(plan, sketch, input)),
  ]
  return parts.join(' UNION ALL ')
}

function fromWhere(plan: PartialPlan, input: string, filters: readonly (string | null)[]): string {
  const conditions = [plan.where, ...filters].filter((condition) => condition !== null)
  const where =
    conditions.length === 0
      ? ''
      : ` WHERE ${conditions.map((condition) => `(${condition})`).join(' AND ')}`
  return `FROM ${plan.rows(input)} AS ${quoteIdentifier(plan.tableAlias)}${where}`
}

/** One row per key; without keys one row even for no input, as SQL says. */
function scalarPart(plan: PartialPlan, input: string): string {
  const { keys, aggregates } = plan
  const states = new Map(
    aggregates.scalars.map(({ column, partial, type }) => [column, `CAST(${partial} AS ${type})`]),
  )
  const columns = [
    ...keys.map(({ name, sql, storage }) => `${storage.encode(sql)} AS ${name}`),
    '0 AS _part',
    'CAST(NULL AS INTEGER) AS _bucket',
    ...computed(valueColumnsOf(aggregates), new Map()),
    ...computed(stateColumnsOf(aggregates), states),
  ]
  const ordinals = keys.map((_, index) => index + 1).join(', ')
  const groupBy = keys.length === 0 ? '' : ` GROUP BY ${ordinals}`
  // Without keys and states there is still an aggregation: HAVING keeps it one row.
  const having = keys.length === 0 && aggregates.scalars.length === 0 ? ' HAVING count(*) >= 0' : ''
  return `SELECT ${columns.join(', ')} ${fromWhere(plan, input, [])}${groupBy}${having}`
}

function sketchPart(plan: PartialPlan, named: NamedSketch, input: string) {
  const { sketch, part } = named
  const keyNames = plan.keys.map(({ name }) => name)
  const keyColumns = plan.keys.map(({ name, sql, storage }) => `${storage.encode(sql)} AS ${name}`)
  const source = fromWhere(plan, input, [sketch.filter])
  const inputs = (sketch.inputs ?? []).map(({ name, sql }) => `${sql} AS ${name}`)
  const entering = [...keyColumns, `${sketch.value} AS v`, ...inputs]
  const rows = `(SELECT * FROM (SELECT ${entering.join(', ')} ${source}) WHERE v IS NOT NULL)`
  const states = new Map(named.columns.map((column, index) => [column, `r${index}`]))
  const values = new Map(named.values.map((column, index) => [column, `v${index}`]))
  const outer = [
    ...keyNames,
    `${part} AS _part`,
    '_bucket',
    ...computed(valueColumnsOf(plan.aggregates), values),
    ...computed(stateColumnsOf(plan.aggregates), states),
  ]
  const select = `SELECT ${outer.join(', ')} FROM (${sketch.partialSql(rows, keyNames)})`
  return withinBounds(partialRelation(plan, select), boundedParts([named]))
}

/** Every column: the given ones computed, the others NULL of their type. */
function computed(
  columns: readonly Column[],
  expressions: ReadonlyMap<string, string>,
): readonly string[] {
  return columns.map(
    ({ name, type }) => `${expressions.get(name) ?? `CAST(NULL AS ${type})`} AS ${name}`,
  )
}

export function mergeSqlOf(plan: PartialPlan, input: string): string {
  const { scalars, sketches } = plan.aggregates
  const merges = new Map([
    ...scalars.map(({ column, merge }) => [column, merge(column)] as const),
    ...sketches.flatMap(({ columns, sketch }) =>
      columns.map((column, index) => [column, sketch.states[index]?.merge(column) ?? ''] as const),
    ),
  ])
  const values = valueColumnsOf(plan.aggregates).map(({ name }) => name)
  const grouping = [...plan.keys.map(({ name }) => name), '_part', '_bucket', ...values]
  const states = stateColumnsOf(plan.aggregates).map(
    ({ name, type }) => `CAST(${merges.get(name)} AS ${type}) AS ${name}`,
  )
  const select = `SELECT ${[...grouping, ...states].join(', ')} FROM ${input} GROUP BY ${grouping.join(', ')}`
  return withinBounds(partialRelation(plan, select), boundedParts(sketches))
}

function partialRelation(plan: PartialPlan, select: string) {
  const columns = partialColumnsOf(plan).map(({ name }) => name)
  return { select, keys: plan.keys.map(({ name }) => name), columns }
}

function boundedParts(sketches: readonly NamedSketch[]): readonly BoundedPart[] {
  return sketches.flatMap(({ sketch, part, values, columns }) =>
    sketch.bound === undefined ? [] : [{ bound: sketch.bound, part, values, columns }],
  )
}

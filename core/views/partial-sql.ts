/** The SQL from rows to partials, and from partials to merged partials. */
import type { Column } from '../sql.ts'
import { quoteIdentifier } from '../sql.ts'
import type { AggregatePlan, NamedSketch } from './plan-aggregates.ts'
import type { StorageType } from './storage-types.ts'

/** A group key: its expression over the table's row and how a partial keeps it. */
export interface KeyColumn {
  readonly name: string
  readonly sql: string
  readonly storage: StorageType
}

export interface PartialPlan {
  readonly tableAlias: string
  /** The condition of WHERE over the table's row, or null. */
  readonly where: string | null
  readonly keys: readonly KeyColumn[]
  readonly aggregates: AggregatePlan
}

export function partialColumnsOf({ keys, aggregates }: PartialPlan): readonly Column[] {
  return [
    ...keys.map(({ name, storage }) => ({ name, type: storage.type })),
    { name: '_part', type: 'INTEGER' },
    { name: '_bucket', type: 'INTEGER' },
    ...stateColumnsOf(aggregates),
  ]
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
  return `FROM ${input} AS ${quoteIdentifier(plan.tableAlias)}${where}`
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
    ...stateColumns(plan, states),
  ]
  const ordinals = keys.map((_, index) => index + 1).join(', ')
  const groupBy = keys.length === 0 ? '' : ` GROUP BY ${ordinals}`
  // Without keys and states there is still an aggregation: HAVING keeps it one row.
  const having = keys.length === 0 && aggregates.scalars.length === 0 ? ' HAVING count(*) >= 0' : ''
  return `SELECT ${columns.join(', ')} ${fromWhere(plan, input, [])}${groupBy}${having}`
}

function sketchPart(plan: PartialPlan, { sketch, part, columns }: NamedSketch, input: string) {
  const keyNames = plan.keys.map(({ name }) => name)
  const keyColumns = plan.keys.map(({ name, sql, storage }) => `${storage.encode(sql)} AS ${name}`)
  const source = fromWhere(plan, input, [sketch.filter])
  const values = `SELECT ${[...keyColumns, `${sketch.value} AS v`].join(', ')} ${source}`
  const rows = `(SELECT * FROM (${values}) WHERE v IS NOT NULL)`
  const states = new Map(columns.map((column, index) => [column, `r${index}`]))
  const outer = [...keyNames, `${part} AS _part`, '_bucket', ...stateColumns(plan, states)]
  return `SELECT ${outer.join(', ')} FROM (${sketch.partialSql(rows, keyNames)})`
}

/** Every state column: the given ones computed, the others NULL of their type. */
function stateColumns(plan: PartialPlan, states: ReadonlyMap<string, string>): readonly string[] {
  return stateColumnsOf(plan.aggregates).map(
    ({ name, type }) => `${states.get(name) ?? `CAST(NULL AS ${type})`} AS ${name}`,
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
  const grouping = [...plan.keys.map(({ name }) => name), '_part', '_bucket']
  const states = stateColumnsOf(plan.aggregates).map(
    ({ name, type }) => `CAST(${merges.get(name)} AS ${type}) AS ${name}`,
  )
  return `SELECT ${[...grouping, ...states].join(', ')} FROM ${input} GROUP BY ${grouping.join(', ')}`
}

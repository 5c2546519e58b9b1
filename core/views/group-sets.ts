/**
 * GROUPING SETS, ROLLUP and CUBE: partials are kept by all keys, the finest set, and finalize merges
 * them once more into each set. `_set` numbers the sets: a key that is NULL because the rows say so and
 * one that is grouped out are told apart by it.
 */
import { type PartialPlan, partialColumnsOf } from './partial-sql.ts'

export const setColumn = '_set'

/** For each set the positions of its keys. */
export type GroupSets = readonly (readonly number[])[]

interface Sets {
  /** The plan with the number of the set as one more key. */
  readonly finer: PartialPlan
  /** The partials of every set, not yet merged. */
  readonly coarser: (input: string) => string
}

export function groupingSets(plan: PartialPlan, sets: GroupSets): Sets {
  const number = { type: 'INTEGER', encode: (sql: string) => sql, decode: (sql: string) => sql }
  const finer = {
    ...plan,
    keys: [...plan.keys, { name: setColumn, sql: setColumn, storage: number }],
    groupSets: null,
  }
  const others = partialColumnsOf(plan).slice(plan.keys.length)
  const names = others.map(({ name }) => name).join(', ')
  const keysOf = (set: readonly number[]) =>
    plan.keys.map(({ name, storage }, index) =>
      set.includes(index) ? name : `CAST(NULL AS ${storage.type}) AS ${name}`,
    )
  const selectOf = (set: readonly number[], index: number) => {
    const keys = [...keysOf(set), `${index} AS ${setColumn}`].join(', ')
    const rows = `SELECT ${keys}, ${names} FROM __finest`
    if (set.length > 0) return rows
    // The set without keys has one row even over nothing.
    const nothing = others.map(({ name, type }) =>
      name === '_part' ? '0 AS _part' : `CAST(NULL AS ${type}) AS ${name}`,
    )
    return `${rows} UNION ALL SELECT ${keys}, ${nothing.join(', ')}`
  }
  return {
    finer,
    coarser: (input) =>
      `(WITH __finest AS MATERIALIZED (SELECT * FROM ${input}) ${sets.map(selectOf).join(' UNION ALL ')})`,
  }
}

/** grouping(a, b) of every set: one bit for each argument, set where it is grouped out. */
export function groupingSql(positions: readonly number[], sets: GroupSets | null): string {
  const cases = (sets ?? []).map((set, index) => {
    const bits = positions.map((position) => (set.includes(position) ? '0' : '1')).join('')
    return `WHEN ${index} THEN ${Number.parseInt(bits, 2)}`
  })
  const value = cases.length === 0 ? '0' : `CASE ${setColumn} ${cases.join(' ')} END`
  return `CAST(${value} AS BIGINT)`
}

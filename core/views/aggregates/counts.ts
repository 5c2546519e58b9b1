/** count(*), count(x), count_if(x): integers that add up. */
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'

/** Registers how many rows `aggregate` counts; 0 also where there is no partial at all. */
export function countOf(call: AggregateCall, states: StateRegistry, aggregate: string): string {
  const state = states.scalar({
    type: 'BIGINT',
    partial: call.over(aggregate),
    merge: (column) => `CAST(sum(${column}) AS BIGINT)`,
  })
  return `coalesce(${state}, 0)`
}

export const countStar: Aggregate = {
  argumentCount: 0,
  plan: (call, states) => countOf(call, states, 'count(*)'),
}

export const count: Aggregate = {
  argumentCount: 1,
  plan: (call, states) => countOf(call, states, `count(${argument(call, 0).name})`),
}

export const countIf: Aggregate = {
  argumentCount: 1,
  plan: (call, states) => {
    const condition = argument(call, 0).name
    const state = states.scalar({
      type: 'BIGINT',
      partial: call.over(`count_if(${condition})`),
      merge: (column) => `CAST(sum(${column}) AS BIGINT)`,
    })
    // DuckDB's count_if of no rows is NULL, unlike count.
    return `CAST(${state} AS ${call.resultType})`
  },
}

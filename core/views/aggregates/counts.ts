/** count(*), count(x), count_if(x): integers that add up. count(DISTINCT x): the values themselves. */
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'
import { planApproximateCount } from './distinct-sketch.ts'
import { declaredValues } from './value-set.ts'

/** Registers how many rows `aggregate` counts; 0 also where there is no partial at all. */
export function countOf(call: AggregateCall, states: StateRegistry, aggregate: string): string {
  return `coalesce(${countState(call, states, aggregate)}, 0)`
}

function countState(call: AggregateCall, states: StateRegistry, aggregate: string): string {
  return states.scalar({
    type: 'BIGINT',
    partial: call.over(aggregate),
    merge: (column) => `CAST(sum(${column}) AS BIGINT)`,
  })
}

const counted = { accuracy: 'exact', states: 'a BIGINT, merged by sum' }

export const countStar: Aggregate = {
  ...counted,
  takes: '*',
  argumentCounts: [0],
  order: 'ignored',
  plan: (call, states) => countOf(call, states, 'count(*)'),
}

export const count: Aggregate = {
  ...counted,
  takes: '(x), any type; (DISTINCT x) with a declared bound',
  accuracy:
    'exact; DISTINCT up to distinct_exact_max values of a group, above as approx_count_distinct',
  states: 'a BIGINT, merged by sum; DISTINCT the values themselves, and HyperLogLog registers',
  argumentCounts: [1],
  order: 'ignored',
  distinct: 'taken',
  plan: (call, states) =>
    call.isDistinct
      ? countDistinct(call, states)
      : { ...counted, sql: countOf(call, states, `count(${argument(call, 0).name})`) },
}

/** Exact up to the declared bound, then the sketch: which of them, the number of values alone decides. */
function countDistinct(call: AggregateCall, states: StateRegistry) {
  const set = declaredValues(call, {
    remedy: 'use approx_count_distinct(x), which is within a few percent',
  })
  const exact = states.reading(set.sketch, 'count(*)')
  const isBeyond = states.reading(set.sketch, set.isBeyond)
  const estimate = planApproximateCount(call, states)
  return {
    sql: `CASE WHEN ${isBeyond} THEN greatest(${estimate}, ${set.rowsMax + 1}) ELSE coalesce(${exact}, 0) END`,
    accuracy: `exact up to ${set.rowsMax} distinct values of a group; above, a standard error of 2.3 %`,
    states: `the distinct values (dropped once a group has more than ${set.rowsMax}) and 2,048 HyperLogLog registers, merged by union and max`,
  }
}

export const countIf: Aggregate = {
  ...counted,
  takes: 'BOOLEAN',
  argumentCounts: [1],
  order: 'ignored',
  plan: (call, states) => {
    const state = countState(call, states, `count_if(${argument(call, 0).name})`)
    // DuckDB's count_if of no rows is NULL, unlike count.
    return `CAST(${state} AS ${call.resultType})`
  },
}

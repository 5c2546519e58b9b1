/** Aggregates read from the distinct values of a group and their counts. */
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'
import { countOf } from './counts.ts'
import { declaredValues, errorBeyond } from './value-set.ts'

const shared = {
  states: 'the distinct values with their counts, merged by union and sum',
  accuracy: 'exact up to distinct_exact_max distinct values of a group; above, an error',
} as const

/** The reading where the group is within the bound; an error, and only for who asks, where not. */
function planReading(
  call: AggregateCall,
  states: StateRegistry,
  { reading, remedy }: { readonly reading: string; readonly remedy: string },
): string {
  const set = declaredValues(call, { remedy })
  const value = states.reading(set.sketch, reading)
  const isBeyond = states.reading(set.sketch, set.isBeyond)
  return `CASE WHEN ${isBeyond} THEN ${errorBeyond(call, set, call.resultType)} ELSE ${value} END`
}

export const mode: Aggregate = {
  ...shared,
  takes: 'any type; of equally frequent values the least',
  argumentCounts: [1],
  plan: (call, states) =>
    planReading(call, states, {
      reading: 'arg_min(v, row(-n, v))',
      remedy: 'group by the value and take ORDER BY count(*) DESC LIMIT 1 above',
    }),
}

export const approximateTopK: Aggregate = {
  ...shared,
  takes: '(x, k); exact, equally frequent values in their order',
  argumentCounts: [2],
  plan: (call, states) => {
    const count = argument(call, 1).name
    if (!/^[1-9]\d{0,5}$/.test(count)) {
      call.refuse(
        `approx_top_k() is asked for ${count} values`,
        'How many must be known when the view is compiled',
        'Write a number, e.g. approx_top_k(x, 10)',
      )
    }
    return planReading(call, states, {
      reading: `list_slice(list(v ORDER BY n DESC, v), 1, ${count})`,
      remedy: `write SELECT x, count(*) AS n … GROUP BY x ORDER BY n DESC LIMIT ${count}`,
    })
  },
}

export const entropy: Aggregate = {
  ...shared,
  accuracy: 'within distinct_exact_max, exact counts, then roundings of a DOUBLE; above, an error',
  takes: 'any type',
  argumentCounts: [1],
  plan: (call, states) => {
    const share = 'n / CAST(_total AS DOUBLE)'
    const value = planReading(call, states, {
      reading: `abs(sum(${share} * log2(${share}) ORDER BY v))`,
      remedy: 'group by the value and compute it above',
    })
    return `coalesce(${value}, 0)`
  },
}

/** Sorted as the call says; without ORDER BY by value, where DuckDB's order is any. */
function valueOrder({ orders }: AggregateCall) {
  const [order] = orders
  return {
    direction: order?.isDescending === true ? 'DESC' : 'ASC',
    isNullsFirst: order?.isNullsFirst === true,
  }
}

const groupRemedy = 'group by the value, or query the table itself'

/** Only `DISTINCT`: what every row adds to is not bounded by anything a view could declare. */
function requireDistinct(call: AggregateCall): void {
  if (!call.isDistinct) {
    call.refuse(
      `${call.name}() cannot be merged`,
      'Its result is made of every row, so that nothing bounds it',
      `Use ${call.name}(DISTINCT x) with a declared bound, max(x, n) or arg_max(x, by, n), or query the table itself`,
    )
  }
  const [order] = call.orders
  if (call.orders.length > 1 || (order !== undefined && order.name !== argument(call, 0).name)) {
    call.refuse(
      `${call.name}(DISTINCT x) is ordered by something else than x`,
      'Of equal values it would keep one by chance',
      'Write ORDER BY x',
    )
  }
}

export const list: Aggregate = {
  ...shared,
  takes: '(DISTINCT x) or (DISTINCT x ORDER BY x), any type',
  argumentCounts: [1],
  distinct: 'taken',
  order: 'taken',
  plan: (call, states) => {
    requireDistinct(call)
    const { direction, isNullsFirst } = valueOrder(call)
    const values = planReading(call, states, {
      reading: `list(v ORDER BY v ${direction})`,
      remedy: groupRemedy,
    })
    const nulls = countOf(call, states, `count_if((${argument(call, 0).name}) IS NULL)`)
    const none = `CAST([] AS ${call.resultType})`
    const nullPart = `CASE WHEN ${nulls} > 0 THEN CAST([NULL] AS ${call.resultType}) ELSE ${none} END`
    const valuePart = `coalesce(${values}, ${none})`
    const parts = isNullsFirst ? [nullPart, valuePart] : [valuePart, nullPart]
    return `nullif(list_concat(${parts.join(', ')}), ${none})`
  },
}

const textLiteral = /^'(?:[^']|'')*'$/

export const stringAgg: Aggregate = {
  ...shared,
  takes: "(DISTINCT x, ', ') or (DISTINCT x, ', ' ORDER BY x), VARCHAR",
  argumentCounts: [1, 2],
  distinct: 'taken',
  order: 'taken',
  plan: (call, states) => {
    requireDistinct(call)
    const { type } = argument(call, 0)
    const separator = call.args[1]?.name ?? "','"
    if (type !== 'VARCHAR' || !textLiteral.test(separator)) {
      call.refuse(
        `${call.name}() joins values of type ${type} with ${separator}`,
        'It joins texts with a text that is known when the view is compiled',
        "Write string_agg(DISTINCT CAST(x AS VARCHAR), ', ')",
      )
    }
    return planReading(call, states, {
      reading: `string_agg(v, ${separator} ORDER BY v ${valueOrder(call).direction})`,
      remedy: groupRemedy,
    })
  },
}

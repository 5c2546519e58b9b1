/** sum and avg over integers and decimals: exact sums in DECIMAL(38,s), whatever the order. */
import type { Column } from '../../sql.ts'
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'
import { countOf } from './counts.ts'
import { declaredValues, errorBeyond } from './value-set.ts'

const integerTypes = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'HUGEINT',
])

interface ExactType {
  readonly scale: number
  /** A sum of as many rows as there can be may need more than 38 digits. */
  readonly isHuge: boolean
}

/** Values of at most 28 digits: ten thousand million of them have 38. */
const digitsOfSafeSum = 28

/** Null for what cannot be summed exactly. */
function exactType(type: string): ExactType | null {
  if (integerTypes.has(type)) return { scale: 0, isHuge: type === 'HUGEINT' }
  const [, digits, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? []
  if (digits === undefined) return null
  return { scale: Number(scale), isHuge: Number(digits) > digitsOfSafeSum }
}

/** The total in its own type, and as a DOUBLE for a quotient. */
interface Total {
  readonly exact: string
  readonly double: string
  readonly states?: string
}

function planTotal(call: AggregateCall, states: StateRegistry): Total {
  const value = argument(call, 0)
  const exact = exactType(value.type)
  if (exact === null) return refuseInexact(call, value.type)
  if (exact.isHuge) return hugeTotal(call, states, value, exact.scale)
  const state = states.scalar({
    type: `DECIMAL(38,${exact.scale})`,
    partial: `CAST(${call.over(`sum(${value.name})`)} AS DECIMAL(38,${exact.scale}))`,
    merge: (column) => `sum(${column})`,
  })
  return { exact: state, double: `CAST(${state} AS DOUBLE)` }
}

/**
 * A value of up to 38 digits as a number of 128 bits, in halves: sums of halves cannot overflow, so that
 * only a total that does not fit its type is an error, never one part of the rows by itself.
 */
function hugeTotal(
  call: AggregateCall,
  states: StateRegistry,
  { name }: Column,
  scale: number,
): Total {
  const digits = scale === 0 ? `(${name})` : `replace(CAST(${name} AS VARCHAR), '.', '')`
  const half = (sql: string) =>
    `CAST(${states.scalar({
      type: 'DECIMAL(38,0)',
      partial: `CAST(${call.over(`sum(${sql})`)} AS DECIMAL(38,0))`,
      merge: (column) => `sum(${column})`,
    })} AS HUGEINT)`
  const low = half(`CAST(${digits} AS HUGEINT) & 18446744073709551615`)
  const high = half(`CAST(${digits} AS HUGEINT) >> 64`)
  const carried = states.derived(`${high} + (${low} >> 64)`)
  const rest = `(${low} & 18446744073709551615)`
  const integer = `(${carried} * 18446744073709551616 + ${rest})`
  const halves = `CAST(${carried} AS DOUBLE) * CAST('18446744073709551616' AS DOUBLE) + CAST(${rest} AS DOUBLE)`
  // As one integer where it fits: the halves of a small negative total nearly cancel each other.
  const double = `CASE WHEN ${carried} BETWEEN -4611686018427387904 AND 4611686018427387904 THEN CAST(${integer} AS DOUBLE) ELSE ${halves} END`
  return {
    exact: scale === 0 ? integer : withPoint(states.derived(integer), scale),
    double: `((${double}) / CAST('1e${scale}' AS DOUBLE))`,
    states: 'the upper and the lower half of the total, each a DECIMAL(38,0), merged by sum',
  }
}

/** A HUGEINT as a decimal of 38 digits, `scale` of them after the point. */
function withPoint(integer: string, scale: number): string {
  const digits = `CAST(abs(${integer}) AS VARCHAR)`
  const text = `repeat('0', ${scale + 1} - length(${digits})) || ${digits}`
  const sign = `CASE WHEN ${integer} < 0 THEN '-' ELSE '' END`
  return `CAST(${sign} || left(${text}, -${scale}) || '.' || right(${text}, ${scale}) AS DECIMAL(38,${scale}))`
}

export function refuseInexact(call: AggregateCall, type: string): never {
  if (type === 'DOUBLE' || type === 'FLOAT') {
    return call.refuse(
      `${call.name}() adds values of type ${type}`,
      'Such a sum depends on the order of the rows in its last digits',
      'Declare the column DECIMAL in pipeline.yml, or cast the argument, e.g. CAST(x AS DECIMAL(18,3))',
    )
  }
  if (type.startsWith('TIMESTAMP') || type === 'DATE') {
    return call.refuse(
      `${call.name}() over ${type} is not supported`,
      'DuckDB rounds a mean time through a DOUBLE',
      'Write make_timestamptz(CAST(sum(epoch_us(x)) // count(x) AS BIGINT))',
    )
  }
  return call.refuse(
    `${call.name}() over ${type} is not supported`,
    'Only integers and decimals have an exact sum',
    'Cast the argument to an integer or a DECIMAL',
  )
}

/** sum(DISTINCT x) and avg(DISTINCT x): of the values themselves. */
function planDistinct(call: AggregateCall, states: StateRegistry, reading: string) {
  const { type } = argument(call, 0)
  if (exactType(type) === null) refuseInexact(call, type)
  const set = declaredValues(call, { remedy: 'group by the value first and add up above' })
  const value = states.reading(set.sketch, reading)
  const isBeyond = states.reading(set.sketch, set.isBeyond)
  return {
    sql: `CASE WHEN ${isBeyond} THEN ${errorBeyond(call, set, call.resultType)} ELSE CAST(${value} AS ${call.resultType}) END`,
    accuracy: `exact up to ${set.rowsMax} distinct values of a group; above, an error`,
    states: 'the distinct values with their counts, merged by union',
  }
}

export const sum: Aggregate = {
  takes: 'integers, DECIMAL, BOOLEAN; DISTINCT with a declared bound',
  accuracy: 'exact',
  states: 'the total as DECIMAL(38,s), merged by sum',
  argumentCounts: [1],
  order: 'ignored',
  distinct: 'taken',
  plan: (call, states) => {
    if (call.isDistinct) return planDistinct(call, states, 'sum(v)')
    const { exact, states: kept } = planTotal(call, states)
    // Above the aggregation a sum has DuckDB's own type, so that // and % mean the same as there.
    const sql = `CAST(${exact} AS ${call.resultType})`
    return kept === undefined ? sql : { sql, states: kept }
  },
}

export const average: Aggregate = {
  takes: 'integers, DECIMAL; DISTINCT with a declared bound',
  accuracy: 'exact total and count, divided once as DOUBLE',
  states: 'the total as DECIMAL(38,s) and the count, merged by sum',
  argumentCounts: [1],
  order: 'ignored',
  distinct: 'taken',
  plan: (call, states) => {
    if (call.isDistinct) return planDistinct(call, states, 'CAST(sum(v) AS DOUBLE) / count(*)')
    const { double } = planTotal(call, states)
    const count = countOf(call, states, `count(${argument(call, 0).name})`)
    return `(${double} / nullif(${count}, 0))`
  },
}

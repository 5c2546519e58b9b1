/**
 * median, quantile_cont and quantile_disc. Exact while the group has few enough distinct values, as
 * the view declares; a DDSketch beyond that, or where the view declares only an accuracy.
 */
import {
  type Aggregate,
  type AggregateCall,
  argument,
  type PlannedAggregate,
  type StateRegistry,
} from './aggregate.ts'
import { quantilesOf } from './quantile-arguments.ts'
import { isSketchable, planEstimates, sketchStates } from './quantile-sketch.ts'
import { declaredValues, errorBeyond } from './value-set.ts'

type Kind = 'cont' | 'disc'

const integer = /^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER)$/

/** The value at the first running count above a rank (from 0). */
const valueAt = (rank: string) => `min(v) FILTER (WHERE _c > ${rank})`

/** DuckDB's rank, in integers: the quantile is a decimal number. */
function discreteReading(quantile: string): string {
  const [whole = '', fraction = ''] = quantile.split('.')
  const scale = `1${'0'.repeat(fraction.length)}`
  const remaining = `CAST(_total AS HUGEINT) * (${scale} - ${Number(`${whole}${fraction}`)}) // ${scale}`
  return valueAt(`greatest(_total - (${remaining}), 1) - 1`)
}

/** Between two neighbours as DuckDB does it: a DECIMAL in steps of its last digit, rounded down. */
function continuousReading(call: AggregateCall, quantile: string): string {
  const { type } = argument(call, 0)
  const rank = `(CAST(_total - 1 AS DOUBLE) * CAST('${quantile}' AS DOUBLE))`
  const low = valueAt(`floor(${rank})`)
  const high = valueAt(`ceil(${rank})`)
  const share = `any_value(${rank} - floor(${rank}))`
  if (integer.test(type) || type === 'DOUBLE') {
    const between = `CAST(${low} AS DOUBLE) * (1 - ${share}) + CAST(${high} AS DOUBLE) * ${share}`
    return `CASE WHEN ${share} = 0 THEN CAST(${low} AS DOUBLE) ELSE ${between} END`
  }
  const [, digits, scaleText] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? []
  const scale = Number(scaleText)
  if (digits !== undefined && Number(digits) <= 18) {
    const unit =
      scale === 0 ? '1' : `CAST('0.${'1'.padStart(scale, '0')}' AS DECIMAL(${scale},${scale}))`
    const distance = `CAST(CAST(${high} - ${low} AS DECIMAL(19,${scale})) * CAST(1${'0'.repeat(scale)} AS DECIMAL(${scale + 1},0)) AS DOUBLE)`
    const steps = `CAST(trunc(${distance} * ${share}) AS DECIMAL(19,0))`
    return `CAST(${low} + ${steps} * ${unit} AS ${type})`
  }
  return call.refuse(
    `${call.name}() over ${type} is not supported`,
    'What lies between two values is rounded in a way of its own for each type',
    'Use quantile_disc(x, 0.5), or cast the argument to BIGINT, DOUBLE or a DECIMAL of at most 18 digits',
  )
}

function planQuantiles(
  call: AggregateCall,
  states: StateRegistry,
  { kind, quantiles, isList }: { kind: Kind; quantiles: readonly string[]; isList: boolean },
): PlannedAggregate {
  const { type } = argument(call, 0)
  const inList = (values: readonly string[], isNone: string) =>
    isList ? `CASE WHEN ${isNone} THEN NULL ELSE [${values.join(', ')}] END` : values.join('')
  const elementType = isList ? call.resultType.replace(/\[\]$/, '') : call.resultType
  const estimates = () => {
    const planned = planEstimates(call, states, quantiles)
    const values = planned.values.map((value) => `CAST(${value} AS ${elementType})`)
    return { sql: inList(values, `${planned.least} IS NULL`), accuracy: planned.accuracy }
  }
  const bound = call.options.distinctExactMax
  if (bound === null && call.options.quantileAccuracy !== null && isSketchable(type)) {
    return { ...estimates(), states: sketchStates }
  }
  const set = declaredValues(call, {
    remedy: 'use approx_quantile(x, 0.5): it is within one percent and the same on every split',
  })
  const readings = quantiles.map((quantile) =>
    kind === 'disc' ? discreteReading(quantile) : continuousReading(call, quantile),
  )
  const values = readings.map((reading) => states.reading(set.sketch, reading))
  const isBeyond = states.reading(set.sketch, set.isBeyond)
  const exact = inList(values, `coalesce(${states.reading(set.sketch, 'count(*)')}, 0) = 0`)
  const beyond = isSketchable(type)
    ? estimates()
    : { sql: errorBeyond(call, set, call.resultType), accuracy: 'an error' }
  return {
    sql: `CASE WHEN ${isBeyond} THEN ${beyond.sql} ELSE ${exact} END`,
    accuracy: `exact up to ${set.rowsMax} distinct values of a group; above, ${beyond.accuracy}`,
  }
}

function quantile(kind: Kind, takes: string): Aggregate {
  return {
    takes,
    accuracy:
      'exact up to distinct_exact_max distinct values of a group; above, or with quantile_accuracy alone, as approx_quantile',
    states: `the distinct values with their counts, merged by union and sum, and ${sketchStates}`,
    argumentCounts: [2],
    plan: (call, states) =>
      planQuantiles(call, states, { kind, ...quantilesOf(call, argument(call, 1).name) }),
  }
}

export const quantileCont = quantile('cont', '(x, q) or (x, [q, …]), integers, DECIMAL, DOUBLE')
export const quantileDisc = quantile('disc', '(x, q) or (x, [q, …]), any type')

/** Between two such values DuckDB's median takes the middle, of others the lower one. */
const hasMiddle = /INT|^(DECIMAL|DOUBLE|FLOAT|DATE|TIME|INTERVAL)/

export const median: Aggregate = {
  ...quantileCont,
  takes: 'integers, DECIMAL, DOUBLE; the lower middle of other types',
  argumentCounts: [1],
  plan: (call, states) => {
    const kind = hasMiddle.test(argument(call, 0).type) ? 'cont' : 'disc'
    return planQuantiles(call, states, { kind, quantiles: ['0.5'], isList: false })
  },
}

/**
 * approx_quantile as a DDSketch in rows: one row per bucket of values that lie within a share α of each
 * other (one percent, or what the view declares), with their count. Counts add up, so that merged equals
 * recomputed to the bit. With γ = (1+α)/(1-α), a value v > 0 falls into bucket ceil(ln v / ln γ), whose
 * estimate 2γ^i/(γ+1) is at most α·v away from v. Eight neighbouring buckets share a row (`_bucket` is the bucket divided by 8,
 * rounded down): merging is several times cheaper than with one row each, and planning than with 16.
 */
import {
  type Aggregate,
  type AggregateCall,
  argument,
  type Sketch,
  type SketchRows,
  type StateRegistry,
} from './aggregate.ts'
import { extremeState } from './extremes.ts'
import { quantilesOf } from './quantile-arguments.ts'

const defaultAccuracy = 0.01
const bucketsPerRow = 8

/** The numbers of one accuracy, as SQL. */
interface Scale {
  readonly accuracy: number
  readonly gamma: string
  readonly logGamma: string
  readonly middle: string
  /** Added to the bucket of every positive double, so that negative ones mirror it around zero. */
  readonly shift: number
}

function scaleOf(accuracy: number): Scale {
  const gamma = (1 + accuracy) / (1 - accuracy)
  return {
    accuracy,
    gamma: `CAST('${gamma}' AS DOUBLE)`,
    logGamma: `CAST('${Math.log(gamma)}' AS DOUBLE)`,
    middle: `CAST('${2 / (gamma + 1)}' AS DOUBLE)`,
    // The logarithm of the smallest double is -745: 37,250 buckets of one percent.
    shift: Math.ceil(400 / accuracy),
  }
}

function bucketSql({ logGamma, shift }: Scale): string {
  return `CAST(CASE WHEN v > 0 THEN ceil(ln(v) / ${logGamma}) + ${shift} WHEN v < 0 THEN -(ceil(ln(-v) / ${logGamma}) + ${shift}) ELSE 0 END AS INTEGER)`
}

/** The value that stands for a bucket. */
function estimateSql({ gamma, middle, shift }: Scale, bucket: string): string {
  const magnitude = `${middle} * pow(${gamma}, abs(${bucket}) - ${shift})`
  return `CASE WHEN ${bucket} = 0 THEN CAST(0 AS DOUBLE) ELSE sign(${bucket}) * ${magnitude} END`
}

function partialSql(scale: Scale, rows: string, keys: readonly string[]): string {
  const keyList = keys.map((key) => `${key}, `).join('')
  const counted = `SELECT ${keyList}${bucketSql(scale)} AS b, count(*) AS n FROM ${rows} GROUP BY ALL`
  const counts = Array.from(
    { length: bucketsPerRow },
    (_, slot) => `any_value(n) FILTER (WHERE b & ${bucketsPerRow - 1} = ${slot}) AS r${slot}`,
  )
  // In two's complement b & 7 is the distance from the next lower multiple, for negative b too.
  return `SELECT ${keyList}(b - (b & ${bucketsPerRow - 1})) // ${bucketsPerRow} AS _bucket, ${counts.join(', ')} FROM (${counted}) GROUP BY ALL`
}

/**
 * The bucket of each quantile: the first one below and in which lie more values than its rank. First
 * the rows that hold one, by the rows' totals alone; then the bucket inside.
 */
function readSql(scale: Scale, { rows, keys, states, readings }: SketchRows): string {
  const keyList = keys.map((key) => `${key}, `).join('')
  const partition = keys.length === 0 ? '' : `PARTITION BY ${keys.join(', ')}`
  const rowTotal = states.map((state) => `coalesce(${state}, 0)`).join(' + ')
  const totals = `SELECT ${keyList}_bucket, ${rowTotal} AS n FROM ${rows}`
  const counted = `SELECT *, sum(n) OVER (${partition} ORDER BY _bucket) - n AS before, sum(n) OVER (${partition}) AS total FROM (${totals})`
  const ranks = readings.map(
    (quantile, index) => `CAST(${quantile} AS DOUBLE) * (total - 1) - before AS rank${index}`,
  )
  const ranked = `SELECT *, ${ranks.join(', ')} FROM (${counted})`
  const isIn = readings.map((_, index) => `(rank${index} >= 0 AND rank${index} < n)`)
  const holding = `SELECT * FROM (${ranked}) WHERE ${isIn.join(' OR ')}`
  const same = [...keys, '_bucket'].map((key) => `h.${key} IS NOT DISTINCT FROM p.${key}`)
  const columns = readings.map(
    (_, index) =>
      `any_value(CASE WHEN ${isIn[index]} THEN h._bucket * ${bucketsPerRow} + ${slotSql(`rank${index}`)} END) AS b${index}`,
  )
  // Estimated here, once: the query is planned at each call, and planning takes time with every term.
  const estimates = readings.map((_, index) => `${estimateSql(scale, `b${index}`)} AS q${index}`)
  const hKeys = keys.map((key) => `h.${key}, `).join('')
  const groupBy = keys.length === 0 ? '' : ' GROUP BY ALL'
  const buckets = `SELECT ${hKeys}${columns.join(', ')} FROM (${holding}) AS h JOIN (${runningTotals(rows, keys, states)}) AS p ON ${same.join(' AND ')}${groupBy}`
  return `SELECT ${keyList}${estimates.join(', ')} FROM (${buckets})`
}

const slotsPerHalf = 4

/**
 * The rows with the running totals of their states as `c0` to `c7`. In two steps, first within each
 * half of the row: DuckDB's planner takes time with every term, and the query is planned each time.
 */
function runningTotals(rows: string, keys: readonly string[], states: readonly string[]): string {
  const own = [...keys, '_bucket']
  const within = states.map((_, slot) => {
    const first = slot - (slot % slotsPerHalf)
    const terms = states.slice(first, slot + 1).map((state) => `coalesce(${state}, 0)`)
    return `${terms.join(' + ')} AS w${slot}`
  })
  const across = states.map((_, slot) => {
    const terms = [`w${slot}`]
    const first = slot - (slot % slotsPerHalf)
    for (let last = slotsPerHalf - 1; last < first; last += slotsPerHalf) terms.push(`w${last}`)
    return `${terms.join(' + ')} AS c${slot}`
  })
  const halves = `SELECT ${[...own, ...within].join(', ')} FROM ${rows}`
  return `SELECT ${[...own, ...across].join(', ')} FROM (${halves})`
}

/** The first slot whose running total exceeds the rank. */
function slotSql(rank: string): string {
  const cases = Array.from(
    { length: bucketsPerRow },
    (_, slot) => `WHEN p.c${slot} > ${rank} THEN ${slot}`,
  )
  return `CASE ${cases.join(' ')} END`
}

function sketchOf(value: string, filter: string | null, accuracy: number): Sketch {
  const scale = scaleOf(accuracy)
  return {
    identity: `quantile ${value} / ${filter ?? ''}`,
    value: `CAST(${value} AS DOUBLE)`,
    // Infinity and NaN have no bucket; DuckDB's approx_quantile leaves them out too.
    filter: finite(value, filter),
    states: Array.from({ length: bucketsPerRow }, () => ({
      type: 'BIGINT',
      merge: (column: string) => `CAST(sum(${column}) AS BIGINT)`,
    })),
    partialSql: (rows, keys) => partialSql(scale, rows, keys),
    readSql: (merged) => readSql(scale, merged),
  }
}

function finite(value: string, filter: string | null): string {
  return [...(filter === null ? [] : [`(${filter})`]), `isfinite(CAST(${value} AS DOUBLE))`].join(
    ' AND ',
  )
}

const numeric = /^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|FLOAT|DOUBLE|DECIMAL\(.*\))$/

export function isSketchable(type: string): boolean {
  return numeric.test(type)
}

/** One final expression for each quantile, of the value's own type. */
export function planEstimates(
  call: AggregateCall,
  states: StateRegistry,
  quantiles: readonly string[],
): { readonly values: readonly string[]; readonly least: string; readonly accuracy: string } {
  const { name, type } = argument(call, 0)
  const accuracy = call.options.quantileAccuracy ?? defaultAccuracy
  // The extremes are known exactly: an estimate never leaves them, and one value is itself.
  const isFloat = type === 'DOUBLE' || type === 'FLOAT'
  const within = isFloat ? { filter: finite(name, call.filter) } : {}
  const least = extremeState(call, states, 'min', within)
  const greatest = extremeState(call, states, 'max', within)
  const sketch = sketchOf(name, call.filter, accuracy)
  const values = quantiles.map((quantile) => {
    if (Number(quantile) === 0) return least
    if (Number(quantile) === 1) return greatest
    const estimate = states.reading(sketch, quantile)
    return `CASE WHEN ${estimate} IS NULL THEN NULL WHEN ${estimate} >= CAST(${greatest} AS DOUBLE) THEN ${greatest} WHEN ${estimate} <= CAST(${least} AS DOUBLE) THEN ${least} ELSE CAST(${estimate} AS ${type}) END`
  })
  return { values, least, accuracy: `within ${accuracy * 100} % of the value at its rank` }
}

export const sketchStates =
  'counts in logarithmic buckets (DDSketch), the least and the greatest value'

export const approximateQuantile: Aggregate = {
  takes: '(x, q) or (x, [q, …]), numbers',
  accuracy: 'within 1 %, or the declared quantile_accuracy, of the value at its rank',
  states: `${sketchStates}, merged by sum, min and max`,
  argumentCounts: [2],
  order: 'ignored',
  plan: (call, states) => {
    const { type } = argument(call, 0)
    if (!isSketchable(type)) {
      call.refuse(
        `approx_quantile() over ${type} is not supported`,
        'Its buckets are relative to zero',
        'Use a number, e.g. epoch_ms(ts2) - epoch_ms(ts1) for a duration',
      )
    }
    const { isList, quantiles } = quantilesOf(call, argument(call, 1).name)
    const { values, least, accuracy } = planEstimates(call, states, quantiles)
    const sql = isList
      ? `CASE WHEN ${least} IS NULL THEN NULL ELSE [${values.join(', ')}] END`
      : values.join('')
    return { sql, accuracy }
  },
}

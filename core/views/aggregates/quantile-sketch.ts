/**
 * approx_quantile as a DDSketch in rows: one row per bucket of values that lie within one percent of
 * each other, with their count. Counts add up, so that merged equals recomputed to the bit. With
 * γ = (1+α)/(1-α), a value v > 0 falls into bucket ceil(ln v / ln γ), whose estimate 2γ^i/(γ+1) is
 * at most α·v away from v. Eight neighbouring buckets share a row (`_bucket` is the bucket divided by 8,
 * rounded down): merging is several times cheaper than with one row each, and planning than with 16.
 */
import { type Aggregate, type AggregateCall, argument, type Sketch } from './aggregate.ts'
import { extremeState } from './extremes.ts'

const relativeAccuracy = 0.01
const gamma = (1 + relativeAccuracy) / (1 - relativeAccuracy)
const logGammaSql = `CAST('${Math.log(gamma)}' AS DOUBLE)`
const gammaSql = `CAST('${gamma}' AS DOUBLE)`
const middleSql = `CAST('${2 / (gamma + 1)}' AS DOUBLE)`
/** Added to the bucket of every positive double, so that negative ones mirror it around zero. */
const bucketShift = 40_000

const bucketsPerRow = 8

const bucketSql = `CAST(CASE WHEN v > 0 THEN ceil(ln(v) / ${logGammaSql}) + ${bucketShift} WHEN v < 0 THEN -(ceil(ln(-v) / ${logGammaSql}) + ${bucketShift}) ELSE 0 END AS INTEGER)`

/** The value that stands for a bucket. */
function estimateSql(bucket: string): string {
  const magnitude = `${middleSql} * pow(${gammaSql}, abs(${bucket}) - ${bucketShift})`
  return `CASE WHEN ${bucket} = 0 THEN CAST(0 AS DOUBLE) ELSE sign(${bucket}) * ${magnitude} END`
}

function partialSql(rows: string, keys: readonly string[]): string {
  const keyList = keys.map((key) => `${key}, `).join('')
  const counted = `SELECT ${keyList}${bucketSql} AS b, count(*) AS n FROM ${rows} GROUP BY ALL`
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
function readSql(
  rows: string,
  keys: readonly string[],
  states: readonly string[],
  readings: readonly string[],
): string {
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
  const estimates = readings.map((_, index) => `${estimateSql(`b${index}`)} AS q${index}`)
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

function sketchOf(value: string, filter: string | null): Sketch {
  return {
    identity: `quantile ${value} / ${filter ?? ''}`,
    value: `CAST(${value} AS DOUBLE)`,
    // Infinity and NaN have no bucket; DuckDB's approx_quantile leaves them out too.
    filter: [
      ...(filter === null ? [] : [`(${filter})`]),
      `isfinite(CAST(${value} AS DOUBLE))`,
    ].join(' AND '),
    states: Array.from({ length: bucketsPerRow }, () => ({
      type: 'BIGINT',
      merge: (column: string) => `CAST(sum(${column}) AS BIGINT)`,
    })),
    partialSql,
    readSql,
  }
}

const quantileText = /^(0|1|0?\.\d+|0\.\d+|1\.0*)$/

/** `0.95` or `[0.5, 0.95]` as texts of numbers from 0 to 1. */
function quantilesOf(call: AggregateCall): { list: boolean; quantiles: readonly string[] } {
  const text = argument(call, 1).name.replaceAll(/main\.|list_value|"/g, '')
  const inner = /^[[(](.*)[\])]$/.exec(text)
  const quantiles = (inner?.[1] ?? text).split(',').map((part) => part.trim())
  if (!quantiles.every((quantile) => quantileText.test(quantile))) {
    return call.refuse(
      `approx_quantile() is asked for ${argument(call, 1).name}`,
      'The quantile must be known when the view is compiled',
      'Write a number from 0 to 1, e.g. 0.95, or a list of them',
    )
  }
  return { list: inner !== null, quantiles }
}

const numeric = /^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|FLOAT|DOUBLE|DECIMAL\(.*\))$/

export const approximateQuantile: Aggregate = {
  argumentCount: 2,
  plan: (call, states) => {
    const { name, type } = argument(call, 0)
    if (!numeric.test(type)) {
      call.refuse(
        `approx_quantile() over ${type} is not supported`,
        'Its buckets are relative to zero',
        'Use a number, e.g. epoch_ms(ts2) - epoch_ms(ts1) for a duration',
      )
    }
    const { list, quantiles } = quantilesOf(call)
    // The extremes are known exactly: an estimate never leaves them, and one value is itself.
    const least = extremeState(call, states, 'min')
    const greatest = extremeState(call, states, 'max')
    const sketch = sketchOf(name, call.filter)
    const values = quantiles.map((quantile) => {
      if (Number(quantile) === 0) return least
      if (Number(quantile) === 1) return greatest
      const estimate = states.reading(sketch, quantile)
      return `CASE WHEN ${estimate} IS NULL THEN NULL WHEN ${estimate} >= CAST(${greatest} AS DOUBLE) THEN ${greatest} WHEN ${estimate} <= CAST(${least} AS DOUBLE) THEN ${least} ELSE CAST(${estimate} AS ${type}) END`
    })
    return list
      ? `CASE WHEN ${least} IS NULL THEN NULL ELSE [${values.join(', ')}] END`
      : values.join('')
  },
}

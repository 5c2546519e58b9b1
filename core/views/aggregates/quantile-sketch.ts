/**
 * approx_quantile as a DDSketch in rows: one row per bucket of values that lie within one percent of
 * each other, with their count. Counts add up, so that merged equals recomputed to the bit. With
 * γ = (1+α)/(1-α), a value v > 0 falls into bucket ceil(ln v / ln γ), whose estimate 2γ^i/(γ+1) is
 * at most α·v away from v.
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

const bucketSql = `CAST(CASE WHEN v > 0 THEN ceil(ln(v) / ${logGammaSql}) + ${bucketShift} WHEN v < 0 THEN -(ceil(ln(-v) / ${logGammaSql}) + ${bucketShift}) ELSE 0 END AS INTEGER)`

/** The value that stands for a bucket. */
function estimateSql(bucket: string): string {
  const magnitude = `${middleSql} * pow(${gammaSql}, abs(${bucket}) - ${bucketShift})`
  return `CASE WHEN ${bucket} = 0 THEN CAST(0 AS DOUBLE) ELSE sign(${bucket}) * ${magnitude} END`
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
    states: [{ type: 'BIGINT', merge: (column) => `CAST(sum(${column}) AS BIGINT)` }],
    partialSql: (rows, keys) => {
      const columns = [...keys, `${bucketSql} AS _bucket`]
      return `SELECT ${columns.join(', ')}, count(*) AS r0 FROM ${rows} GROUP BY ALL`
    },
    readSql: (rows, keys, [count = ''], readings) => {
      const keyList = keys.map((key) => `${key}, `).join('')
      const partition = keys.length === 0 ? '' : `PARTITION BY ${keys.join(', ')}`
      const columns = readings.map(
        (quantile, index) =>
          `min(_bucket) FILTER (WHERE below > CAST(${quantile} AS DOUBLE) * (total - 1)) AS q${index}`,
      )
      const counted = `SELECT ${keyList}_bucket, sum(${count}) OVER (${partition} ORDER BY _bucket) AS below, sum(${count}) OVER (${partition}) AS total FROM ${rows}`
      return `SELECT ${keyList}${columns.join(', ')} FROM (${counted})${keys.length === 0 ? '' : ' GROUP BY ALL'}`
    },
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
      const bucket = states.reading(sketch, quantile)
      const estimate = estimateSql(bucket)
      return `CASE WHEN ${bucket} IS NULL THEN NULL WHEN ${estimate} >= CAST(${greatest} AS DOUBLE) THEN ${greatest} WHEN ${estimate} <= CAST(${least} AS DOUBLE) THEN ${least} ELSE CAST(${estimate} AS ${type}) END`
    })
    return list
      ? `CASE WHEN ${least} IS NULL THEN NULL ELSE [${values.join(', ')}] END`
      : values.join('')
  },
}

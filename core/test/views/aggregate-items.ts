/**
 * Every kind of aggregate call, with what DuckDB says of the same rows: the same call where DuckDB is exact,
 * or the values themselves, from which the exact result is computed here.
 */
import { ExactSums, type Rational, rootOf, toDouble, unscaled } from './exact-numbers.ts'

/** Whether a result may stand for what the direct query gave; both as DuckDB's text. */
export type Accept = (found: string | null, direct: string | null) => boolean

export interface AggregateItem {
  /** The call; `{f}` is where FILTER goes, `{c}` its condition. */
  readonly sql: string
  /** What the direct query asks instead. */
  readonly direct?: string
  /** Absent: the texts are equal. */
  readonly accept?: Accept
  /** Needs a declared bound; `any` is right on both sides of it. */
  readonly bound?: 'any' | 'large'
  /** Depends on the order of rows within one record. */
  readonly needsPlace?: true
}

const same = (sql: string): AggregateItem => ({ sql })
const instead = (sql: string, direct: string): AggregateItem => ({ sql, direct })

const isClose = (found: string | null, expected: number | null, tolerance: number): boolean => {
  if (found === null || expected === null) return found === null && expected === null
  if (Number.isNaN(expected)) return found === 'nan'
  const value = Number(found)
  return value === expected || Math.abs(value - expected) <= tolerance * Math.abs(expected)
}

/** A handful of roundings of half a unit in the last place each. */
const roundings = 1.2e-15

const scales: Readonly<Record<string, number>> = { status: 0, bytes: 0, price: 2 }

/** `y|x` of every row where neither is NULL. */
const pairTexts = (y: string, x: string) =>
  `string_agg(CAST(${y} AS VARCHAR) || '|' || CAST(${x} AS VARCHAR), ' '){f}`

function sumsOf(direct: string | null, y: string, x: string): ExactSums {
  const pairs = (direct ?? '').split(' ').filter((text) => text !== '')
  return new ExactSums(
    pairs.map((text) => {
      const [first = '', second = ''] = text.split('|')
      return [unscaled(second, scales[x] ?? 0), unscaled(first, scales[y] ?? 0)]
    }),
  )
}

type Expected = (sums: ExactSums, tens: (digits: number) => bigint) => number | null

function moment(call: string, y: string, x: string, expected: Expected): AggregateItem {
  return {
    sql: `${call}{f}`,
    direct: pairTexts(y, x),
    accept: (found, direct) => {
      const value = expected(sumsOf(direct, y, x), (digits) => 10n ** BigInt(digits))
      return isClose(found, value, roundings)
    },
  }
}

const ratio = (p: bigint, q: bigint): Rational => (q < 0n ? { p: -p, q: -q } : { p, q })
const quotient = (p: bigint, q: bigint) => toDouble(ratio(p, q))

/** stddev and the like of one column. */
function spreads(column: string): readonly AggregateItem[] {
  const digits = 2 * (scales[column] ?? 0)
  const population = ({ xx, count }: ExactSums) => ratio(xx, count * count * 10n ** BigInt(digits))
  const sample = ({ xx, count }: ExactSums) =>
    ratio(xx, count * (count - 1n) * 10n ** BigInt(digits))
  const item = (name: string, least: bigint, value: (sums: ExactSums) => number) =>
    moment(`${name}(${column})`, column, column, (sums) =>
      sums.count < least ? null : value(sums),
    )
  return [
    item('var_pop', 1n, (sums) => toDouble(population(sums))),
    item('var_samp', 2n, (sums) => toDouble(sample(sums))),
    item('variance', 2n, (sums) => toDouble(sample(sums))),
    item('stddev_pop', 1n, (sums) => rootOf(population(sums))),
    item('stddev', 2n, (sums) => rootOf(sample(sums))),
    item('sem', 1n, (sums) => {
      const { p, q } = population(sums)
      return rootOf(ratio(p, q * sums.count))
    }),
  ]
}

/** Functions of two columns: f(y, x). */
function regressions(y: string, x: string): readonly AggregateItem[] {
  const [digitsX, digitsY] = [scales[x] ?? 0, scales[y] ?? 0]
  const item = (name: string, least: bigint, value: Expected) =>
    moment(`${name}(${y}, ${x})`, y, x, (sums, tens) =>
      sums.count < least ? null : value(sums, tens),
    )
  return [
    item('covar_pop', 1n, ({ xy, count }, tens) =>
      quotient(xy, count * count * tens(digitsX + digitsY)),
    ),
    item('covar_samp', 2n, ({ xy, count }, tens) =>
      quotient(xy, count * (count - 1n) * tens(digitsX + digitsY)),
    ),
    item('corr', 1n, ({ xx, xy, yy }) =>
      xx === 0n || yy === 0n ? Number.NaN : (xy < 0n ? -1 : 1) * rootOf(ratio(xy * xy, xx * yy)),
    ),
    item('regr_slope', 1n, ({ xx, xy }, tens) =>
      xx === 0n ? Number.NaN : quotient(xy * tens(digitsX), xx * tens(digitsY)),
    ),
    item('regr_r2', 1n, ({ xx, xy, yy }) => {
      if (xx === 0n) return null
      return yy === 0n ? 1 : quotient(xy * xy, xx * yy)
    }),
    item('regr_sxx', 1n, ({ xx, count }, tens) => quotient(xx, count * tens(2 * digitsX))),
    item('regr_syy', 1n, ({ yy, count }, tens) => quotient(yy, count * tens(2 * digitsY))),
    item('regr_sxy', 1n, ({ xy, count }, tens) => quotient(xy, count * tens(digitsX + digitsY))),
    item('regr_avgx', 1n, (sums, tens) => quotient(sums.x, sums.count * tens(digitsX))),
    item('regr_avgy', 1n, (sums, tens) => quotient(sums.y, sums.count * tens(digitsY))),
    instead(`regr_count(${y}, ${x}){f}`, `CAST(count(${y} + ${x}){f} AS UINTEGER)`),
    intercept(y, x, digitsY),
  ]
}

/** A difference: close by the size of what is subtracted. */
function intercept(y: string, x: string, digitsY: number): AggregateItem {
  return {
    sql: `regr_intercept(${y}, ${x}){f}`,
    direct: pairTexts(y, x),
    accept: (found, direct) => {
      const sums = sumsOf(direct, y, x)
      if (sums.xx === 0n || found === null) return sums.xx === 0n && found === null
      const own = sums.count * sums.xx * 10n ** BigInt(digitsY)
      const expected = quotient(sums.y * sums.xx - sums.xy * sums.x, own)
      const meanY = quotient(sums.y, sums.count * 10n ** BigInt(digitsY))
      const product = quotient(sums.xy * sums.x, own)
      const size = Math.abs(meanY) + Math.abs(product)
      return Math.abs(Number(found) - expected) <= 2 * roundings * size
    },
  }
}

/** The exact mean, rounded once, from its exact total. */
function mean(column: string, scale: number): AggregateItem {
  return {
    sql: `avg(${column}){f}`,
    direct: `CAST(sum(CAST(${column} AS DECIMAL(38,${scale}))){f} AS VARCHAR) || '|' || count(${column}){f}`,
    accept: (found, direct) => {
      if (direct === null) return found === null
      const [total = '', count = ''] = direct.split('|')
      const value = quotient(unscaled(total, scale), BigInt(count) * 10n ** BigInt(scale))
      return isClose(found, value, roundings)
    },
  }
}

/** Sorted values as texts; NULL for none. */
const sortedTexts = (column: string) =>
  `string_agg(CAST(${column} AS VARCHAR), ' ' ORDER BY ${column}){f}`

function isEstimate(found: string, values: readonly number[], quantile: number, accuracy: number) {
  const value = values[Math.floor(quantile * (values.length - 1))] ?? Number.NaN
  const size = Math.max(Math.abs(value), 1e-300)
  // Half a step of the column's type for rounding to it.
  const step = Number.isInteger(value) ? 0.5 : 0.005
  return Math.abs(Number(found) - value) <= 1.0001 * accuracy * size + step
}

function numbersOf(text: string | null): readonly number[] {
  const names: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: NaN }
  const texts = text === null || text === '' ? [] : text.split(' ')
  return texts.map((one) => names[one] ?? Number(one)).filter(Number.isFinite)
}

function estimate(column: string, quantile: number): AggregateItem {
  return {
    sql: `approx_quantile(${column}, ${quantile}){f}`,
    direct: sortedTexts(column),
    accept: (found, direct) => {
      const values = numbersOf(direct)
      if (values.length === 0 || found === null) return values.length === 0 && found === null
      return isEstimate(found, values, quantile, 0.01)
    },
  }
}

/** Exact within the bound, an estimate beyond it; `{bound}` is the declared one. */
function boundedQuantile(call: string, column: string, quantile: number): AggregateItem {
  return {
    sql: `${call}{f}`,
    bound: 'any',
    direct: `CAST(${call}{f} AS VARCHAR) || '/' || count(DISTINCT ${column}){f} || '/{bound}/' || ${sortedTexts(column)}`,
    accept: (found, direct) => {
      if (direct === null || found === null) return direct === null && found === null
      const [exact = '', count = '', bound = '', texts = ''] = direct.split('/')
      if (Number(count) <= Number(bound)) return found === exact
      return isEstimate(found, numbersOf(texts), quantile, 0.01)
    },
  }
}

function isCount(found: number, exact: number): boolean {
  // Five standard errors; few values rarely share a register.
  return Math.abs(found - exact) <= Math.max(3, 5 * 0.023 * exact)
}

function approximateCount(column: string): AggregateItem {
  return {
    sql: `approx_count_distinct(${column}){f}`,
    direct: `count(DISTINCT ${column}){f}`,
    accept: (found, direct) => isCount(Number(found), Number(direct)),
  }
}

function distinctCount(column: string): AggregateItem {
  return {
    sql: `count(DISTINCT ${column}){f}`,
    bound: 'any',
    direct: `count(DISTINCT ${column}){f} || '/{bound}'`,
    accept: (found, direct) => {
      const [exact, bound] = (direct ?? '').split('/').map(Number)
      if (found === null || exact === undefined || bound === undefined) return false
      if (exact <= bound) return Number(found) === exact
      return Number(found) > bound && isCount(Number(found), Math.max(exact, bound + 1))
    },
  }
}

const exact = (item: AggregateItem): AggregateItem => ({ ...item, bound: 'large' })
const placed = (item: AggregateItem): AggregateItem => ({ ...item, needsPlace: true })

const topKDirect =
  'list_slice(list_transform(list_sort(list_transform(map_entries(histogram({x}){f}), lambda e: {n: -(e.value::BIGINT), k: e.key})), lambda e: e.k), 1, 3)'

const nearly: Accept = (found, direct) =>
  found === direct || isClose(found, direct === null ? null : Number(direct), 1e-12)

/** Each item is drawn as often as another: kinds that need less testing have fewer. */
export const aggregateItems: readonly AggregateItem[] = [
  ...['count(*){f}', 'count(host){f}', 'count(bytes){f}', 'count_if(status >= 500){f}'].map(same),
  ...['sum(bytes){f}', 'sum(status){f}', 'sum(price){f}', 'sum(amount){f}', 'sum(flag){f}'].map(
    same,
  ),
  ...['sum(CASE WHEN flag THEN bytes ELSE 0 END){f}', 'sum(CAST(bytes AS HUGEINT)){f}'].map(same),
  ...['min(host){f}', 'max(ts){f}', 'min(day){f}', 'max(price){f}', 'min(amount){f}'].map(same),
  ...['min(ratio){f}', 'max(ratio){f}', 'max(flag){f}', 'max(CAST(ts AS TIMESTAMP)){f}'].map(same),
  ...['max(DISTINCT status){f}', 'min(CAST(status % 100 AS UTINYINT)){f}'].map(same),
  ...['max(CAST(bytes AS HUGEINT)){f}', 'min(CAST(CAST(ts AS TIMESTAMP) AS TIME)){f}'].map(same),
  ...['bool_and(flag){f}', 'bool_or(flag){f}', 'bit_and(status){f}', 'bit_or(bytes){f}'].map(same),
  ...['bit_xor(status){f}', 'bit_and(CAST(bytes AS HUGEINT)){f}'].map(same),
  ...['arg_max(host, status){f}', 'arg_max(bytes, price){f}', 'arg_min(host, ts){f}'].map(same),
  ...['max_by(price, day){f}', 'arg_max(day, amount){f}', 'arg_min_null(price, status){f}'].map(
    same,
  ),
  ...['arg_max_null(host, day){f}', 'arg_max_nulls_last(price, status){f}'].map(same),
  ...['first(host){f}', 'first(bytes){f}', 'last(host){f}', 'any_value(price){f}'].map(same),
  ...['round(sum(bytes) / count(*), 2)', 'coalesce(max(status), 0) % 7'].map(same),
  ...['sum(bytes) // greatest(count(*), 1) + min(status)'].map(same),
  ...["CASE WHEN count(*) > 3 THEN 'many' WHEN bool_or(flag) THEN 'few' END"].map(same),
  ...['max(bytes, 3){f}', 'min(host, 2){f}', 'max(amount, 1){f}', 'min(ratio, 4){f}'].map(same),
  ...['histogram(bytes, [0, 100, 400]){f}', 'histogram_exact(status, [100, 404]){f}'].map(same),
  ...['histogram(price, [-10.5, 0, 10.5]){f}'].map(same),
  placed(
    instead(
      'arg_max(host, bytes, 3){f}',
      'list_slice(list(host ORDER BY bytes DESC, _partition, _offset) FILTER (WHERE ({c}) AND host IS NOT NULL AND bytes IS NOT NULL), 1, 3)',
    ),
  ),
  placed(
    instead('first(host ORDER BY day){f}', 'first(host ORDER BY day, _partition, _offset){f}'),
  ),
  placed(
    instead(
      'last(status ORDER BY day DESC NULLS FIRST){f}',
      'last(status ORDER BY day DESC NULLS FIRST, _partition, _offset){f}',
    ),
  ),
  mean('status', 0),
  mean('price', 2),
  mean('bytes', 0),
  mean('amount', 4),
  ...spreads('status'),
  ...spreads('bytes'),
  ...spreads('price'),
  ...regressions('bytes', 'status'),
  ...regressions('price', 'bytes'),
  ...regressions('status', 'price'),
  approximateCount('host'),
  approximateCount('ts'),
  approximateCount('bytes'),
  approximateCount('ratio'),
  estimate('status', 0.5),
  estimate('bytes', 0.95),
  estimate('bytes', 0),
  estimate('price', 0.99),
  estimate('ratio', 0.5),
  estimate('ratio', 1),
  distinctCount('host'),
  distinctCount('bytes'),
  distinctCount('ratio'),
  distinctCount('amount'),
  distinctCount('ts'),
  boundedQuantile('quantile_disc(bytes, 0.3)', 'bytes', 0.3),
  boundedQuantile('quantile_disc(status, 0.75)', 'status', 0.75),
  ...['median(bytes){f}', 'quantile_cont(price, 0.37){f}', 'median(price){f}'].map(same).map(exact),
  ...['quantile_cont(bytes, [0.1, 0.25, 1]){f}', 'quantile_disc(host, [0.2, 0.8]){f}']
    .map(same)
    .map(exact),
  ...['quantile_cont(status, 0.9){f}', 'quantile_disc(day, 0.5){f}', 'median(host){f}']
    .map(same)
    .map(exact),
  ...['sum(DISTINCT bytes){f}', 'sum(DISTINCT price){f}', 'histogram(host){f}']
    .map(same)
    .map(exact),
  ...['histogram(status){f}', 'list(DISTINCT host ORDER BY host){f}'].map(same).map(exact),
  ...['list(DISTINCT day ORDER BY day DESC NULLS FIRST){f}'].map(same).map(exact),
  ...["string_agg(DISTINCT host, '-' ORDER BY host DESC){f}"].map(same).map(exact),
  exact(instead('list(DISTINCT bytes){f}', 'list(DISTINCT bytes ORDER BY bytes){f}')),
  exact(instead('mode(host){f}', 'mode(host ORDER BY host){f}')),
  exact(instead('mode(status){f}', 'mode(status ORDER BY status){f}')),
  exact(instead('approx_top_k(host, 3){f}', topKDirect.replace('{x}', 'host'))),
  exact(instead('approx_top_k(bytes, 3){f}', topKDirect.replace('{x}', 'bytes'))),
  exact({ sql: 'entropy(status){f}', accept: nearly }),
  exact({ sql: 'entropy(host){f}', accept: nearly }),
]

/** Random views and random rows for the compiler's property test. */
import fc from 'fast-check'
import { quoteLiteral } from '../../sql.ts'

export interface GeneratedView {
  readonly sql: string
  /** Every aggregate is exact: the answer equals DuckDB's own over the same rows. */
  readonly isExact: boolean
  readonly isOrdered: boolean
}

const keyExpressions = [
  'host',
  'status',
  'flag',
  'day',
  'price',
  'ratio',
  "date_trunc('minute', ts)",
  "date_trunc('day', ts)",
  "date_trunc('month', ts)",
  'hour(ts)',
  'CAST(ts AS DATE)',
  'CAST(ts AS TIMESTAMP)',
  'status // 100',
  'upper(host)',
  "CASE WHEN status >= 500 THEN 'error' WHEN status >= 400 THEN 'refused' ELSE 'fine' END",
  'length(host)',
  'CAST(status AS UINTEGER)',
  "coalesce(host, '(none)')",
] as const

const exactAggregates = [
  'count(*)',
  'count(host)',
  'count(bytes)',
  'count_if(status >= 500)',
  'sum(bytes)',
  'sum(status)',
  'sum(price)',
  'sum(CASE WHEN flag THEN bytes ELSE 0 END)',
  'sum(CAST(flag AS INTEGER))',
  'avg(status)',
  'avg(price)',
  'avg(bytes)',
  'min(host)',
  'max(ts)',
  'min(day)',
  'max(price)',
  'min(ratio)',
  'max(ratio)',
  'max(DISTINCT status)',
  'min(CAST(status % 100 AS UTINYINT))',
  'bool_and(flag)',
  'bool_or(flag)',
  'bit_and(status)',
  'bit_or(bytes)',
  'bit_xor(status)',
  'arg_max(host, status)',
  'arg_max(bytes, price)',
  'arg_min(host, ts)',
  'max_by(price, day)',
  'first(host)',
  'first(bytes)',
  'last(host)',
  'any_value(price)',
  'round(sum(bytes) / count(*), 2)',
  'sum(bytes) // greatest(count(*), 1) + min(status)',
  'coalesce(max(status), 0) % 7',
] as const

const sketchAggregates = [
  'approx_quantile(status, 0.5)',
  'approx_quantile(bytes, 0.95)',
  'approx_quantile(bytes, 0)',
  'approx_quantile(price, 0.99)',
  'approx_quantile(ratio, 0.5)',
  'approx_quantile(bytes, [0.1, 0.9])',
  'approx_count_distinct(host)',
  'approx_count_distinct(ts)',
  'approx_count_distinct(bytes)',
  'approx_count_distinct(ratio)',
] as const

const conditions = [
  'status >= 400',
  'flag',
  "host <> 'b'",
  'bytes IS NOT NULL',
  'price BETWEEN -5 AND 5',
  "ts >= TIMESTAMPTZ '2026-11-20 00:00:00+00'",
  'false',
] as const

const windows = [
  'sum(count(*)) OVER (ORDER BY {keys})',
  'row_number() OVER (ORDER BY count(*) DESC)',
  'lag(count(*)) OVER (ORDER BY {keys})',
  'rank() OVER (ORDER BY count(*))',
  'count(*) / sum(count(*)) OVER ()',
] as const

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 2 })

export const viewArbitrary: fc.Arbitrary<GeneratedView> = fc
  .record({
    keys: fc.uniqueArray(fc.constantFrom(...keyExpressions), { maxLength: 3 }),
    keyStyle: fc.constantFrom(
      'ordinal' as const,
      'alias' as const,
      'expression' as const,
      'all' as const,
    ),
    exact: fc.array(
      fc.tuple(fc.constantFrom(...exactAggregates), maybe(fc.constantFrom(...conditions))),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    sketches: fc.array(
      fc.tuple(fc.constantFrom(...sketchAggregates), maybe(fc.constantFrom(...conditions))),
      { maxLength: 2 },
    ),
    where: maybe(fc.constantFrom(...conditions)),
    having: maybe(fc.constantFrom('count(*) > 1', 'max(status) >= 400', 'a0 IS NOT NULL')),
    order: maybe(fc.constantFrom('a0', '1 DESC', 'count(*) DESC', 'a0 NULLS FIRST')),
    limit: maybe(fc.integer({ min: 0, max: 4 })),
    window: maybe(fc.constantFrom(...windows)),
  })
  .map(({ keys, keyStyle, exact, sketches, where, having, order, limit, window }) => {
    const aggregates = [...exact, ...sketches].map(
      ([sql, filter], index) => `${filtered(sql, filter)} AS a${index}`,
    )
    const keyItems = keys.map((key, index) => `${key} AS k${index}`)
    const groupings = {
      ordinal: keys.map((_, index) => `${index + 1}`),
      alias: keys.map((_, index) => `k${index}`),
      expression: keys,
      all: ['ALL'],
    }
    // DuckDB cannot see through GROUP BY ALL from inside a window.
    const style = window !== null && keyStyle === 'all' ? 'expression' : keyStyle
    // All keys at the end: the direct query then has one right order, as the compiled one always has.
    const ties = keys.map((_, index) => `k${index}`)
    const windowItem =
      window === null || keys.length === 0
        ? []
        : [`${withTies(window, keys).replace('{keys}', keys.join(', '))} AS w`]
    const isOrdered = order !== null || (limit !== null && ties.length > 0)
    const sql = [
      `SELECT ${[...keyItems, ...aggregates, ...windowItem].join(', ')}`,
      'FROM events',
      ...(where === null ? [] : [`WHERE ${where}`]),
      ...(keys.length === 0 ? [] : [`GROUP BY ${groupings[style].join(', ')}`]),
      ...(having === null ? [] : [`HAVING ${having}`]),
      ...(isOrdered
        ? [`ORDER BY ${[...(order === null ? [] : [order]), ...ties].join(', ')}`]
        : []),
      ...(limit === null ? [] : [`LIMIT ${limit}`]),
    ].join('\n')
    return { sql, isExact: sketches.length === 0, isOrdered }
  })

/** A function that numbers rows needs the ties decided in the direct query too. */
function withTies(window: string, ties: readonly string[]): string {
  return window.startsWith('row_number')
    ? window.replace('DESC)', `DESC, ${ties.join(', ')})`)
    : window
}

/** FILTER belongs to the aggregate; expressions around aggregates stay as they are. */
function filtered(sql: string, filter: string | null): string {
  const isCall = !sql.startsWith('round') && /^\w+\((?:[^()]|\([^()]*\))*\)$/.test(sql)
  return filter === null || !isCall ? sql : `${sql} FILTER (WHERE ${filter})`
}

export interface GeneratedRow {
  /** SQL literals of ts to day. */
  readonly values: readonly string[]
  /** Which partial the row belongs to. */
  readonly part: number
  readonly partition: number
}

const orNull = (arbitrary: fc.Arbitrary<string>) => fc.option(arbitrary, { nil: 'NULL', freq: 5 })

const microsecondsArbitrary = fc.oneof(
  // Most rows around two hours, some years off: late, early and before 1970.
  fc.bigInt({ min: 1_795_132_800_000_000n, max: 1_795_140_000_000_000n }),
  fc.bigInt({ min: -60_000_000_000_000_000n, max: 4_000_000_000_000_000n }),
)

export const rowArbitrary: fc.Arbitrary<GeneratedRow> = fc.record({
  values: fc.tuple(
    orNull(microsecondsArbitrary.map((micros) => `make_timestamptz(${micros})`)),
    orNull(fc.constantFrom('a', 'b', 'c', 'ü', '日本', '', 'A').map(quoteLiteral)),
    orNull(fc.constantFrom('100', '200', '200', '204', '301', '404', '500', '599', '0')),
    orNull(
      fc.oneof(
        fc.integer({ min: -50, max: 1000 }).map(String),
        fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).map(String),
      ),
    ),
    orNull(fc.integer({ min: -2000, max: 2000 }).map((cents) => `${cents / 100}`)),
    orNull(
      fc
        .constantFrom('0.0', '-0.0', '1.5', '-1.5', '1e300', '-1e-300', '3.25', '0.1')
        .map((number) => `CAST('${number}' AS DOUBLE)`),
    ),
    orNull(fc.constantFrom('true', 'false')),
    orNull(fc.constantFrom('2026-11-20', '2026-11-21', '1969-12-31').map((d) => `DATE '${d}'`)),
  ),
  part: fc.integer({ min: 0, max: 3 }),
  partition: fc.integer({ min: 0, max: 2 }),
})

/**
 * Random views over the whole table of aggregates, each with the query that DuckDB answers directly.
 *
 * A view of many triples groups by `triple` before anything else, so that one statement answers for as many
 * sets of rows. A view of one triple has no such key: it may have none at all, and a LIMIT.
 */
import { type Accept, type AggregateItem, aggregateItems } from './aggregate-items.ts'
import type { SeededRandom } from './seeded-random.ts'

export interface GeneratedView {
  readonly sql: string
  /** Over `direct_events`, DuckDB's own answer or what the answer follows from. */
  readonly directSql: string
  /** How a column is compared where its text need not be equal. */
  readonly accepts: ReadonlyMap<string, Accept>
  readonly isOrdered: boolean
  readonly isOfMany: boolean
}

const keyExpressions = [
  'host',
  'status',
  'flag',
  'day',
  'price',
  'ratio',
  'amount',
  "date_trunc('minute', ts)",
  "date_trunc('day', ts)",
  "date_trunc('month', ts)",
  'time_bucket(INTERVAL 15 MINUTE, ts)',
  'hour(ts)',
  'CAST(ts AS DATE)',
  'CAST(ts AS TIMESTAMP)',
  'CAST(CAST(ts AS TIMESTAMP) AS TIME)',
  'status // 100',
  'upper(host)',
  "CASE WHEN status >= 500 THEN 'error' WHEN status >= 400 THEN 'refused' ELSE 'fine' END",
  'length(host)',
  'CAST(status AS UINTEGER)',
  'CAST(bytes AS HUGEINT)',
  "coalesce(host, '(none)')",
] as const

const conditions = [
  'status >= 400',
  'flag',
  "host <> 'b'",
  'bytes IS NOT NULL',
  'price BETWEEN -5 AND 5',
  'amount < 0',
  "ts >= TIMESTAMPTZ '2026-11-20 00:00:00+00'",
  'false',
] as const

/** What is below the aggregation: rows as they are, or row by row something else, with the column `x`. */
const sources: readonly { readonly from: string; readonly with?: string }[] = [
  { from: '(SELECT unnest([host, upper(host), NULL]) AS x, * FROM events) AS e' },
  {
    from: '(SELECT unnest(CASE WHEN flag THEN [] WHEN day IS NULL THEN NULL ELSE [host, day::VARCHAR] END) AS x, unnest([1, 2]) AS y, * FROM events WHERE status >= 200) AS e',
  },
  { from: 'events AS e, unnest([host, status::VARCHAR]) AS u(x)' },
  {
    from: "events AS e CROSS JOIN unnest(string_split(host, '')) AS u(c) CROSS JOIN unnest([c, 'z']) AS w(x)",
  },
  { with: 'r AS (SELECT upper(host) AS x, * FROM events WHERE bytes IS NOT NULL)', from: 'r AS e' },
  {
    with: 'r AS (SELECT unnest([host, NULL]) AS z, * FROM events), s AS (SELECT unnest([z, day::VARCHAR]) AS x, * FROM r)',
    from: 's AS e',
  },
]

const windows = [
  'sum(count(*)) OVER (PARTITION BY {part} ORDER BY {keys})',
  'row_number() OVER (PARTITION BY {part} ORDER BY count(*) DESC, {keys})',
  'lag(count(*)) OVER (PARTITION BY {part} ORDER BY {keys})',
  'rank() OVER (PARTITION BY {part} ORDER BY count(*))',
  'count(*) / sum(count(*)) OVER (PARTITION BY {part})',
  'max(min(status)) OVER (PARTITION BY {part} ORDER BY {keys} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)',
  'sum(sum(price)) OVER (PARTITION BY {part} ORDER BY {keys} ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)',
] as const

/** What runs over the view `q`; the second text is what tells its rows apart, in the direct query. */
const above = [
  'SELECT {part} AS p, count(*) AS n, max(a0) AS m, min(n0) AS l FROM q GROUP BY p',
  'SELECT {part} AS p, a0, n0 FROM q QUALIFY row_number() OVER (PARTITION BY {part} ORDER BY n0 DESC, {all}) <= 2',
  "SELECT {part} AS p, 'a' AS w, n0 FROM q WHERE n0 > 1 UNION ALL SELECT {part}, 'b', sum(n0) FROM q GROUP BY ALL",
  'SELECT {part} AS p, sum(n0) OVER (PARTITION BY {part} ORDER BY {all} ROWS 2 PRECEDING) AS s FROM q',
  'SELECT {part} AS p, list(n0 ORDER BY n0) AS l, any_value(n0 ORDER BY n0) AS v FROM q GROUP BY ALL',
  'SELECT DISTINCT {part} AS p, n0 FROM q',
  'SELECT {part} AS p, n0 FROM q WHERE n0 > (SELECT avg(n0) FROM q AS o WHERE o.n0 IS NOT NULL)',
] as const

interface Shape {
  readonly isOfMany: boolean
  readonly keys: readonly string[]
  readonly source: { readonly from: string; readonly with?: string }
  readonly items: readonly { readonly item: AggregateItem; readonly filter: string | null }[]
  readonly bound: number
}

export function generateView(random: SeededRandom, isOfMany: boolean): GeneratedView {
  const shape = generateShape(random, isOfMany)
  const kind = random.next()
  if (kind < 0.12) return viewAbove(random, shape)
  return kind < 0.3 && shape.keys.length > 0
    ? viewOfGroupingSets(random, shape)
    : plainView(random, shape)
}

function generateShape(random: SeededRandom, isOfMany: boolean): Shape {
  const isPlain = random.chance(0.75)
  const source = isPlain ? { from: 'events AS e' } : random.pick(sources)
  const bound = random.pick([2, 5, 64])
  const usable = aggregateItems.filter(
    ({ bound: needs, needsPlace }) =>
      (needs !== 'large' || bound === 64) && (isPlain || needsPlace !== true),
  )
  const ownKeys = isPlain ? keyExpressions : [...keyExpressions, 'x', 'x', 'x', 'x', 'x']
  const keys = [...new Set(random.some(ownKeys, 3))]
  const count = 1 + random.below(5)
  const items = Array.from({ length: count }, () => ({
    item: random.pick(usable),
    filter: random.chance(0.35) ? random.pick(conditions) : null,
  }))
  return { isOfMany, keys, source, items, bound }
}

interface Texts {
  readonly sql: string
  readonly direct: string
}

/** The call of an item in the view and in the direct query. */
function textsOf({ item, filter }: Shape['items'][number], bound: number): Texts {
  const fill = (text: string) =>
    text
      .replaceAll('{f}', filter === null ? '' : ` FILTER (WHERE ${filter})`)
      .replaceAll('{c}', filter ?? 'true')
      .replaceAll('{bound}', `${bound}`)
  return { sql: fill(item.sql), direct: fill(item.direct ?? item.sql) }
}

interface Clauses {
  readonly list: readonly Texts[]
  readonly clauses: readonly string[]
  /** Behind them in the direct query: the order that the compiled view has by itself. */
  readonly ties?: readonly string[]
}

/** The two statements: the view with its options, and the direct query over the same rows. */
function statements({ source, bound }: Shape, { list, clauses }: Clauses): Texts {
  const prefix = source.with === undefined ? '' : `WITH ${source.with} `
  const body = (items: readonly string[]) =>
    `${prefix}SELECT ${items.join(', ')}\nFROM ${source.from}\n${clauses.join('\n')}`
  return {
    sql: `${body(list.map(({ sql }) => sql))}\n-- millrace: distinct_exact_max = ${bound}`,
    direct: body(list.map(({ direct }) => direct)),
  }
}

interface ItemView {
  readonly filter?: string
  readonly where?: string
  readonly having?: string
  readonly bound?: number
}

/** One item of the table by its call, for each triple: a view of a known form. */
export function viewOfCall(
  call: string,
  { filter, where, having, bound = 64 }: ItemView = {},
): GeneratedView {
  const item = aggregateItems.find(({ sql }) => sql === `${call}{f}`)
  if (item === undefined) throw new Error(`${call} is not in the table.`)
  const items = [{ item, filter: filter ?? null }]
  const shape = { isOfMany: true, keys: [], source: { from: 'events AS e' }, items, bound }
  const { keyItems, aggregates } = listOf(shape)
  const clauses = [
    ...(where === undefined ? [] : [`WHERE ${where}`]),
    'GROUP BY e.triple',
    ...(having === undefined ? [] : [`HAVING ${having}`]),
  ]
  const { sql, direct } = statements(shape, { list: [...keyItems, ...aggregates], clauses })
  return { sql, directSql: direct, accepts: acceptsOf(shape), isOrdered: false, isOfMany: true }
}

/** A view that DuckDB answers directly, to the last digit. */
export function viewOfSql(sql: string): GeneratedView {
  return { sql, directSql: sql, accepts: new Map(), isOrdered: false, isOfMany: true }
}

const named = ({ sql, direct }: Texts, name: string): Texts => ({
  sql: `${sql} AS ${name}`,
  direct: `${direct} AS ${name}`,
})
const both = (sql: string): Texts => ({ sql, direct: sql })

function listOf({ isOfMany, keys, items, bound }: Shape) {
  const keyItems = [
    ...(isOfMany ? [both('e.triple AS t')] : []),
    ...keys.map((key, index) => both(`${key} AS k${index}`)),
  ]
  const aggregates = items.map((item, index) => named(textsOf(item, bound), `a${index}`))
  return { keyItems, aggregates }
}

function acceptsOf({ items }: Shape): ReadonlyMap<string, Accept> {
  const entries = items.flatMap(({ item }, index) =>
    item.accept === undefined ? [] : [[`a${index}`, item.accept] as const],
  )
  return new Map(entries)
}

function plainView(random: SeededRandom, shape: Shape): GeneratedView {
  const { isOfMany, keys } = shape
  const { keyItems, aggregates } = listOf(shape)
  const all = [...(isOfMany ? ['e.triple'] : []), ...keys]
  const window = random.chance(0.25) && all.length > 0 ? random.pick(windows) : null
  const isAllowedAll = window === null && all.length > 0
  const style = random.pick(['ordinal', 'expression', ...(isAllowedAll ? ['all'] : [])])
  const groups = {
    ordinal: all.map((_, index) => `${index + 1}`),
    expression: all,
    all: ['ALL'],
  }[style as 'ordinal']
  const having = random.chance(0.2)
    ? random.pick(['count(*) > 1', 'max(status) >= 400', 'sum(bytes) IS NOT NULL'])
    : null
  const tail = isOfMany ? [] : ending(random, keys)
  const where = random.chance(0.3) ? [`WHERE ${random.pick(conditions)}`] : []
  const clauses = [
    ...where,
    ...(all.length === 0 ? [] : [`GROUP BY ${groups.join(', ')}`]),
    ...(having === null ? [] : [`HAVING ${having}`]),
  ]
  const windowItems = window === null ? [] : [both(`${filledWindow(window, isOfMany, all)} AS w`)]
  const list = [...keyItems, ...aggregates, ...windowItems]
  const own = statements(shape, { list, clauses: [...clauses, ...tail] })
  const direct = statements(shape, { list, clauses: [...clauses, ...withTies(tail, keys)] })
  return {
    sql: own.sql,
    directSql: direct.direct,
    accepts: acceptsOf(shape),
    isOrdered: tail.length > 0,
    isOfMany,
  }
}

function filledWindow(window: string, isOfMany: boolean, all: readonly string[]): string {
  return window
    .replace('{part}', isOfMany ? 'e.triple' : '1 + 1')
    .replaceAll('{keys}', all.join(', '))
}

/** ORDER BY and LIMIT of a view that has them: by something that leaves ties. */
function ending(random: SeededRandom, keys: readonly string[]): readonly string[] {
  if (keys.length === 0 || random.chance(0.4)) return []
  const order = random.pick(['count(*) DESC', 'max(status)', 'min(day) NULLS FIRST', 'k0 DESC'])
  const limit = random.chance(0.6) ? [`LIMIT ${random.below(4)}`] : []
  const offset = limit.length > 0 && random.chance(0.3) ? ['OFFSET 1'] : []
  return [`ORDER BY ${order}`, ...limit, ...offset]
}

function withTies(tail: readonly string[], keys: readonly string[]): readonly string[] {
  const ties = keys.map((_, index) => `k${index}`).join(', ')
  return tail.map((clause) => (clause.startsWith('ORDER') ? `${clause}, ${ties}` : clause))
}

function viewOfGroupingSets(random: SeededRandom, shape: Shape): GeneratedView {
  const { isOfMany, keys } = shape
  const { keyItems, aggregates } = listOf(shape)
  const [first = ''] = keys
  const list = keys.join(', ')
  const sets = random.pick([
    `ROLLUP (${list})`,
    `CUBE (${keys.slice(0, 2).join(', ')})${keys.length > 2 ? `, ${keys[2]}` : ''}`,
    `GROUPING SETS ((${list}), (${first}), ())`,
    `GROUPING SETS ((${first}), (${list}), (${first}))`,
  ])
  const groups = isOfMany ? `e.triple, ${sets}` : sets
  const numbers = [both(`grouping(${list}) AS g`), both(`grouping(${first}) AS g0`)]
  const having = random.chance(0.2) ? [`HAVING count(*) > 1 OR grouping(${first}) = 1`] : []
  const items = [...keyItems, ...numbers, ...aggregates]
  const { sql, direct } = statements(shape, {
    list: items,
    clauses: [`GROUP BY ${groups}`, ...having],
  })
  return { sql, directSql: direct, accepts: acceptsOf(shape), isOrdered: false, isOfMany }
}

/** Only aggregates with equal texts: what is above them shows nothing else. */
function viewAbove(random: SeededRandom, shape: Shape): GeneratedView {
  const isSimple = ({ item }: Shape['items'][number]) =>
    item.accept === undefined && !/\[|list|histogram|top_k/.test(item.sql)
  const items = shape.items.filter(isSimple)
  if (items.length === 0) return plainView(random, shape)
  const inner = { ...shape, items }
  const { keyItems, aggregates } = listOf(inner)
  const list = [...keyItems, ...aggregates, both('count(*) AS n0')]
  const all = [...(shape.isOfMany ? ['e.triple'] : []), ...shape.keys]
  const clauses = all.length === 0 ? [] : [`GROUP BY ${all.join(', ')}`]
  const { sql, direct } = statements(inner, { list, clauses })
  const names = [
    ...(shape.isOfMany ? ['t'] : []),
    ...shape.keys.map((_, index) => `k${index}`),
    'n0',
  ]
  const template = random.pick(above)
  // A mean over all triples would let one decide about another.
  const isSafe = shape.isOfMany && template.includes('FROM q AS o') ? above[0] : template
  const outer = isSafe
    .replaceAll('{part}', shape.isOfMany ? 't' : '5')
    .replaceAll('{all}', names.join(', '))
  const wrap = (text: string) => `WITH q AS (${text}\n)\n${outer}`
  return {
    sql: wrap(sql),
    directSql: wrap(direct),
    accepts: new Map(),
    isOrdered: false,
    isOfMany: shape.isOfMany,
  }
}

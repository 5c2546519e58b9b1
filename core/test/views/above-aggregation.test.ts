import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../../stores/engine/duckdb.ts'
import type { Compile } from './check-triples.ts'
import { compilerFor, eventColumns, rowTexts } from './compile-fixture.ts'

/*
 * Groups leave a merge in an order that depends on the parts, and with several threads on chance.
 * Whatever runs above the aggregation must give the same rows and digits all the same.
 */
let database: Database
let compile: Compile

const values: Readonly<Record<string, string>> = {
  ts: 'make_timestamptz(1795132800000000 + i * 1000)',
  host: "'h' || (i * 7919 % 5000)",
  status: 'i % 6',
  bytes: 'i * 7919 % 20011',
  price: '(i * 31 % 2000) / 100.0',
  ratio: 'sin(i)',
  day: "DATE '2026-11-20' + (i % 3)::INTEGER",
  _partition: 'i % 3',
  _offset: 'i // 3',
}

beforeAll(async () => {
  database = await Database.open({ threads: 2, memoryBytesMax: 512 * 1024 * 1024 })
  compile = compilerFor(database)
  const columns = eventColumns.map(
    ({ name, type }) => `CAST(${values[name] ?? 'NULL'} AS ${type}) AS ${name}`,
  )
  await database.run(
    `CREATE TABLE events AS SELECT ${columns.join(', ')} FROM range(30000) AS r(i)`,
  )
})
afterAll(async () => await database[Symbol.asyncDispose]())

const cuts = [
  ['true'],
  ['status < 3', 'status >= 3'],
  ["host < 'h3'", "host >= 'h3'"],
  ['_offset < 1000', '_offset BETWEEN 1000 AND 7000', '_offset > 7000'],
]

/** Every different answer over all ways to cut the rows. */
async function answers(sql: string, change = (finalize: string) => finalize): Promise<number> {
  const view = await compile(sql)
  const found = new Set<string>()
  for (const parts of cuts) {
    for (const order of [parts, parts.toReversed()]) {
      const partials = order.map((part) => {
        const rows = `(SELECT * FROM events WHERE ${part})`
        return `SELECT * FROM (${view.partialSql(rows)})`
      })
      const merged = `(${view.mergeSql(`(${partials.join(' UNION ALL ')})`)})`
      const rows = await rowTexts(database, change(view.finalizeSql(merged)))
      found.add(JSON.stringify(rows.toSorted((a, b) => (a < b ? -1 : 1))))
    }
  }
  return found.size
}

const groups =
  'SELECT host, day, avg(bytes) / 7 AS a, stddev(price) AS d, count(*) AS n FROM events GROUP BY ALL'
const sums = `SELECT day, sum(a) AS s FROM (${groups}) GROUP BY day`

describe('the same rows and digits, whatever the split', () => {
  it.each([
    sums,
    `SELECT day, avg(a), stddev(a), corr(a, n), product(a / 1e4) FROM (${groups}) GROUP BY day`,
    `SELECT day, arg_max(host, n), mode(n), first(host), any_value(a), list(host), string_agg(host, ',') FROM (${groups}) GROUP BY day`,
    `WITH q AS (${groups}) SELECT host, day, row_number() OVER (PARTITION BY day ORDER BY n DESC) AS r FROM q`,
    `WITH q AS (${groups}) SELECT host, day, sum(a) OVER (PARTITION BY day) AS s FROM q`,
    `WITH q AS (${groups}) SELECT host, avg(a) OVER (ORDER BY n ROWS 20 PRECEDING) AS m, last_value(host) OVER () AS l FROM q`,
    `WITH q AS (${groups}) SELECT host, n FROM q ORDER BY n DESC LIMIT 7`,
    `WITH q AS (${groups}) SELECT DISTINCT ON (day) day, host FROM q ORDER BY day, n`,
    `WITH q AS (${groups}) SELECT a.day, sum(a.a * b.a) AS s FROM q AS a JOIN q AS b ON a.host = b.host GROUP BY a.day`,
    `SELECT host, sum(avg(bytes) / 7) OVER (PARTITION BY day) AS s, lag(host) OVER (ORDER BY count(*)) AS l FROM events GROUP BY host, day`,
    `SELECT host, count(*) AS n FROM events GROUP BY host ORDER BY n LIMIT 5 OFFSET 2`,
  ])('%s', async (sql) => {
    expect(await answers(sql)).toBe(1)
  })

  it('is not so by itself', async () => {
    const unordered = (finalize: string) =>
      finalize.replace(/ ORDER BY a ASC[^)]*|(?<=sum\(a) ORDER BY a/, '')
    expect(await answers(sums, unordered)).toBeGreaterThan(1)
  })
})

describe('frames that end among rows with equal values', () => {
  it.each([
    'SELECT host, sum(avg(bytes)) OVER (ORDER BY count(*)) FROM events GROUP BY host',
    'SELECT host, last_value(host) OVER (ORDER BY count(*)) FROM events GROUP BY host',
    `WITH q AS (${groups}) SELECT sum(a) OVER (PARTITION BY day ORDER BY n) FROM q`,
  ])('are refused: %s', async (sql) => {
    await expect(compile(sql)).rejects.toThrow(/a frame that ends among rows with equal values/)
  })

  it.each([
    'SELECT host, sum(sum(bytes)) OVER (ORDER BY count(*)) FROM events GROUP BY host',
    'SELECT host, sum(avg(bytes)) OVER (ORDER BY host) FROM events GROUP BY host',
    `WITH q AS (${groups}) SELECT sum(a) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) FROM q`,
    `WITH q AS (${groups}) SELECT sum(n) OVER (PARTITION BY day ORDER BY n) FROM q`,
  ])('are allowed where nothing depends on it: %s', async (sql) => {
    expect(await answers(sql)).toBe(1)
  })
})

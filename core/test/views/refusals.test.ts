import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../stores/engine/duckdb.ts'
import { MillraceError } from '../../errors.ts'
import type { CompiledView } from '../../views/compiled-view.ts'
import { compilerFor, openDatabase } from './compile-fixture.ts'

let database: Database
let compile: (sql: string) => Promise<CompiledView>

beforeAll(async () => {
  database = await openDatabase([
    'CREATE MACRO doubled(x) AS x * 2',
    'CREATE MACRO right_now() AS now()',
    'CREATE MACRO late() AS right_now()',
    'CREATE MACRO total(x) AS sum(x)',
  ])
  compile = compilerFor(database)
})
afterAll(async () => await database[Symbol.asyncDispose]())

/** The view, the column of its first line that the message points at, what it says, what to do. */
const refused: readonly [sql: string, column: number, what: RegExp, remedy: RegExp][] = [
  ['SELECT host, row_number() OVER (ORDER BY ts) FROM events', 14, /raw rows/, /Aggregate first/],
  ['SELECT host FROM events QUALIFY row_number() OVER (ORDER BY ts) = 1', 33, /raw rows/, /first/],
  ['SELECT list(host) FROM events', 8, /list\(\) cannot be merged/, /Group by the value/],
  ["SELECT string_agg(host, ',') FROM events", 8, /string_agg/, /Group by the value/],
  ['SELECT mode(host) FROM events', 8, /mode\(\)/, /ORDER BY count/],
  ['SELECT median(bytes) FROM events', 8, /median\(\)/, /approx_quantile/],
  ['SELECT stddev(bytes) FROM events', 8, /stddev\(\)/, /Use count, sum/],
  ['SELECT count(DISTINCT host) FROM events', 8, /DISTINCT/, /approx_count_distinct/],
  ['SELECT first(host ORDER BY ts) FROM events', 8, /ORDER BY inside/, /arg_max/],
  ['SELECT max(bytes, 3) FROM events', 8, /2 arguments/, /one value/],
  ['SELECT sum(ratio) FROM events', 8, /type DOUBLE/, /Declare the column DECIMAL/],
  ['SELECT avg(ratio) FROM events', 8, /type DOUBLE/, /Declare the column DECIMAL/],
  ['SELECT approx_quantile(ts, 0.5) FROM events', 8, /approx_quantile/, /Use a number/],
  ['SELECT count(*) FROM events TABLESAMPLE 10%', 22, /samples/, /WHERE/],
  ['SELECT count(*) FILTER (WHERE ts > now()) FROM events', 36, /now\(\)/, /curated\.sql/],
  ['SELECT count(*) FROM events WHERE day = current_date', 41, /current_date/, /curated\.sql/],
  ['SELECT count(*) FROM events WHERE ts < current_timestamp', 40, /current_tim/, /curated\.sql/],
  ['SELECT random() AS r, count(*) FROM events GROUP BY 1', 8, /random\(\)/, /curated\.sql/],
  ['SELECT hash(host), count(*) FROM events GROUP BY 1', 8, /hash\(\)/, /md5/],
  ["SELECT current_setting('TimeZone'), count(*) FROM events", 8, /current_setting/, /Write the/],
  ['SELECT late(), count(*) FROM events GROUP BY 1', 8, /now\(\)/, /curated\.sql/],
  ['SELECT total(bytes) FROM events', 8, /macro total\(\)/, /in the view/],
  ['SELECT count(*) FROM events a JOIN events b ON a.host = b.host', 36, /joins/, /curated\.sql/],
  ['SELECT count(*) FROM events, users', 30, /joins/, /curated\.sql/],
  ['SELECT count(*) FROM users', 22, /'users' is not 'events'/, /curated\.sql/],
  ['SELECT count(*) FROM main.events', 22, /'main\.events'/, /curated\.sql/],
  ["SELECT count(*) FROM read_csv('x.csv')", 22, /read_csv\(\) is a table func/, /curated\.sql/],
  [
    'SELECT count(*) FROM events WHERE bytes > (SELECT avg(bytes) FROM events)',
    67,
    /second/,
    /two/,
  ],
  ['SELECT host, (SELECT 1) FROM events GROUP BY 1', 14, /subquery/, /FILTER or HAVING/],
  ['SELECT host FROM events', 8, /no aggregation/, /Add an aggregate/],
  ['SELECT DISTINCT host FROM events', 17, /no aggregation/, /GROUP BY instead/],
  ['SELECT * FROM events', 8, /no aggregation/, /Add an aggregate/],
  ['SELECT *, count(*) FROM events GROUP BY host', 8, /selects \*/, /Name the keys/],
  ['SELECT max(COLUMNS(*)) FROM events', 12, /selects \*/, /Name the keys/],
  ['SELECT DISTINCT ON (host) host, count(*) FROM events GROUP BY 1', 21, /DISTINCT ON/, /arg_max/],
  ['SELECT DISTINCT count(*) FROM events GROUP BY host LIMIT 5', 1, /DISTINCT with LIMIT/, /GROUP/],
  ['SELECT host, count(*) FROM events GROUP BY ROLLUP (host)', 52, /ROLLUP/, /finest keys/],
  ['SELECT ts::TIME AS t, count(*) FROM events GROUP BY t', 10, /groups by a TIME/, /Group by a/],
  ['SELECT list_transform([count(*)], x -> x + 1) FROM events', 37, /lambda/, /curated\.sql/],
  ['SELECT nosuch, count(*) FROM events GROUP BY 1', 8, /"nosuch" not found/, /Correct/],
  ['SELECT host, bytes FROM events GROUP BY host', 14, /must appear in the GROUP BY/, /GROUP BY 1/],
  ['SELECT count(* FROM events', 16, /syntax error/, /Correct the SQL/],
  ['SELECT 1; SELECT 2', 1, /2 statements/, /file of its own/],
  ['INSERT INTO events VALUES (1)', 1, /Only SELECT/, /Correct the SQL/],
  ["SELECT 'äöü日本', sum(ratio) FROM events", 17, /type DOUBLE/, /DECIMAL/],
]

describe('the compiler refuses', () => {
  it.each(refused)('%s', async (sql, column, what, remedy) => {
    const error = await compile(`-- A view.\n${sql}`).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(MillraceError)
    const { code, message, details } = error as MillraceError
    expect(code).toBe('VIEW_REFUSED')
    // A message about the statement as a whole points at the start of the file.
    const place = column === 1 ? [1, 1] : [2, column]
    expect([details['line'], details['column']], message).toEqual(place)
    expect(message).toMatch(/^views\/v\.sql:\d+:\d+: The view 'v' is refused: /)
    expect(message).toMatch(what)
    expect(message).toMatch(remedy)
  })
})

describe('the compiler accepts', () => {
  it.each([
    'SELECT count(*) FROM events; -- done',
    'FROM events SELECT count(*)',
    'SELECT doubled(sum(bytes)) FROM events',
    'SELECT e.host, count(*) FROM events e GROUP BY e.host',
    'SELECT events.host, count(*) FROM events GROUP BY host',
    'WITH q AS (SELECT host, sum(bytes) AS b FROM events GROUP BY 1) SELECT * FROM q WHERE b > 5',
    'SELECT max(n) FROM (SELECT host, count(*) AS n FROM events GROUP BY host)',
    'SELECT host, count(*) AS n, n * 2 AS twice FROM events GROUP BY 1 HAVING n > 1 ORDER BY twice',
  ])('%s', async (sql) => {
    const view = await compile(sql)
    expect(view.columns.length).toBeGreaterThan(0)
  })
})

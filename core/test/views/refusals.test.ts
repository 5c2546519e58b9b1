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

/** The view with a declared bound, behind it so that places stay. */
const bounded = (sql: string) => `${sql}\n-- millrace: distinct_exact_max = 9`

/** The view, the column of its first line that the message points at, what it says, what to do. */
const refused: readonly [sql: string, column: number, what: RegExp, remedy: RegExp][] = [
  ['SELECT host, row_number() OVER (ORDER BY ts) FROM events', 14, /raw rows/, /Aggregate first/],
  ['SELECT host FROM events QUALIFY row_number() OVER (ORDER BY ts) = 1', 33, /raw rows/, /first/],
  ['SELECT list(host) FROM events', 8, /list\(\) cannot be merged/, /list\(DISTINCT x\)/],
  ["SELECT string_agg(host, ',') FROM events", 8, /string_agg/, /DISTINCT x/],
  [
    'SELECT list(host ORDER BY ts) FROM events',
    8,
    /list\(\) cannot be merged/,
    /arg_max\(x, by, n\)/,
  ],
  [
    bounded('SELECT list(DISTINCT host ORDER BY upper(host)) FROM events'),
    8,
    /something else/,
    /ORDER BY x/,
  ],
  ['SELECT list(DISTINCT host) FROM events', 8, /no bound/, /distinct_exact_max/],
  ['SELECT mode(host) FROM events', 8, /mode\(\) keeps every/, /ORDER BY count/],
  ['SELECT median(bytes) FROM events', 8, /median\(\) keeps every/, /approx_quantile/],
  ['SELECT count(DISTINCT host) FROM events', 8, /DISTINCT/, /approx_count_distinct/],
  ['SELECT sum(DISTINCT bytes) FROM events', 8, /no bound/, /distinct_exact_max/],
  ['SELECT histogram(host) FROM events', 8, /no bound/, /give it bins/],
  ['SELECT histogram(bytes, [20, 10]) FROM events', 8, /the bins/, /ascending/],
  ['SELECT approx_top_k(host, 3) FROM events', 8, /no bound/, /GROUP BY x ORDER BY n DESC LIMIT 3/],
  ['SELECT entropy(host) FROM events', 8, /no bound/, /distinct_exact_max/],
  [bounded('SELECT quantile_cont(day, 0.5) FROM events'), 8, /quantile_cont/, /quantile_disc/],
  [bounded('SELECT quantile_disc(bytes, 1.0 / 3) FROM events'), 8, /is asked for/, /0 to 1/],
  [
    bounded('SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY bytes DESC) FROM events'),
    8,
    /descending/,
    /1 - q/,
  ],
  ['SELECT mad(bytes) FROM events', 8, /mad\(\) cannot/, /approx_quantile/],
  ['SELECT skewness(bytes) FROM events', 8, /skewness\(\) cannot/, /stddev/],
  ['SELECT kurtosis(bytes) FROM events', 8, /kurtosis\(\) cannot/, /stddev/],
  ['SELECT product(bytes) FROM events', 8, /product\(\) cannot/, /exp\(sum/],
  ['SELECT fsum(bytes) FROM events', 8, /fsum\(\) cannot/, /sum\(x\)/],
  ['SELECT geomean(bytes) FROM events', 8, /macro geomean\(\)/, /in the view/],
  ['SELECT reservoir_quantile(bytes, 0.5) FROM events', 8, /reservoir/, /approx_quantile/],
  ['SELECT bitstring_agg(status, 0, 9) FROM events', 8, /bitstring_agg/, /bit_or/],
  ['SELECT stddev(ratio) FROM events', 8, /type DOUBLE/, /DECIMAL/],
  ['SELECT corr(bytes, ratio) FROM events', 8, /type DOUBLE/, /DECIMAL/],
  ['SELECT var_pop(CAST(bytes AS HUGEINT)) FROM events', 8, /over HUGEINT/, /BIGINT/],
  ['SELECT avg(ts) FROM events', 8, /avg\(\) over TIMESTAMP/, /epoch_us/],
  ['SELECT max([host]) FROM events', 8, /over VARCHAR\[\]/, /Cast the argument/],
  ['SELECT first(host ORDER BY ts, day) FROM events', 8, /more than one value/, /Order by one/],
  ['SELECT max(bytes, status) FROM events', 8, /is asked for/, /from 1 to/],
  ['SELECT sum(DISTINCT ratio) FROM events', 8, /type DOUBLE/, /DECIMAL/],
  ['SELECT rank() FROM events', 8, /rank does not exist/, /Correct the SQL/],
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
  [
    'SELECT INTERVAL 1 DAY * status AS i, count(*) FROM events GROUP BY i',
    23,
    /groups by a/,
    /Group/,
  ],
  ['SELECT host, unnest(max(bytes, 2)) FROM events GROUP BY host', 14, /unnests a list/, /above/],
  ['SELECT count(*) FROM (SELECT * FROM events LIMIT 5)', 30, /limits rows/, /behind/],
  ['SELECT count(*) FROM (SELECT DISTINCT host FROM events)', 39, /no aggregation/, /GROUP BY/],
  [
    'SELECT count(*) FROM events LEFT JOIN unnest([host]) AS t(x) ON true',
    39,
    /unnests in a way/,
    /FROM table, unnest/,
  ],
  [
    'WITH r AS (SELECT host FROM events) SELECT count(*) FROM r UNION ALL SELECT count(*) FROM r',
    91,
    /'r', rows of the table, a second time/,
    /FILTER/,
  ],
  [
    'SELECT n, count(*) FROM (SELECT row_number() OVER (ORDER BY ts) AS n FROM events) GROUP BY n',
    33,
    /raw rows/,
    /Aggregate first/,
  ],
  [
    'SELECT count(*) FROM (SELECT unnest([[1]], recursive := true) AS x FROM events)',
    30,
    /unnest\(\) has options/,
    /one list at a time/,
  ],
  [
    'SELECT n FROM (SELECT count(*) AS n FROM events GROUP BY host) USING SAMPLE 2 ROWS',
    1,
    /samples results/,
    /LIMIT/,
  ],
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

describe('options of a view', () => {
  it.each([
    ['distinct_exact_max = 0', /'0' is no value for distinct_exact_max/, /from 1 to 1000000/],
    ['distinct_exact_max = 1.5', /no value/, /an integer/],
    ['quantile_accuracy = 2', /no value/, /0.0001 to 0.1/],
    ['colour = 5', /'colour = 5' is not an option/, /distinct_exact_max/],
    ['distinct_exact_max', /not an option/, /distinct_exact_max/],
    ['distinct_exact_max = 5\n-- millrace: distinct_exact_max = 6', /there twice/, /Leave one/],
  ])('%s is refused at its line', async (option, what, remedy) => {
    const sql = `-- A view.\nSELECT count(*) FROM events\n-- millrace: ${option}`
    const error = await compile(sql).catch((thrown: unknown) => thrown)
    const { message, details } = error as MillraceError
    expect(message).toMatch(what)
    expect(message).toMatch(remedy)
    expect([details['line'], details['column']]).toEqual([option.includes('\n') ? 4 : 3, 1])
  })
})

describe('the compiler accepts', () => {
  it.each([
    bounded(
      'SELECT host, count(DISTINCT status), mode(bytes), list(DISTINCT day) FROM events GROUP BY 1',
    ),
    'SELECT host, day, count(*), grouping(host, day) FROM events GROUP BY CUBE (host, day)',
    'SELECT x, count(*) FROM (SELECT unnest([host, upper(host)]) AS x FROM events) GROUP BY x',
    'SELECT t.x, count(*) FROM events e, unnest([e.host]) AS t(x) GROUP BY ALL',
    'WITH r AS (SELECT *, bytes * 2 AS b FROM events WHERE flag) SELECT sum(r.b) FROM r',
    'SELECT host, avg(count(*)) OVER (ORDER BY host ROWS 2 PRECEDING) FROM events GROUP BY host',
    'WITH q AS (SELECT host, count(*) AS n FROM events GROUP BY 1) SELECT n FROM q UNION SELECT max(n) FROM q',
    'SELECT day, arg_max(host, n) FROM (SELECT day, host, count(*) AS n FROM events GROUP BY ALL) GROUP BY day',
    'SELECT time_bucket(INTERVAL 5 MINUTE, ts) AS t, corr(bytes, status) FROM events GROUP BY t',
    'SELECT max(bytes, 3), arg_min(host, ts, 2), histogram(bytes, [10, 100]), first(host ORDER BY ts) FROM events',
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

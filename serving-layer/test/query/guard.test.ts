import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { QueryService } from '../../query/query-service.ts'
import { FakeMirror, queryServiceOver } from '../support/fake-mirror.ts'

let mirror: FakeMirror
let service: QueryService
let directory: string
let file: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-guard-'))
  file = join(directory, 'secret.csv')
  await writeFile(file, 'secret\n42\n')
  mirror = await FakeMirror.open()
  await mirror.database.run("CREATE MACRO leak_setting() AS 'harmless'")
  await mirror.database.run(`CREATE MACRO leak_table() AS TABLE SELECT * FROM main.hidden`)
  service = await queryServiceOver(mirror)
})

afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await mirror[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

/** `FILE` stands for the path of a readable file. */
const attacks: readonly (readonly [sql: string, code: string])[] = [
  // Files by name: DuckDB reads what looks like a file where a table is expected.
  [`SELECT * FROM 'FILE'`, 'OBJECT_UNKNOWN'],
  [`FROM 'FILE'`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM "FILE"`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM main."FILE"`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM "default"."FILE"`, 'OBJECT_UNKNOWN'],
  [`TABLE "FILE"`, 'OBJECT_UNKNOWN'],
  [`SELECT (SELECT max(secret) FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM logs WHERE status IN (SELECT secret FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM logs ORDER BY (SELECT 1 FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`SELECT 1 LIMIT (SELECT secret FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`SELECT 1 LIMIT 1 OFFSET (SELECT secret FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`SELECT count(*) FILTER (WHERE EXISTS (FROM 'FILE')) FROM logs`, 'OBJECT_UNKNOWN'],
  [`SELECT sum(status) OVER (ORDER BY (SELECT 1 FROM 'FILE')) FROM logs`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM logs, LATERAL (SELECT * FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM logs POSITIONAL JOIN 'FILE'`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM logs JOIN logs AS b ON EXISTS (FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`SELECT 1 UNION ALL SELECT secret FROM 'FILE'`, 'OBJECT_UNKNOWN'],
  [`SELECT 1 EXCEPT (SELECT secret FROM 'FILE')`, 'OBJECT_UNKNOWN'],
  [`VALUES ((SELECT secret FROM 'FILE'))`, 'OBJECT_UNKNOWN'],
  [`WITH a AS (FROM 'FILE') SELECT 1`, 'OBJECT_UNKNOWN'],
  [`WITH a AS MATERIALIZED (FROM 'FILE') FROM a`, 'OBJECT_UNKNOWN'],
  [`PIVOT 'FILE' ON secret IN (42) USING count(*)`, 'OBJECT_UNKNOWN'],
  [`UNPIVOT 'FILE' ON secret INTO NAME n VALUE v`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM range((SELECT max(secret) FROM 'FILE'))`, 'OBJECT_UNKNOWN'],
  [`SELECT list_transform([1], lambda x: (SELECT max(secret) FROM 'FILE'))`, 'OBJECT_UNKNOWN'],
  [`DESCRIBE 'FILE'`, 'OBJECT_UNKNOWN'],
  [`SUMMARIZE 'FILE'`, 'OBJECT_UNKNOWN'],
  [`DESCRIBE SELECT * FROM 'FILE'`, 'OBJECT_UNKNOWN'],
  [`SELECT /* */ * -- \n FROM /* logs */ 'FILE'`, 'OBJECT_UNKNOWN'],
  // WITH names that hide or pretend.
  [`WITH "FILE" AS (SELECT 1) SELECT 1`, 'QUERY_REFUSED'],
  [`SELECT * FROM (WITH "FILE" AS (SELECT 1) SELECT 1), "FILE"`, 'OBJECT_UNKNOWN'],
  [`WITH a AS (FROM hidden), hidden AS (SELECT 1) FROM a`, 'OBJECT_UNKNOWN'],
  [`WITH hidden AS (FROM hidden) FROM hidden`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM (WITH hidden AS (SELECT 1) FROM hidden), hidden`, 'OBJECT_UNKNOWN'],
  [`WITH hidden AS (SELECT 1) FROM main.hidden`, 'OBJECT_UNKNOWN'],
  [
    `WITH RECURSIVE hidden AS (SELECT secret FROM hidden UNION ALL FROM hidden) FROM hidden`,
    'OBJECT_UNKNOWN',
  ],
  // Tables that are not in the catalog.
  [`SELECT * FROM hidden`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM main.hidden`, 'OBJECT_UNKNOWN'],
  // Names of the catalog in schemas that are not.
  [`SELECT * FROM main.logs`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM temp.logs`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM main.status_counts`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM logs AT (VERSION => 1)`, 'QUERY_REFUSED'],
  [`SELECT * FROM memory.main.hidden`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM memory."default".logs`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM information_schema.tables`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM pg_catalog.pg_tables`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM duckdb_settings`, 'OBJECT_UNKNOWN'],
  [`SELECT * FROM sqlite_master`, 'OBJECT_UNKNOWN'],
  // Table functions.
  [`SELECT * FROM read_csv('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM READ_CSV_AUTO('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM "read_text"('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM read_blob('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM read_parquet('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM parquet_scan('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM parquet_metadata('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM system.main.read_csv('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM main.range(1), read_text('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM glob('/*')`, 'QUERY_REFUSED'],
  [`SELECT * FROM sniff_csv('FILE')`, 'QUERY_REFUSED'],
  [`SELECT * FROM query('SELECT 42')`, 'QUERY_REFUSED'],
  [`SELECT * FROM query_table('hidden')`, 'QUERY_REFUSED'],
  [`SELECT * FROM query_table(['hidden'])`, 'QUERY_REFUSED'],
  [`FROM duckdb_settings()`, 'QUERY_REFUSED'],
  [`FROM duckdb_views()`, 'QUERY_REFUSED'],
  [`FROM pragma_table_info('hidden')`, 'QUERY_REFUSED'],
  [`FROM pragma_version()`, 'QUERY_REFUSED'],
  [`FROM json_execute_serialized_sql('{}')`, 'QUERY_REFUSED'],
  [`FROM seq_scan('hidden')`, 'QUERY_REFUSED'],
  [`FROM histogram('hidden', 'secret')`, 'QUERY_REFUSED'],
  [`FROM histogram_values('FILE', secret)`, 'QUERY_REFUSED'],
  [`FROM leak_table()`, 'QUERY_REFUSED'],
  [`FROM checkpoint()`, 'QUERY_REFUSED'],
  [`FROM enable_logging()`, 'QUERY_REFUSED'],
  [`SELECT * FROM (DESCRIBE FROM read_csv('FILE'))`, 'QUERY_REFUSED'],
  // Scalar functions.
  [`SELECT current_setting('temp_directory')`, 'QUERY_REFUSED'],
  [`SELECT ('temp_directory').current_setting()`, 'QUERY_REFUSED'],
  [`SELECT "CURRENT_SETTING"('threads')`, 'QUERY_REFUSED'],
  [`SELECT main.current_setting('threads')`, 'QUERY_REFUSED'],
  [`SELECT system.main.lower('A')`, 'QUERY_REFUSED'],
  [`SELECT getvariable('x')`, 'QUERY_REFUSED'],
  [`SELECT pg_get_viewdef(1)`, 'QUERY_REFUSED'],
  [`SELECT json_serialize_plan('FROM ''FILE''')`, 'QUERY_REFUSED'],
  [`SELECT sleep_ms(100000)`, 'QUERY_REFUSED'],
  [`SELECT pg_sleep(100000)`, 'QUERY_REFUSED'],
  [`SELECT write_log('x')`, 'QUERY_REFUSED'],
  [`SELECT nextval('x')`, 'QUERY_REFUSED'],
  [`SELECT list_transform(['threads'], lambda x: current_setting(x))`, 'QUERY_REFUSED'],
  [`PIVOT logs ON status IN (200) USING max(current_setting('threads'))`, 'QUERY_REFUSED'],
  [`SELECT getenv('HOME')`, 'QUERY_INVALID'],
  [`SELECT read_text('FILE')`, 'QUERY_INVALID'],
  // Anything but one query.
  [`SELECT 1; SELECT 2`, 'QUERY_REFUSED'],
  [`SELECT 1; DROP TABLE hidden`, 'QUERY_REFUSED'],
  [`COPY (SELECT 1) TO 'FILE'`, 'QUERY_REFUSED'],
  [`COPY hidden FROM 'FILE'`, 'QUERY_REFUSED'],
  [`ATTACH 'FILE' AS x`, 'QUERY_REFUSED'],
  [`INSTALL httpfs`, 'QUERY_REFUSED'],
  [`LOAD 'FILE'`, 'QUERY_REFUSED'],
  [`SET threads = 1`, 'QUERY_REFUSED'],
  [`RESET threads`, 'QUERY_REFUSED'],
  [`PRAGMA version`, 'QUERY_REFUSED'],
  [`PRAGMA database_list`, 'QUERY_REFUSED'],
  [`CALL pragma_version()`, 'QUERY_REFUSED'],
  [`EXPLAIN SELECT * FROM logs`, 'QUERY_REFUSED'],
  [`EXPLAIN ANALYZE SELECT * FROM logs`, 'QUERY_REFUSED'],
  [`CREATE TABLE x AS SELECT 1`, 'QUERY_REFUSED'],
  [`CREATE MACRO x() AS 1`, 'QUERY_REFUSED'],
  [`INSERT INTO hidden VALUES ('x')`, 'QUERY_REFUSED'],
  [`UPDATE hidden SET secret = 'x'`, 'QUERY_REFUSED'],
  [`DELETE FROM hidden`, 'QUERY_REFUSED'],
  [`USE main`, 'QUERY_REFUSED'],
  [`BEGIN`, 'QUERY_REFUSED'],
  [`CHECKPOINT`, 'QUERY_REFUSED'],
  [`EXPORT DATABASE 'FILE'`, 'QUERY_REFUSED'],
  [`PREPARE x AS SELECT 1`, 'QUERY_REFUSED'],
  [`EXECUTE x`, 'QUERY_REFUSED'],
  [`WITH a AS (INSERT INTO hidden VALUES ('x') RETURNING *) FROM a`, 'QUERY_INVALID'],
  [`PIVOT logs ON status USING count(*)`, 'QUERY_REFUSED'],
  [`SHOW DATABASES`, 'QUERY_REFUSED'],
  [`SHOW ALL TABLES`, 'QUERY_REFUSED'],
  [`SELECT * FROM (SHOW ALL TABLES)`, 'QUERY_REFUSED'],
  [`SELECT * FROM (SHOW TABLES)`, 'QUERY_REFUSED'],
  ['', 'QUERY_INVALID'],
  ['-- nothing', 'QUERY_INVALID'],
  ['SELEC 1', 'QUERY_INVALID'],
  ['SELECT 1 /*', 'QUERY_INVALID'],
  ["SELECT 'open", 'QUERY_INVALID'],
]

describe('the guard', () => {
  it.each(attacks)('refuses %s with %s', async (sql, code) => {
    const failure = await service
      .execute({ sql: sql.replaceAll('FILE', file) })
      .then((answer) => ({ code: 'ANSWERED', message: JSON.stringify(answer) }))
      .catch((error: unknown) => error as { code: string; message: string })
    expect(failure.code).toBe(code)
    expect(failure.message).not.toContain('42')
  })

  it.each([
    ['NOT', `SELECT ${'NOT '.repeat(5000)} true`],
    ['subqueries', `SELECT ${'(SELECT '.repeat(900)}1${')'.repeat(900)}`],
    ['lists', `SELECT ${'['.repeat(3000)}1${']'.repeat(3000)}`],
  ])('survives thousands of nested %s', async (_, sql) => {
    const outcome = await service.execute({ sql }).catch((error: unknown) => error)
    expect(outcome).toMatchObject({ code: 'QUERY_INVALID' })
  })

  it('would be needed: the same connection reads the file when nobody checks', async () => {
    expect(await mirror.database.rows(`FROM '${file}'`)).toEqual([{ secret: 42n }])
  })

  const harmless = [
    'SELECT * FROM logs',
    'FROM logs',
    'TABLE logs',
    'SELECT * FROM LOGS AS l WHERE "Status" = 200',
    'SELECT count(*) FROM batch.logs, realtime.logs, "default".logs',
    'SELECT * FROM "batch"."logs"',
    'WITH a AS (FROM logs), b AS (FROM a) SELECT * FROM b, a',
    'WITH logs AS (SELECT 1 AS x) SELECT x FROM logs',
    'WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t',
    'SELECT (WITH a AS (SELECT 1 AS x) SELECT max(x) FROM a)',
    'SELECT host, count(*) AS n FROM logs GROUP BY ALL HAVING n > 0 ORDER BY n DESC LIMIT 3',
    'SELECT status, row_number() OVER (PARTITION BY host ORDER BY ts) FROM logs QUALIFY true',
    'SELECT * EXCLUDE (ts) REPLACE (upper(host) AS host) FROM logs',
    'SELECT * FROM range(3), generate_series(1, 2), unnest([1, 2])',
    'SELECT unnest([1, 2]), list_transform([1], lambda x: x + 1), [x * 2 FOR x IN [1, 2]]',
    "SELECT date_trunc('hour', ts), ts AT TIME ZONE 'Europe/Zurich', extract(hour FROM ts) FROM logs",
    "SELECT host LIKE 'a%', host ILIKE 'A', regexp_matches(host, 'a'), host || 'x' FROM logs",
    'SELECT coalesce(NULL, 1), CASE WHEN true THEN 1 END, 1::DECIMAL(10, 2), TRY_CAST(1 AS INTEGER)',
    'SELECT approx_quantile(bytes, 0.5), quantile_cont(bytes, 0.5), mode(status) FROM logs',
    'PIVOT logs ON status IN (200, 500) USING count(*) GROUP BY host',
    'UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b INTO NAME n VALUE v',
    'SELECT * FROM logs ASOF JOIN logs AS b ON logs.ts >= b.ts',
    'SELECT * FROM logs TABLESAMPLE 50%',
    'DESCRIBE logs',
    'SUMMARIZE logs',
    'DESCRIBE SELECT 1 AS x',
    'SHOW TABLES',
    'VALUES (1, 2), (3, 4)',
    'SELECT 1 -- a comment',
    'SELECT 1; -- a comment',
    'SELECT \';\' AS "a;b", $$;$$ /* ; */ ; ',
    '(SELECT 1) UNION (SELECT 2) ORDER BY 1',
    'SELECT 1 AS a, 2 AS a LIMIT 1 + 1',
    'SELECT leak_setting(), random() < 1, now() > ts FROM logs',
    'SELECT grouping(host), host FROM logs GROUP BY ROLLUP (host)',
    "SELECT {'type': 'BASE_TABLE', 'table_name': 'x'}",
    'SELECT * FROM json_each(\'{"a": 1}\')',
  ]

  it.each(harmless)('lets %s through', async (sql) => {
    await expect(service.execute({ sql })).resolves.toMatchObject({ isTruncated: false })
  })
})

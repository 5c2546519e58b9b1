import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hourMs, setClock } from '../../../stores/test/set-clock.ts'
import { servingSettings } from '../../config.ts'
import { QueryService } from '../../query/query-service.ts'
import { FakeMirror, queryServiceOver } from '../support/fake-mirror.ts'

/** Long enough that a test which waits for its end fails. */
const endlessSql = 'SELECT count(*) FROM range(100000000000) AS a(x) WHERE x % 7 = 8'

let mirror: FakeMirror
let service: QueryService

beforeEach(async () => {
  mirror = await FakeMirror.open()
  service = await queryServiceOver(mirror)
})

afterEach(async () => {
  await service[Symbol.asyncDispose]()
  await mirror[Symbol.asyncDispose]()
})

async function failureOf(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  return await work.then(
    () => expect.unreachable('It should have failed.'),
    (error: unknown) => error as { code: string; message: string },
  )
}

it('a query takes no time off when the date is set back meanwhile', async () => {
  const durationsMs: number[] = []
  const clock = setClock()
  const signals = {
    queryFinished: ({ durationMs }: { readonly durationMs: number }) =>
      durationsMs.push(durationMs),
  }
  const settings = servingSettings.parse({})
  await using timed = await QueryService.create({ mirror, settings, clock, signals })
  const answering = timed.execute({ sql: 'SELECT 1' })
  clock.set(-hourMs)
  await answering
  expect(durationsMs[0]).toBeGreaterThanOrEqual(0)
})

describe('values', () => {
  it('keep every digit and every microsecond', async () => {
    const { columns, rows } = await service.execute({ sql: 'SELECT * FROM all_types' })
    expect(Object.fromEntries(columns.map(({ name }, i) => [name, rows[0]?.[i]]))).toEqual({
      flag: true,
      small: 7,
      big: '9007199254740993',
      huge: '170141183460469231731687303715884105727',
      total: '99999999999999999999999999999999999999',
      price: '12.30',
      ratio: 0.5,
      at: '2026-01-02T03:04:05.000006Z',
      at_local: '1969-12-31T23:59:59.999999',
      day: '2026-01-02',
      bytes: 'ab\\xFF',
      tags: ['a', null],
      place: { x: 1, y: '9007199254740993' },
      counts: [{ key: 'k', value: 2 }],
      'odd name': 'odd',
    })
    expect(rows[1]?.every((value) => value === null)).toBe(true)
    expect(columns.slice(2, 6)).toEqual([
      { name: 'big', type: 'BIGINT' },
      { name: 'huge', type: 'HUGEINT' },
      { name: 'total', type: 'DECIMAL(38,0)' },
      { name: 'price', type: 'DECIMAL(10,2)' },
    ])
  })

  it('are plain numbers while a number holds them exactly', async () => {
    const sql = `SELECT 9007199254740991::BIGINT, (-9007199254740991)::HUGEINT,
      12::DECIMAL(38,0), 1::UBIGINT, 1.5::FLOAT, 'nan'::DOUBLE, '-inf'::DOUBLE, -0.10::DECIMAL(4,2)`
    expect((await service.execute({ sql })).rows).toEqual([
      [9007199254740991, -9007199254740991, 12, 1, 1.5, 'NaN', '-Infinity', '-0.10'],
    ])
  })

  it('have ISO times at the ends of time', async () => {
    const sql = `SELECT 'infinity'::TIMESTAMPTZ, '-infinity'::TIMESTAMP, TIMESTAMP '0001-01-01 00:00:00',
      TIMESTAMP_S '2026-01-02 03:04:05', TIMESTAMP_MS '2026-01-02 03:04:05.006', TIME '01:02:03',
      INTERVAL 1 DAY, '00000000-0000-0000-0000-000000000001'::UUID`
    expect((await service.execute({ sql })).rows).toEqual([
      [
        'infinity',
        '-infinity',
        '0001-01-01T00:00:00.000000',
        '2026-01-02T03:04:05.000000',
        '2026-01-02T03:04:05.006000',
        '01:02:03',
        '1 day',
        '00000000-0000-0000-0000-000000000001',
      ],
    ])
  })

  it('may repeat a column name', async () => {
    const { columns } = await service.execute({ sql: 'SELECT 1 AS a, 2 AS a' })
    expect(columns.map(({ name }) => name)).toEqual(['a', 'a'])
  })
})

describe('modes', () => {
  it.each([
    ['merged', 3],
    ['batch', 2],
    ['realtime', 1],
  ] as const)('in mode %s, a name without a database has %i rows', async (mode, count) => {
    const { rows, coverage } = await service.execute({ sql: 'SELECT count(*) FROM logs', mode })
    expect(rows).toEqual([[count]])
    expect(coverage).toEqual([expect.objectContaining({ mode, pipeline: 'http_logs' })])
  })

  it('can be mixed in one query, and each is covered', async () => {
    const sql = `SELECT (SELECT sum(requests) FROM batch.status_counts) = 2,
      (SELECT count(*) FROM realtime.logs), (SELECT count(*) FROM "default".logs), (SELECT count(*) FROM logs)`
    const { rows, coverage } = await service.execute({ sql, mode: 'batch' })
    expect(rows).toEqual([[true, 1, 3, 2]])
    const stated = coverage.map(({ mode, view }) => `${mode} ${view ?? 'table'}`)
    expect(stated.sort()).toEqual([
      'batch status_counts',
      'batch table',
      'merged table',
      'realtime table',
    ])
  })

  it('leave the connections as they were', async () => {
    await service.execute({ sql: 'SELECT 1', mode: 'batch' })
    await failureOf(service.execute({ sql: 'SELECT 1 / x', mode: 'batch' }))
    const [row] = await mirror.database.rows(
      `SELECT current_setting('search_path') AS path, txid_current() IS NOT NULL AS works`,
    )
    expect(row).toEqual({ path: 'main', works: true })
  })
})

it('an answer and its coverage are of one snapshot while rows are added', async () => {
  const writing = (async () => {
    for (let i = 0; i < 50; i += 1) await mirror.add([{ host: 'x', status: 200, bytes: 1n }])
  })()
  for (let i = 0; i < 50; i += 1) {
    const { rows, coverage } = await service.execute({ sql: 'SELECT count(*) FROM logs' })
    expect(coverage[0]?.realtime.get(0)).toBe(BigInt(`${rows[0]?.[0]}`))
  }
  await writing
})

describe('limits', () => {
  it('truncate and say so', async () => {
    const sql = 'SELECT * FROM range(10)'
    expect(await service.execute({ sql, limit: 9 })).toMatchObject({ isTruncated: true })
    expect((await service.execute({ sql, limit: 9 })).rows).toHaveLength(9)
    expect(await service.execute({ sql, limit: 10 })).toMatchObject({ isTruncated: false })
    expect(await service.execute({ sql, limit: 0 })).toMatchObject({ isTruncated: true, rows: [] })
  })

  it.each([
    'SELECT x FROM range(5000) t(x) ORDER BY x DESC',
    'SELECT x FROM range(5000) t(x) ORDER BY x DESC;',
    'SELECT x FROM range(5000) t(x) ORDER BY x DESC ; -- the end',
    'SELECT x FROM range(5000) t(x) ORDER BY x DESC OFFSET 0',
    'SELECT x FROM range(5000) t(x) ORDER BY x DESC LIMIT 4000',
    'SELECT x FROM range(5000) t(x) ORDER BY x DESC LIMIT 2000 + 2000',
    'SELECT x FROM range(5000) t(x) ORDER BY x DESC LIMIT 90%',
    'WITH t AS (FROM range(5000) t(x)) (SELECT x FROM t) ORDER BY x DESC',
    'SELECT x FROM range(2500, 5000) t(x) UNION ALL FROM range(2500) ORDER BY x DESC',
  ])('keep the order of %s', async (sql) => {
    const { rows, isTruncated } = await service.execute({ sql, limit: 3 })
    expect(rows).toEqual([[4999], [4998], [4997]])
    expect(isTruncated).toBe(true)
  })

  it('never make DuckDB compute what is not answered', async () => {
    const { rows } = await service.execute({ sql: 'FROM range(1000000000000)', limit: 2 })
    expect(rows).toEqual([[0], [1]])
  })

  it('cut long answers at a whole row', async () => {
    await using small = await queryServiceOver(mirror, { resultBytesMax: 1024 })
    const answer = await small.execute({ sql: "SELECT repeat('x', 400) FROM range(10)" })
    expect(answer.rows).toHaveLength(2)
    expect(answer.isTruncated).toBe(true)
    for (const value of [
      "repeat('x', 2000)",
      "repeat('x', 2000)::BLOB",
      'range(1000)',
      "[NULL, repeat('x', 2000)]",
      "{'a': repeat('x', 2000)}",
    ]) {
      const failure = await failureOf(small.execute({ sql: `SELECT NULL::VARCHAR, ${value}` }))
      expect(failure.code).toBe('QUERY_LIMIT_EXCEEDED')
    }
    const mixed = await small.execute({
      sql: "SELECT CASE x WHEN 1 THEN NULL WHEN 2 THEN repeat('x', 2000) ELSE 'y' END FROM range(4) t(x)",
    })
    expect(mixed).toMatchObject({ rows: [['y'], [null]], isTruncated: true })
  })

  it('refuse limits and texts that are out of range', async () => {
    for (const limit of [-1, 1.5, 1e9, Number.NaN]) {
      const failure = await failureOf(service.execute({ sql: 'SELECT 1', limit }))
      expect(failure.code).toBe('QUERY_LIMIT_EXCEEDED')
    }
    const sql = `SELECT '${'x'.repeat(200_000)}'`
    expect((await failureOf(service.execute({ sql }))).code).toBe('QUERY_LIMIT_EXCEEDED')
  })

  it('turn running out of memory into an error that leaves the service working', async () => {
    const sql = `SELECT count(*) FROM (SELECT DISTINCT x, repeat(x::VARCHAR, 50) FROM range(20000000) t(x))`
    expect((await failureOf(service.execute({ sql }))).code).toBe('QUERY_LIMIT_EXCEEDED')
    expect((await service.execute({ sql: 'SELECT 1' })).rows).toEqual([[1]])
  })
})

describe('ending a query', () => {
  it('by time', async () => {
    const failure = await failureOf(service.execute({ sql: endlessSql, timeoutMs: 30 }))
    expect(failure.code).toBe('QUERY_TIMEOUT')
    expect((await service.execute({ sql: 'SELECT 1' })).rows).toEqual([[1]])
  })

  it('by its caller, before and while it runs', async () => {
    const failure = await failureOf(
      service.execute({ sql: endlessSql, signal: AbortSignal.abort() }),
    )
    expect(failure.code).toBe('QUERY_CANCELLED')
    const controller = new AbortController()
    const running = failureOf(service.execute({ sql: endlessSql, signal: controller.signal }))
    await service.execute({ sql: 'SELECT 1' })
    controller.abort()
    expect((await running).code).toBe('QUERY_CANCELLED')
  })

  it('by closing the service', async () => {
    const running = failureOf(service.execute({ sql: endlessSql }))
    await service.execute({ sql: 'SELECT 1' })
    await service[Symbol.asyncDispose]()
    expect((await running).code).toBe('QUERY_CANCELLED')
    expect((await failureOf(service.execute({ sql: 'SELECT 1' }))).code).toBe('QUERY_CANCELLED')
  })
})

it('as many queries run as allowed, as many wait, and more are refused', async () => {
  await using narrow = await queryServiceOver(mirror, {
    queriesRunningMax: 1,
    queriesWaitingMax: 1,
  })
  const controller = new AbortController()
  const { signal } = controller
  const running = failureOf(narrow.execute({ sql: endlessSql, signal }))
  const waiting = narrow.execute({ sql: 'SELECT 1' })
  expect((await failureOf(narrow.execute({ sql: 'SELECT 2' }))).code).toBe('QUERY_OVERLOADED')
  controller.abort()
  expect((await running).code).toBe('QUERY_CANCELLED')
  expect((await waiting).rows).toEqual([[1]])
})

it('a waiting query that is cancelled leaves the line', async () => {
  await using narrow = await queryServiceOver(mirror, {
    queriesRunningMax: 1,
    queriesWaitingMax: 1,
  })
  const first = new AbortController()
  const second = new AbortController()
  const running = failureOf(narrow.execute({ sql: endlessSql, signal: first.signal }))
  const waiting = failureOf(narrow.execute({ sql: 'SELECT 1', signal: second.signal }))
  second.abort()
  expect((await waiting).code).toBe('QUERY_CANCELLED')
  const next = narrow.execute({ sql: 'SELECT 3' })
  first.abort()
  await running
  expect((await next).rows).toEqual([[3]])
})

describe('errors', () => {
  it.each([
    ['SELECT nosuch FROM logs', 'Referenced column "nosuch" not found'],
    ["SELECT 'a'::INTEGER", "Could not convert string 'a' to INT32"],
    ['SELECT sum(host) FROM logs', 'No function matches'],
    ['SELECT $1', 'parameter'],
    ['SELECT host FROM logs GROUP BY status', 'GROUP BY'],
  ])('of %s say what is wrong', async (sql, part) => {
    const failure = await failureOf(service.execute({ sql }))
    expect(failure.code).toBe('QUERY_INVALID')
    expect(failure.message.toLowerCase()).toContain(part.toLowerCase())
    expect(failure.message).not.toContain('LINE')
  })

  it('name no file of the lake', async () => {
    await mirror.database.run(
      `CREATE OR REPLACE VIEW batch.logs AS SELECT error('in /lake/http_logs/dt=1/a.parquet: bad') AS ts`,
    )
    const failure = await failureOf(service.execute({ sql: 'FROM batch.logs' }))
    expect(failure.message).not.toContain('/lake')
  })

  it('say that the data is still being loaded', async () => {
    mirror.isReady = false
    expect((await failureOf(service.execute({ sql: 'SELECT 1' }))).code).toBe('NOT_READY')
  })
})

it('parameters are bound, never pasted', async () => {
  const { rows } = await service.execute({
    sql: 'SELECT $1, $2, $3, $4 FROM logs LIMIT 1',
    parameters: ["'; DROP TABLE rows", 2, 9007199254740993n, null],
  })
  expect(rows).toEqual([["'; DROP TABLE rows", 2, '9007199254740993', null]])
})

it('SHOW TABLES lists the catalog', async () => {
  const { columns, rows } = await service.execute({ sql: 'show tables;' })
  expect(columns.map(({ name }) => name)).toEqual(['name', 'kind', 'description'])
  expect(rows.map(([name]) => name)).toEqual(['logs', 'status_counts', 'all_types'])
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningServer } from '../support/running-server.ts'

let server: RunningServer

beforeAll(async () => {
  server = await RunningServer.start()
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

it('a view answers typed rows with their coverage', async () => {
  const { status, data, errors } = await server.ask(`{
    status_counts(orderBy: [{column: status}]) {
      rows { status requests bytes }
      coverage { pipeline mode view batch lake realtime freshnessMs batchAgeMs }
      isTruncated
    }
  }`)
  expect(errors).toBeUndefined()
  expect(status).toBe(200)
  expect(data.status_counts).toEqual({
    rows: [
      { status: 200, requests: 2, bytes: '9007199254741003' },
      { status: 500, requests: 1, bytes: 20 },
    ],
    coverage: {
      pipeline: 'http_logs',
      mode: 'merged',
      view: 'status_counts',
      batch: { 0: '2' },
      lake: { 0: '2' },
      realtime: { 0: '3' },
      freshnessMs: 12,
      batchAgeMs: null,
    },
    isTruncated: false,
  })
})

it('a value of each type keeps every digit', async () => {
  const { data } = await server.ask(`{ all_types {
    rows { flag small big huge total price ratio at at_local day bytes tags place counts odd_name }
  } }`)
  expect(data.all_types.rows[0]).toEqual({
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
    odd_name: 'odd',
  })
  expect(Object.values(data.all_types.rows[1]).every((value) => value === null)).toBe(true)
})

describe('filters', () => {
  it.each([
    ['{host: {eq: "a"}}', [0, 2]],
    ['{host: {ne: "a"}}', [1]],
    ['{host: {in: ["b", "c"]}}', [1]],
    ['{host: {in: []}}', []],
    ['{host: {like: "%a%"}}', [0, 2]],
    ['{host: {isNull: true}}', []],
    ['{host: {isNull: false}}', [0, 1, 2]],
    ['{host: {eq: null}}', []],
    ['{host: {ne: null}}', [0, 1, 2]],
    ['{status: {gt: 200, lte: 500}}', [1]],
    ['{bytes: {eq: 9007199254740993}}', [2]],
    ['{bytes: {eq: "9007199254740993"}}', [2]],
    ['{bytes: {eq: 9007199254740992}}', []],
    ['{ts: {gte: "2026-01-01T00:00:01Z"}}', [1, 2]],
    ['{ts: {lt: "2026-01-01T01:00:01+01:00"}}', [0]],
    ['{host: {eq: "a"}, status: {eq: 200}, _offset: {gt: 0}}', [2]],
    ['{host: {eq: "a\' OR true --"}}', []],
  ])('%s', async (where, offsets) => {
    const { data, errors } = await server.ask(
      `{ logs(where: ${where}, orderBy: [{column: _offset}]) { rows { _offset } } }`,
    )
    expect(errors).toBeUndefined()
    expect(data.logs.rows.map((row: { _offset: number }) => row._offset)).toEqual(offsets)
  })

  it('take variables', async () => {
    const query = `query ($where: LogsWhere, $limit: Int) { logs(where: $where, limit: $limit) { rows { host } } }`
    const { data } = await server.ask(query, { where: { bytes: { eq: '20' } }, limit: 5 })
    expect(data.logs.rows).toEqual([{ host: 'b' }])
  })

  it.each([
    '{bytes: {eq: "x"}}',
    '{bytes: {eq: 1.5}}',
    '{host: {eq: 1}}',
    '{ts: {eq: "x\'"}}',
    '{nosuch: {eq: 1}}',
    '{status: {like: "2%"}}',
  ])('refuse %s', async (where) => {
    const { errors, status } = await server.ask(`{ logs(where: ${where}) { rows { host } } }`)
    expect(status).toBe(400)
    expect(errors?.[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED')
  })

  it('that DuckDB cannot cast are the caller’s mistake', async () => {
    const { errors } = await server.ask(
      `{ logs(where: {ts: {eq: "yesterday"}}) { rows { host } } }`,
    )
    expect(errors?.[0]?.extensions.code).toBe('QUERY_INVALID')
    expect(errors?.[0]?.message).toContain('yesterday')
  })
})

describe('order and pages', () => {
  it('follow the columns given, then the keys', async () => {
    const { data } = await server.ask(`{
      a: logs(orderBy: [{column: host, direction: DESC}]) { rows { _offset } }
      b: logs(orderBy: [{column: host}], limit: 1, offset: 1) { rows { _offset } isTruncated }
      c: status_counts(orderBy: [{column: requests, direction: DESC}]) { rows { renamed: status } }
    }`)
    expect(data.a.rows).toEqual([{ _offset: 1 }, { _offset: 0 }, { _offset: 2 }])
    expect(data.b).toEqual({ rows: [{ _offset: 2 }], isTruncated: true })
    expect(data.c.rows).toEqual([{ renamed: 200 }, { renamed: 500 }])
  })

  it('order by a column that is not selected', async () => {
    const { data } = await server.ask(
      `{ logs(orderBy: [{column: bytes, direction: DESC}], limit: 1) { rows { host } } }`,
    )
    expect(data.logs.rows).toEqual([{ host: 'a' }])
  })
})

it('modes choose the part of the data', async () => {
  const { data } = await server.ask(`{
    batch: logs(mode: batch) { rows { _offset } coverage { mode } }
    realtime: logs(mode: realtime) { rows { _offset } }
  }`)
  expect(data.batch).toEqual({
    rows: [{ _offset: 0 }, { _offset: 1 }],
    coverage: { mode: 'batch' },
  })
  expect(data.realtime.rows).toEqual([{ _offset: 2 }])
})

it('coverage alone reads no rows, and fragments select columns', async () => {
  const { data } = await server.ask(`
    fragment columns on Logs { host ... on Logs { status } }
    query { a: logs { coverage { realtime } isTruncated } b: logs(limit: 1) { rows { ...columns __typename } } }`)
  expect(data.a).toEqual({ coverage: { realtime: { 0: '3' } }, isTruncated: false })
  expect(data.b.rows).toEqual([{ host: 'a', status: 200, __typename: 'Logs' }])
})

it('sql answers any SELECT over the catalog', async () => {
  const { data } = await server.ask(
    `query ($s: String!) { sql(statement: $s, limit: 1, mode: batch) {
      columns { name type } rows coverage { mode realtime } isTruncated } }`,
    { s: 'SELECT host, sum(bytes) AS total FROM logs GROUP BY host ORDER BY host' },
  )
  expect(data.sql).toEqual({
    columns: [
      { name: 'host', type: 'VARCHAR' },
      { name: 'total', type: 'HUGEINT' },
    ],
    rows: [['a', 10]],
    coverage: [{ mode: 'batch', realtime: { 0: '3' } }],
    isTruncated: true,
  })
})

it('pipelines tell how they are doing', async () => {
  const { data } = await server.ask(
    '{ pipelines { name topic lag freshnessMs batchAgeMs rejectedCount log realtime lake batch } }',
  )
  expect(data.pipelines).toEqual([
    {
      name: 'http_logs',
      topic: 'logs_raw',
      lag: 2,
      freshnessMs: 12,
      batchAgeMs: null,
      rejectedCount: 1,
      log: { 0: '5' },
      realtime: { 0: '3' },
      lake: { 0: '2' },
      batch: { status_counts: { 0: '2' } },
    },
  ])
})

it('the schema describes the catalog', async () => {
  const { data } = await server.ask(
    '{ __type(name: "StatusCounts") { description fields { name description type { name } } } }',
  )
  expect(data.__type.description).toBe('Requests by status.')
  expect(data.__type.fields).toContainEqual({
    name: 'bytes',
    description: 'DECIMAL(38,0)',
    type: { name: 'BigInt' },
  })
})

describe('errors', () => {
  it.each([
    ['SELECT nosuch FROM logs', 'QUERY_INVALID'],
    ["FROM 'secret.csv'", 'OBJECT_UNKNOWN'],
    ['DROP TABLE logs', 'QUERY_REFUSED'],
  ])('of %s carry the code %s', async (statement, code) => {
    const { errors, status } = await server.ask(
      'query ($s: String!) { sql(statement: $s) { rows } }',
      { s: statement },
    )
    expect(status).toBe(200)
    expect(errors).toHaveLength(1)
    expect(errors?.[0]?.extensions).toEqual({ code })
  })

  it('nobody foresaw are masked, and logged once', async () => {
    await using own = await RunningServer.start()
    const broken = new Error('the password is 42')
    own.mirror.coverageIn = async () => {
      throw broken
    }
    const { data, errors } = await own.ask(
      '{ a: logs { rows { host } } b: logs { rows { host } } }',
    )
    expect(data).toBeNull()
    expect(errors?.map(({ message }) => message)).toContain('Unexpected error.')
    expect(JSON.stringify(errors)).not.toContain('42')
    expect(own.logged.filter((line) => line.includes('the password is 42'))).toHaveLength(1)
  })
})

describe('limits', () => {
  it('refuse documents that are too deep, too dear or too long', async () => {
    await using small = await RunningServer.start({
      serving: { graphqlDepthMax: 3, graphqlCostMax: 120, graphqlTokensMax: 200 },
    })
    const fine = await small.ask('{ a: logs { rows { host } } b: logs { rows { host } } }')
    expect(fine.errors).toBeUndefined()
    const dear = await small.ask(
      '{ a: logs { rows { host } } b: logs { rows { host } } c: logs { rows { host } } }',
    )
    expect(dear.status).toBe(400)
    expect(dear.errors?.[0]?.message).toContain('costs 156')
    expect(dear.errors?.[0]?.extensions.code).toBe('QUERY_LIMIT_EXCEEDED')
    const hidden = await small.ask(
      'fragment f on Query { logs { rows { host } } sql(statement: "x") { rows } } query { ...f ... on Query { c: logs { rows { host } } } }',
    )
    expect(hidden.errors?.[0]?.message).toContain('costs')
    const long = await small.ask(`{ logs { rows { ${'host '.repeat(300)} } } }`)
    expect(long.errors?.[0]?.message).toContain('tokens')
    await using flat = await RunningServer.start({ serving: { graphqlDepthMax: 2 } })
    const deep = await flat.ask('{ logs { rows { host } } }')
    expect(deep.errors?.[0]?.message).toContain('3 levels deep')
  })

  it('let the introspection query of tools pass', async () => {
    const { getIntrospectionQuery } = await import('graphql')
    const { errors, data } = await server.ask(getIntrospectionQuery())
    expect(errors).toBeUndefined()
    expect(data.__schema.queryType.name).toBe('Query')
  })

  it('survive fragments that contain each other', async () => {
    const { errors } = await server.ask(
      'fragment a on Query { ...b } fragment b on Query { ...a } query { ...a }',
    )
    expect(errors?.[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED')
  })
})

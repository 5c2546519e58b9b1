import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../../stores/engine/duckdb.ts'
import type { Pipeline, RecordFormat } from '../../pipeline.ts'
import { quoteIdentifier, quoteLiteral } from '../../sql.ts'
import { groupNames } from '../../transform/format-sql.ts'
import { lineColumns, parseSql } from '../../transform/parse-sql.ts'

let database: Database

beforeAll(async () => {
  database = await Database.open({ threads: 1, memoryBytesMax: 1 << 28 })
})

afterAll(async () => {
  await database[Symbol.asyncDispose]()
})

interface Definition {
  readonly format: RecordFormat
  readonly schema: Readonly<Record<string, string>>
  readonly checks?: Readonly<Record<string, string>>
}

function pipelineOf({ format, schema, checks = {} }: Definition): Pipeline {
  return {
    name: 'test',
    description: '',
    topic: 'test',
    partitions: 1,
    format,
    schema: Object.entries(schema).map(([name, type]) => ({ name, type })),
    eventTime: null,
    checks: Object.entries(checks).map(([name, sql]) => ({ name, sql })),
    references: [],
    table: 'test',
    curatedSql: 'SELECT * FROM input',
    partitionBy: [],
    views: [],
  }
}

/** What each line becomes: its fields as text, or its reason. */
async function parsed(definition: Definition, lines: readonly string[]) {
  const columns = lineColumns.map(({ name, type }) => {
    if (name === '_value') return name
    return `CAST(${name === '_offset' ? '_offset' : 'NULL'} AS ${type}) AS ${name}`
  })
  const values = lines.map((line, index) => `(${index}, ${quoteLiteral(line)})`).join(', ')
  const relation = `(SELECT ${columns.join(', ')} FROM (VALUES ${values}) t(_offset, _value))`
  const fields = Object.keys(definition.schema).map(
    (name) => `CAST(${quoteIdentifier(name)} AS VARCHAR) AS ${quoteIdentifier(name)}`,
  )
  const rows = await database.rows<Record<string, string | null>>(
    `SELECT _reason, _detail, ${fields.join(', ')} FROM (${parseSql(pipelineOf(definition))(relation)}) ORDER BY _offset`,
  )
  return rows.map(({ _reason, _detail, ...row }) =>
    _reason === null ? Object.values(row) : `${_reason}: ${_detail}`,
  )
}

const json: RecordFormat = { kind: 'json' }

describe('a JSON field', () => {
  it.each([
    ['INTEGER', '12', '12'],
    ['INTEGER', '"12"', '12'],
    ['INTEGER', '12.0', '12'],
    ['INTEGER', '-0', '0'],
    ['INTEGER', '1.5', null],
    ['INTEGER', '1e3', '1000'],
    ['INTEGER', '"1e3"', null],
    ['INTEGER', '"0x10"', null],
    ['INTEGER', '"1_000"', null],
    ['INTEGER', 'true', null],
    ['INTEGER', '{}', null],
    ['TINYINT', '128', null],
    ['BIGINT', '9223372036854775807', '9223372036854775807'],
    ['BIGINT', '9223372036854775808', null],
    ['DOUBLE', '1e400', null],
    ['DOUBLE', '"nan"', null],
    ['DOUBLE', '0.5', '0.5'],
    ['DECIMAL(9,2)', '1.25', '1.25'],
    ['DECIMAL(4,2)', '1000', null],
    ['BOOLEAN', 'true', 'true'],
    ['BOOLEAN', '"maybe"', null],
    ['DATE', '"2026-02-28"', '2026-02-28'],
    ['DATE', '"2026-02-30"', null],
    ['TIMESTAMPTZ', '"2026-01-01T01:00:00+01:00"', '2026-01-01 00:00:00+00'],
    ['TIMESTAMPTZ', '1700000000', null],
    ['TIMESTAMPTZ', '"20/May/2015:21:05:15 +0200"', '2015-05-20 19:05:15+00'],
    ['VARCHAR', '5', '5'],
    ['VARCHAR', '{"a":1}', '{"a":1}'],
    ['VARCHAR', '"l\\u00e9on \\"x\\""', 'léon "x"'],
    ['INTEGER[]', '[1, 2]', '[1, 2]'],
    ['INTEGER[]', '5', null],
  ])('of type %s that is %s becomes %s', async (type, value, expected) => {
    const [row] = await parsed({ format: json, schema: { x: type } }, [`{"x":${value}}`])
    if (expected === null) expect(row).toMatch(/^wrong_type: Column 'x' takes .*\.$/)
    else expect(row).toEqual([expected])
  })

  it('that is absent or null is NULL', async () => {
    const definition = { format: json, schema: { x: 'INTEGER' } }
    expect(await parsed(definition, ['{}', '{"x":null}', '{"y":1}'])).toEqual([
      [null],
      [null],
      [null],
    ])
  })

  it('with an odd name is found by it', async () => {
    const schema = { 'a.b "c"': 'INTEGER', "it's": 'VARCHAR' }
    expect(await parsed({ format: json, schema }, [`{"a.b \\"c\\"": 1, "it's": "x"}`])).toEqual([
      ['1', 'x'],
    ])
  })

  it('is quoted in the detail and cut after 200 characters', async () => {
    const [row] = await parsed({ format: json, schema: { x: 'INTEGER' } }, [
      `{"x":"${'é'.repeat(300)}"}`,
    ])
    expect(row).toBe(`wrong_type: Column 'x' takes INTEGER, not '${'é'.repeat(200)}'.`)
  })
})

describe('a check', () => {
  it('that is false, NULL or fails to compute rejects the record by its name', async () => {
    const definition = {
      format: json,
      schema: { x: 'VARCHAR' },
      checks: { positive: 'CAST(x AS INTEGER) > 0 -- as a number' },
    }
    const failed =
      'check:positive: The check positive (CAST(x AS INTEGER) > 0 -- as a number) is not true.'
    const lines = ['{"x":"1"}', '{"x":"0"}', '{}', '{"x":"word"}']
    expect(await parsed(definition, lines)).toEqual([['1'], failed, failed, failed])
  })
})

describe('a text line', () => {
  const format: RecordFormat = {
    kind: 'text',
    patterns: [
      '^(?P<ip>\\S+) \\[(?P<ts>[^\\]]+)\\] "(GET|PUT) (?P<path>[^"]*)" (?P<bytes>\\d+|-)',
      '^(?<ip>\\S+) only$',
    ],
  }
  const schema = { ip: 'VARCHAR', ts: 'TIMESTAMPTZ', path: 'VARCHAR', bytes: 'BIGINT' }

  it('fills the columns named by the groups of the first pattern that matches', async () => {
    const lines = [
      '1.2.3.4 [20/May/2015:21:05:15 +0000] "GET /a b" 12',
      '1.2.3.4 [20/May/2015:21:05:15 +0000] "PUT /" -\r',
      '5.6.7.8 only',
      'nothing of it',
      '1.2.3.4 [yesterday] "GET /" 1',
    ]
    expect(await parsed({ format, schema }, lines)).toEqual([
      ['1.2.3.4', '2015-05-20 21:05:15+00', '/a b', '12'],
      ['1.2.3.4', '2015-05-20 21:05:15+00', '/', null],
      ['5.6.7.8', null, null, null],
      'malformed: The line matches none of the patterns of the pipeline.',
      `wrong_type: Column 'ts' takes TIMESTAMPTZ, not 'yesterday'.`,
    ])
  })

  it('is taken out of the envelope of Filebeat, and only of that', async () => {
    const message = '5.6.7.8 only'
    const lines = [
      JSON.stringify({ '@timestamp': 'x', '@metadata': {}, message }),
      JSON.stringify({ message, agent: {}, '@timestamp': 'x' }),
      JSON.stringify({ '@timestamp': 'x', message }),
      '{"@timestamp" broken',
    ]
    const malformed = 'malformed: The line matches none of the patterns of the pipeline.'
    expect(await parsed({ format, schema }, lines)).toEqual([
      ['5.6.7.8', null, null, null],
      ['5.6.7.8', null, null, null],
      malformed,
      malformed,
    ])
  })

  it('has its groups counted as RE2 does', () => {
    expect(groupNames('(?P<a>x)(y)(?:z)(?<b>[(])\\((?i)[^]()]([]()])')).toEqual([
      'a',
      '_group_1',
      'b',
      '_group_3',
    ])
  })
})

describe('a CSV line', () => {
  const schema = { a: 'VARCHAR', b: 'INTEGER', c: 'VARCHAR' }

  it.each([',', ';', '|', '\t', '.'])('is split at %j', async (delimiter) => {
    const format: RecordFormat = { kind: 'csv', delimiter }
    const line = (...fields: string[]) => fields.join(delimiter)
    const malformed = 'malformed: The line is not 3 fields of CSV.'
    const lines = [
      line('x', '1', 'y'),
      `${line('', '', '')}\r`,
      line(`"a${delimiter}""b"""`, '2', '""'),
      line('x', '1'),
      line('x', '1', 'y', 'z'),
      line('x"y"', '1', 'z'),
      line('"open', '1', 'z'),
    ]
    expect(await parsed({ format, schema }, lines)).toEqual([
      ['x', '1', 'y'],
      [null, null, null],
      [`a${delimiter}"b"`, '2', ''],
      malformed,
      malformed,
      malformed,
      malformed,
    ])
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../../stores/engine/duckdb.ts'
import type { Pipeline } from '../../pipeline.ts'
import { type Column, quoteIdentifier, quoteLiteral } from '../../sql.ts'
import { lineColumns, parseSql } from '../../transform/parse-sql.ts'

let database: Database
beforeAll(async () => {
  database = await Database.open({ threads: 1, memoryBytesMax: 1 << 28 })
})
afterAll(() => database[Symbol.asyncDispose]())

function jsonPipeline(column: Column): Pipeline {
  const none = { checks: [], references: [], partitionBy: [], views: [], eventTime: null }
  const names = { name: 'test', description: '', topic: 'test', table: 'test' }
  const format = { kind: 'json' } as const
  const curatedSql = 'SELECT * FROM input'
  return { ...names, ...none, partitions: 1, format, schema: [column], curatedSql }
}

/** The value that a line gives the column, as text, or why it is rejected. */
async function read(column: Column, line: string): Promise<string | null> {
  const columns = lineColumns.map(({ name, type }) =>
    name === '_value' ? `${quoteLiteral(line)} AS _value` : `CAST(NULL AS ${type}) AS ${name}`,
  )
  const parsed = parseSql(jsonPipeline(column))(`(SELECT ${columns.join(', ')})`)
  const [row] = await database.rows<{ readonly answer: string | null }>(
    `SELECT coalesce(_reason || ': ' || _detail, CAST(${quoteIdentifier(column.name)} AS VARCHAR)) AS answer FROM (${parsed})`,
  )
  return row?.answer ?? null
}

const rejected = (type: string, text: string) =>
  `wrong_type: Column 'x' takes ${type}, not '${text}'.`

describe('a JSON number of more digits than a DOUBLE has', () => {
  it.each([
    ['INTEGER', '200.00000000000000000001'],
    ['BIGINT', '9007199254740992.5'],
    ['INTEGER', '1e-400'],
    ['TINYINT', '0.00000000000000000001'],
  ])('is rejected for %s where it is %s, as it was written', async (type, text) => {
    expect(await read({ name: 'x', type }, `{"x":${text}}`)).toBe(rejected(type, text))
  })

  it.each([
    ['INTEGER', '200.0', '200'],
    ['INTEGER', '200.00000000000000000000', '200'],
    ['INTEGER', '-7.0000000000000000', '-7'],
    // The DOUBLE is the even number below it.
    ['BIGINT', '9007199254740993.0', '9007199254740993'],
    ['DECIMAL(18,17)', '0.12345678901234567', '0.12345678901234567'],
    ['DECIMAL(20,2)', '123456789012345678.91', '123456789012345678.91'],
    ['DECIMAL(38,20)', '0.30000000000000000001', '0.30000000000000000001'],
    ['DECIMAL(38,0)', '10000000000000000000001.0', '10000000000000000000001'],
    ['DECIMAL(18,3)', '"0.125"', '0.125'],
    ['DECIMAL(18,3)', '1e3', '1000.000'],
  ])('is read for %s where it is %s', async (type, text, expected) => {
    expect(await read({ name: 'x', type }, `{"x":${text}}`)).toBe(expected)
  })

  it.each([
    '{"lat":48.123456789012345678,"x":1e3}',
    '{"s":"\\\\\\"x\\":5 1.0000000000000001","n":{"x":7.0000000000000001},"x":1000.0}',
    '{"lat":48.123456789012345678,"y":-Infinity,"5 1.5":"5","x":1000.0}',
    ' {"lat":[1.2345678901234567, "1.0"],"x" : 1000.00000000000000000 } ',
  ])('elsewhere in %s changes nothing', async (line) => {
    expect(await read({ name: 'x', type: 'INTEGER' }, line)).toBe('1000')
  })

  it('is found inside the envelope of Filebeat', async () => {
    const message = '{"x":200.00000000000000000001}'
    const line = JSON.stringify({ '@timestamp': 'now', agent: {}, message })
    expect(await read({ name: 'x', type: 'INTEGER' }, line)).toBe(
      rejected('INTEGER', '200.00000000000000000001'),
    )
  })
})

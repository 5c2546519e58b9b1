import { LIST, VARCHAR } from '@duckdb/node-api'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Column, columnDefinitions } from '../../../core/sql.ts'
import { Database } from '../../engine/duckdb.ts'
import {
  encodeTextRows,
  hasTextForm,
  rowTextSql,
  selectTextRows,
  splitTextRows,
} from '../../hot-store/text-rows.ts'

const values: Readonly<Record<string, fc.Arbitrary<string>>> = {
  BOOLEAN: fc.constantFrom('true', 'false'),
  TINYINT: fc.integer({ min: -128, max: 127 }).map(String),
  SMALLINT: fc.integer({ min: -32768, max: 32767 }).map(String),
  INTEGER: fc.integer().map(String),
  BIGINT: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  FLOAT: fc.oneof(fc.float().map(String), fc.constantFrom('-0.0', 'inf', '-inf', '1e-45')),
  DOUBLE: fc.oneof(fc.double().map(String), fc.constantFrom('-0.0', '-inf', '5e-324', '0.1')),
  'DECIMAL(38,0)': fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }).map(String),
  'DECIMAL(18,3)': fc.integer().map((n) => `${n}.${Math.abs(n % 1000)}`),
  VARCHAR: fc.oneof(
    fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
    fc.constantFrom('null', 'NULL', '', '"', '\\', '[1]', '\u0000', 'ä\n\t', '\u{1F600}'),
  ),
  DATE: fc.integer({ min: -719_000, max: 2_900_000 }).map((days) => `epoch:${days}`),
  'TIMESTAMP WITH TIME ZONE': fc
    .bigInt({ min: -62_000_000_000_000_000n, max: 250_000_000_000_000_000n })
    .map((us) => `epoch:${us}`),
}

const columns: Column[] = Object.keys(values).map((type, index) => ({ name: `c${index} "`, type }))

function literal(type: string, value: string | null): string {
  if (value === null) return 'NULL'
  const epoch = /^epoch:(-?\d+)$/.exec(value)?.[1]
  if (epoch !== undefined && type === 'DATE') return `DATE '1970-01-01' + CAST(${epoch} AS INTEGER)`
  if (epoch !== undefined && type.startsWith('TIMESTAMP')) return `make_timestamptz(${epoch})`
  if (type === 'VARCHAR') {
    const parts = [...value].map((char) => `chr(${char.codePointAt(0)})`)
    return parts.length === 0 ? "''" : `concat(${parts.join(', ')})`
  }
  return `CAST('${value}' AS ${type})`
}

it('gives the very values back, whatever the type', async () => {
  await using database = await Database.open({ threads: 1, memoryBytesMax: 1 << 28 })
  await database.run(`CREATE TABLE rows_in (${columnDefinitions(columns)})`)
  await database.run(`CREATE TABLE rows_out (${columnDefinitions(columns)})`)
  const row = fc.tuple(...columns.map(({ type }) => fc.option(values[type] ?? fc.constant('1'))))
  const property = fc.asyncProperty(
    fc.array(row, { minLength: 1, maxLength: 20 }),
    async (rows) => {
      await database.session(async (session) => {
        await session.run('DELETE FROM rows_in')
        await session.run('DELETE FROM rows_out')
        const tuples = rows.map(
          (each) =>
            `(${each.map((value, i) => literal(columns[i]?.type ?? '', value)).join(', ')})`,
        )
        await session.run(`INSERT INTO rows_in VALUES ${tuples.join(', ')}`)
        const [joined] = await session.rows<{ text: string }>(
          `SELECT string_agg(${rowTextSql(columns)}, ',') AS text FROM rows_in`,
        )
        const split = splitTextRows(encodeTextRows(columns, joined?.text ?? ''))
        if (split === null) throw new Error('Taken for Parquet.')
        const statement = await session.connection.prepare(
          `INSERT INTO rows_out ${selectTextRows(split.header, columns)}`,
        )
        statement.bindList(1, [split.json], LIST(VARCHAR))
        await statement.run()
        statement.destroySync()
        const difference = await session.rows(
          '(FROM rows_in EXCEPT ALL FROM rows_out) UNION ALL (FROM rows_out EXCEPT ALL FROM rows_in)',
        )
        expect(difference).toEqual([])
      })
    },
  )
  await fc.assert(property, { numRuns: 60 })
})

it('leaves a column that the rows do not have NULL, and finds the others by name', async () => {
  await using database = await Database.open({ threads: 1, memoryBytesMax: 1 << 28 })
  const old: Column[] = [
    { name: 'a', type: 'VARCHAR' },
    { name: 'b', type: 'INTEGER' },
  ]
  const split = splitTextRows(encodeTextRows(old, '["x","7"]'))
  const wanted: Column[] = [
    { name: 'b', type: 'BIGINT' },
    { name: 'new', type: 'DATE' },
    { name: 'a', type: 'VARCHAR' },
  ]
  await database.session(async (session) => {
    const statement = await session.connection.prepare(selectTextRows(split?.header ?? '', wanted))
    statement.bindList(1, [split?.json ?? ''], LIST(VARCHAR))
    expect(await (await statement.run()).getRows()).toEqual([[7n, null, 'x']])
    statement.destroySync()
  })
})

it('takes a Parquet file for one', () => {
  expect(splitTextRows(Buffer.from('PAR1....'))).toBeNull()
})

it('says which columns have a text form', () => {
  expect(hasTextForm(columns)).toBe(true)
  expect(hasTextForm([{ name: 'list', type: 'INTEGER[]' }])).toBe(false)
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OffsetRange } from '../../../core/offsets.ts'
import { quoteLiteral } from '../../../core/sql.ts'
import { filesHaveColumns, type Pruning, pruneFiles, scanSql } from '../../lake/scan.ts'
import { stageParquet } from '../../lake/staging.ts'
import type { DataFile } from '../../lake/types.ts'
import { eventPartitions, eventShape, Lake } from './lake-fixture.ts'

describe('scanning', () => {
  it('gives the columns in order and type, NULL where an older file has none', async () => {
    const lake = await Lake.open()
    const old = await lake.stage(0, 0n, 2n)
    const wide = [...eventShape.columns, { name: 'status', type: 'INTEGER' }]
    const fresh = await lake.database.session((session) =>
      stageParquet(session, lake.storage, 'http_logs/curated', {
        select: "SELECT 0 AS _partition, 2 AS _offset, 'new' AS text, 'd9' AS dt, 200 AS status",
        columns: wide,
        partitionColumns: eventPartitions,
      }),
    )
    const table = await lake.table()
    const paths = await table.readablePaths([...old, ...fresh])
    const columns = [
      { name: 'status', type: 'INTEGER' },
      { name: 'dt', type: 'VARCHAR' },
      { name: '_offset', type: 'BIGINT' },
      { name: 'none', type: 'DATE' },
    ]
    const rows = await lake.database.rows(
      `${scanSql(paths, { columns, partitionColumns: eventPartitions })} ORDER BY _offset`,
    )
    expect(rows).toEqual([
      { status: null, dt: 'd0', _offset: 0n, none: null },
      { status: null, dt: 'd1', _offset: 1n, none: null },
      { status: 200, dt: 'd9', _offset: 2n, none: null },
    ])
  })

  it('gives an empty relation with the same types for no files', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    const some = scanSql(await table.readablePaths(await lake.stage(0, 0n, 2n)), eventShape)
    const none = scanSql([], eventShape)
    expect(await lake.database.rows(`DESCRIBE ${none}`)).toEqual(
      await lake.database.rows(`DESCRIBE ${some}`),
    )
    expect(await lake.database.rows(none)).toEqual([])
  })

  it('lets DuckDB push filters into the files, and reads uniform files without a union', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    const files = await lake.stage(0, 0n, 100n)
    const paths = await table.readablePaths(files)
    expect(filesHaveColumns(files, eventShape.columns)).toBe(true)
    expect(filesHaveColumns(files, [{ name: 'status', type: 'INTEGER' }])).toBe(false)
    for (const isUniform of [true, false]) {
      const scan = scanSql(paths, { ...eventShape, isUniform })
      const question = `SELECT count(*)::INTEGER AS n FROM (${scan}) WHERE _offset > 50 AND dt = 'd1'`
      expect(await lake.database.rows(question)).toEqual([{ n: 25 }])
      const plan = await lake.database.rows<{ explain_value: string }>(`EXPLAIN ${question}`)
      const text = plan.map((line) => line.explain_value).join('\n')
      expect(text).toContain('_offset>50')
      expect(text).toContain('Scanning Files: 1/2')
      expect(text.includes('UNION')).toBe(!isUniform)
    }
  })
})

/**
 * Strategy: random rows in random files of all statistics' types; random filters.
 * Invariant: a row that DuckDB finds is in a file that pruning kept.
 */
const columns = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: 'text', type: 'VARCHAR' },
  { name: 'number', type: 'DOUBLE' },
  { name: 'price', type: 'DECIMAL(20,2)' },
  { name: 'day', type: 'DATE' },
  { name: 'at', type: 'TIMESTAMPTZ' },
  { name: 'flag', type: 'BOOLEAN' },
]
const shape = { columns: [...columns, { name: 'dt', type: 'VARCHAR' }], partitionColumns: ['dt'] }

const text = fc.oneof(
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 3 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('😀', '\u{ffff}', 'z'.repeat(40), 'z'.repeat(33), 'ü'.repeat(200)),
  },
)
const date = fc.date({
  min: new Date('1950-01-01'),
  max: new Date('2100-01-01'),
  noInvalidDate: true,
})
const row = fc.record({
  partition: fc.integer({ min: 0, max: 2 }),
  offset: fc.integer({ min: 0, max: 50 }),
  text: fc.option(text),
  number: fc.option(
    fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom('nan', 'inf', '-inf', '0.1')),
  ),
  price: fc.option(fc.integer({ min: -999, max: 999 })),
  at: fc.option(date),
  micros: fc.integer({ min: 0, max: 999 }),
  flag: fc.option(fc.boolean()),
  dt: fc.constantFrom('x', 'y', null),
})
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never

function literal(value: string | null, type: string): string {
  return value === null ? `NULL::${type}` : `${quoteLiteral(value)}::${type}`
}

function rowSql(r: Row): string {
  const iso = r.at?.toISOString() ?? null
  const micros = iso?.replace('Z', `${`${r.micros}`.padStart(3, '0')}Z`) ?? null
  const price = r.price === null ? null : `${r.price / 100}`
  return `SELECT ${r.partition} AS _partition, ${r.offset} AS _offset, ${literal(r.text?.replaceAll('\0', '') ?? null, 'VARCHAR')} AS text,
    ${literal(r.number === null ? null : `${r.number}`, 'DOUBLE')} AS number, ${literal(price, 'DECIMAL(20,2)')} AS price,
    ${literal(iso?.slice(0, 10) ?? null, 'DATE')} AS day, ${literal(micros, 'TIMESTAMPTZ')} AS at,
    ${r.flag ?? 'NULL::BOOLEAN'} AS flag, ${literal(r.dt, 'VARCHAR')} AS dt`
}

const filter = fc.oneof(
  fc
    .record({
      partition: fc.integer({ min: 0, max: 3 }),
      from: fc.integer({ min: 0, max: 50 }),
      size: fc.integer({ min: 0, max: 20 }),
    })
    .map(({ partition, from, size }) => {
      const range: OffsetRange = { partition, from: BigInt(from), until: BigInt(from + size) }
      const sql = `_partition = ${partition} AND _offset >= ${from} AND _offset < ${from + size}`
      return { pruning: { ranges: [range] } satisfies Pruning, sql }
    }),
  fc.constantFrom('x', 'y', null).map((dt) => ({
    pruning: { equals: { dt } } satisfies Pruning,
    sql: `dt IS NOT DISTINCT FROM ${literal(dt, 'VARCHAR')}`,
  })),
  bounded(
    'text',
    'VARCHAR',
    text.map((t) => t.replaceAll('\0', '')),
  ),
  bounded('number', 'DOUBLE', fc.integer({ min: -9, max: 9 })),
  bounded('price', 'DECIMAL(20,2)', fc.integer({ min: -9, max: 9 })),
  bounded(
    'day',
    'DATE',
    date.map((d) => d.toISOString().slice(0, 10)),
  ),
  bounded(
    'at',
    'TIMESTAMPTZ',
    date.map((d) => d.toISOString()),
  ),
  fc.boolean().map((flag) => ({
    pruning: { between: { flag: { min: flag, max: flag } } } satisfies Pruning,
    sql: `flag = ${flag}`,
  })),
)

function bounded(name: string, type: string, value: fc.Arbitrary<string | number>) {
  return fc
    .tuple(fc.option(value, { nil: undefined }), fc.option(value, { nil: undefined }))
    .map(([min, max]) => {
      const terms = [`"${name}" IS NOT NULL`]
      if (min !== undefined) terms.push(`"${name}" >= ${literal(`${min}`, type)}`)
      if (max !== undefined) terms.push(`"${name}" <= ${literal(`${max}`, type)}`)
      const range = { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) }
      return { pruning: { between: { [name]: range } } satisfies Pruning, sql: terms.join(' AND ') }
    })
}

describe('pruning', () => {
  it('never drops a file that has a matching row', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(row, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        fc.array(filter, { minLength: 10, maxLength: 20 }),
        async (files, filters) => {
          const staged = await lake.database.session(async (session) => {
            const all: DataFile[] = []
            for (const rows of files) {
              const select = rows.map(rowSql).join(' UNION ALL ')
              all.push(
                ...(await stageParquet(session, lake.storage, table.path, {
                  select,
                  columns,
                  partitionColumns: ['dt'],
                })),
              )
            }
            return all
          })
          for (const { pruning, sql } of filters) {
            const kept = new Set(pruneFiles(staged, pruning))
            for (const file of staged.filter((candidate) => !kept.has(candidate))) {
              const scan = scanSql(await table.readablePaths([file]), shape)
              const found = await lake.database.rows(`SELECT 1 FROM (${scan}) WHERE ${sql}`)
              expect(found, `${sql} in ${JSON.stringify(file.stats)}`).toEqual([])
            }
          }
        },
      ),
      { numRuns: 25 },
    )
  })

  it('drops files whose statistics exclude the rows, and keeps those without statistics', async () => {
    const lake = await Lake.open()
    const files = [...(await lake.stage(0, 0n, 10n)), ...(await lake.stage(1, 5n, 9n))]
    const dropped = (pruning: Pruning) => files.length - pruneFiles(files, pruning).length
    expect(dropped({ ranges: [{ partition: 0, from: 0n, until: 1n }] })).toBe(3)
    expect(dropped({ ranges: [{ partition: 0, from: 10n, until: 99n }] })).toBe(4)
    expect(dropped({ ranges: [{ partition: 1, from: 0n, until: 6n }] })).toBe(3)
    expect(dropped({ ranges: [] })).toBe(4)
    expect(dropped({ equals: { dt: 'd1' } })).toBe(2)
    expect(dropped({ between: { text: { min: 'text 9' } } })).toBe(3)
    expect(dropped({ between: { text: { max: 'text 0' }, _partition: { max: 0 } } })).toBe(3)
    const blind = files.map((file) => ({ ...file, stats: { min: {}, max: {}, nullCount: {} } }))
    expect(
      pruneFiles(blind, {
        ranges: [{ partition: 7, from: 0n, until: 1n }],
        between: { text: { min: 'z' } },
      }),
    ).toEqual(blind)
  })
})

/** Programs made by others read our tables and must see what we see, at every stage of a table's life. */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Column, quoteIdentifier, quoteList } from '../../../core/sql.ts'
import { hasPython, runPython } from '../../../test/services/python.ts'
import type { Database } from '../../engine/duckdb.ts'
import { scanSql } from '../../lake/scan.ts'
import { stageParquet } from '../../lake/staging.ts'
import { openLakeTable } from '../../lake/table.ts'
import type { LakeTable } from '../../lake/types.ts'
import { openDatabase, openStorage, temporaryFolder } from './lake-fixture.ts'

const columns: readonly Column[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: 'flag', type: 'BOOLEAN' },
  { name: 'tiny', type: 'TINYINT' },
  { name: 'small', type: 'SMALLINT' },
  { name: 'single', type: 'FLOAT' },
  { name: 'double', type: 'DOUBLE' },
  { name: 'text', type: 'VARCHAR' },
  { name: 'bytes', type: 'BLOB' },
  { name: 'day', type: 'DATE' },
  { name: 'at', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: 'sum', type: 'DECIMAL(38,0)' },
  { name: 'price', type: 'DECIMAL(18,2)' },
]
const partitionColumns = ['dt']
const allColumns = [...columns, { name: 'dt', type: 'VARCHAR' }]
const path = 'http_logs/curated'
const rowsPerCommit = 10

/** Rows with offsets in `[from, until)`: every third value NULL, signs, odd characters, big numbers. */
function rowsSql(from: number, until: number): string {
  const value = (sql: string, n: number) => `CASE WHEN (o + ${n}) % 3 = 0 THEN NULL ELSE ${sql} END`
  return `SELECT 0 AS _partition, o AS _offset, ${value('o % 2 = 0', 0)} AS flag,
    ${value('(o % 250 - 125)', 1)} AS tiny, ${value('(o * 27 % 60000 - 30000)', 2)} AS small,
    ${value('(o - 600) / 4', 0)} AS single, ${value('(o - 600) / 1024', 1)} AS double,
    ${value("repeat('ü😀' || o, 1 + o % 40)", 2)} AS text, ${value("unhex('00FF') || encode(o::VARCHAR)", 0)} AS bytes,
    ${value("DATE '1950-01-01' + (o * 37)::INTEGER", 1)} AS day,
    ${value("TIMESTAMPTZ '1960-01-01 00:00:00.123456+00' + INTERVAL (o * 40) HOUR", 2)} AS at,
    ${value("(o - 600) * '9999999999999999999999999999999'::DECIMAL(38,0)", 0)} AS sum,
    ${value('(o - 600) * 1.25', 1)} AS price,
    CASE o % 4 WHEN 0 THEN NULL WHEN 1 THEN 'a b' WHEN 2 THEN 'ü/%=' ELSE '2026-11-20' END AS dt
    FROM range(${from}, ${until}) AS r(o)`
}

type TextRow = Record<string, string | null>

interface Seen {
  readonly version: number
  readonly offsets: readonly number[]
  readonly fileCount: number
  readonly rowsByLog: number
  readonly wrongBounds: readonly string[]
  readonly deltalake: readonly TextRow[]
  readonly pyarrow: readonly TextRow[]
}

/** Values as text in the way that read-table.py writes them. */
async function textRows(database: Database, relation: string): Promise<TextRow[]> {
  const values = allColumns.map(({ name, type }) => {
    const quoted = quoteIdentifier(name)
    if (type === 'BLOB') return `hex(${quoted}) AS ${quoted}`
    if (type.startsWith('TIMESTAMP'))
      return `strftime(${quoted}, '%Y-%m-%d %H:%M:%S.%f') AS ${quoted}`
    return `CAST(CAST(${quoted} AS ${type}) AS VARCHAR) AS ${quoted}`
  })
  const select = `SELECT ${values.join(', ')} FROM ${relation} AS source ORDER BY source._offset`
  return await database.rows<TextRow>(select)
}

describe.runIf(hasPython())('independent readers', () => {
  it('agree with us after many commits, a compaction, a vacuum and cleaning the log', async () => {
    const root = await temporaryFolder()
    const storage = await openStorage(root)
    const database = await openDatabase()
    let aheadMs = 0
    const clock = { now: () => Date.now() + aheadMs, sleep: () => Promise.resolve() }
    const options = { pipeline: 'http_logs', columns, partitionColumns, database, clock }
    const table = await openLakeTable(storage, path, options)
    const stage = (select: string) =>
      database.session((s) => stageParquet(s, storage, path, { select, columns, partitionColumns }))

    for (let n = 0; n < 120; n += 1) {
      const [from, until] = [n * rowsPerCommit, (n + 1) * rowsPerCommit]
      const offsets = { from: new Map([[0, BigInt(from)]]), until: new Map([[0, BigInt(until)]]) }
      await table.append({
        files: await stage(rowsSql(from, until)),
        ...offsets,
        operation: 'WRITE',
      })
    }
    const expected = await textRows(database, `(${rowsSql(0, 120 * rowsPerCommit)})`)
    const agree = () => expectAgreement({ table, database, folder: join(root, path), expected })
    await agree()

    const { files, version } = table.current()
    const add = await stage(
      scanSql(await table.readablePaths(files), { columns: allColumns, partitionColumns }),
    )
    const shared = { remove: files, add, basedOnVersion: version }
    await table.replace({ ...shared, dataChange: false, operation: 'OPTIMIZE' })
    expect(table.current().files).toHaveLength(4)
    await agree()

    aheadMs = 60_000
    expect(await table.vacuum(1000)).toBe(files.length + 101)
    await agree()
    expect((await openLakeTable(storage, path, options)).current()).toEqual(table.current())
  }, 120_000)
})

interface Agreement {
  readonly table: LakeTable
  readonly database: Database
  readonly folder: string
  readonly expected: readonly TextRow[]
}

async function expectAgreement({ table, database, folder, expected }: Agreement) {
  const snapshot = table.current()
  const paths = await table.readablePaths(snapshot.files)
  const bare = `read_parquet(${quoteList(paths)}, hive_partitioning = true, hive_types = {dt: VARCHAR})`
  expect(await textRows(database, bare)).toEqual(expected)
  const seen = await runPython<Seen>(new URL('read-table.py', import.meta.url), [
    folder,
    JSON.stringify(['millrace/http_logs/0']),
    JSON.stringify(snapshot.files.map((file) => file.path)),
  ])
  expect(seen.version).toBe(snapshot.version)
  expect(seen.offsets).toEqual([Number(snapshot.offsets.get(0))])
  expect(seen.fileCount).toBe(snapshot.files.length)
  expect(seen.rowsByLog).toBe(expected.length)
  expect(seen.wrongBounds).toEqual([])
  for (const rows of [seen.deltalake, seen.pyarrow]) {
    expect(rows).toHaveLength(expected.length)
    // The first difference says more than a page of them.
    const at = rows.findIndex((row, n) => !isDeepStrictEqual(row, { ...expected[n] }))
    expect(rows[at]).toEqual(expected[at])
  }
}

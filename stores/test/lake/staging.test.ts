import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Column, quoteList, quoteLiteral } from '../../../core/sql.ts'
import type { Database } from '../../engine/duckdb.ts'
import { scanSql } from '../../lake/scan.ts'
import { stageParquet } from '../../lake/staging.ts'
import { openLakeTable } from '../../lake/table.ts'
import { openDatabase, openStorage, storageWith, temporaryFolder } from './lake-fixture.ts'

const columns: readonly Column[] = [
  { name: 'n', type: 'BIGINT' },
  { name: 'text', type: 'VARCHAR' },
]

async function open() {
  const storage = await openStorage(await temporaryFolder())
  return { storage, database: await openDatabase() }
}

/** A SELECT of `(n, text, dt)` with these values of `dt`, rows numbered from 0. */
function rowsWith(values: readonly (string | null)[]): string {
  const rows = values.map((dt, n) => `(${n}, 't${n}', ${dt === null ? 'NULL' : quoteLiteral(dt)})`)
  return `SELECT * FROM (VALUES ${rows.join(', ')}) AS v(n, text, dt)`
}

async function textsByDt(database: Database, select: string) {
  const rows = await database.rows<{ n: bigint; dt: string | null }>(
    `SELECT n, dt FROM (${select}) ORDER BY n`,
  )
  return rows.map((row) => row.dt)
}

describe('staging', () => {
  it('puts one file per folder under a unique name, with what the log needs to know', async () => {
    const { storage, database } = await open()
    const files = await database.session((session) =>
      stageParquet(session, storage, 'p/t', {
        select: rowsWith(['a', 'b', 'a']),
        columns,
        partitionColumns: ['dt'],
      }),
    )
    const counts = files.map((file) => [file.partitionValues['dt'], file.rowCount] as const)
    expect(new Map(counts)).toEqual(
      new Map([
        ['a', 2],
        ['b', 1],
      ]),
    )
    for (const file of files) {
      expect(file.path).toMatch(/^dt=[ab]\/part-[0-9a-f-]{36}\.parquet$/)
      const bytes = (await storage.read(`p/t/${file.path}`)) ?? Buffer.from('')
      expect(file.bytes).toBe(bytes.length)
      expect(file.checksum).toBe(createHash('sha256').update(bytes).digest('hex'))
      expect(file.stats.nullCount).toEqual({ n: 0, text: 0 })
    }
    expect(await readdir(storage.stagingDirectory)).toEqual([])
  })

  it('stages nothing for no rows, and cleans up after a failure', async () => {
    const { storage, database } = await open()
    const select = `${rowsWith(['a'])} WHERE false`
    for (const partitionColumns of [[], ['dt']]) {
      const files = await database.session((session) =>
        stageParquet(session, storage, 'p/t', { select, columns, partitionColumns }),
      )
      expect(files).toEqual([])
    }
    const failing = database.session((session) =>
      stageParquet(session, storage, 'p/t', {
        select: "SELECT error('broken row') AS n, 'x' AS text",
        columns,
        partitionColumns: [],
      }),
    )
    await expect(failing).rejects.toThrow('broken row')
    expect(await storage.list('')).toEqual([])
    expect(await readdir(storage.stagingDirectory)).toEqual([])
  })

  it('says that the disk is full', async () => {
    const { storage, database } = await open()
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    const broken = storageWith(storage, { putFile: () => Promise.reject(full) })
    const staging = database.session((session) =>
      stageParquet(session, broken, 'p/t', {
        select: rowsWith(['a']),
        columns,
        partitionColumns: [],
      }),
    )
    await expect(staging).rejects.toMatchObject({ code: 'DISK_FULL' })
  })

  it('casts to the types of the table, sorts, and leaves other columns out', async () => {
    const { storage, database } = await open()
    const [file] = await database.session((session) =>
      stageParquet(session, storage, 'p/t', {
        select: 'SELECT 9 - n AS n, n::HUGEINT AS "a""b", n AS other FROM range(10) AS r(n)',
        columns: [
          { name: 'n', type: 'INTEGER' },
          { name: 'a"b', type: 'DECIMAL(38,0)' },
        ],
        partitionColumns: [],
        sortBy: ['n'],
      }),
    )
    const path = await storage.readablePath(`p/t/${file?.path}`)
    const rows = await database.rows(
      `SELECT n, "a""b"::VARCHAR AS big FROM read_parquet('${path}')`,
    )
    expect(rows).toEqual(Array.from({ length: 10 }, (_, n) => ({ n, big: `${9 - n}` })))
    const types = await database.rows(`DESCRIBE SELECT * FROM read_parquet('${path}')`)
    expect(types.map((row) => row['column_type'])).toEqual(['INTEGER', 'DECIMAL(38,0)'])
    expect(file?.stats.min).toEqual({ n: 0, 'a"b': 0 })
  })

  it('brings any partition value back through the files, the log and a checkpointless reopen', async () => {
    const { storage, database } = await open()
    const odd = [
      ' ',
      '%',
      '/',
      '=',
      'ü',
      'a b',
      '%20',
      '..',
      '.',
      '?#',
      'a:b',
      "it's",
      '"',
      '😀',
      '\\',
      '\n',
      null,
    ]
    let tables = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.constantFrom(...odd), fc.string({ minLength: 1, unit: 'grapheme' })), {
          minLength: 1,
          maxLength: 8,
        }),
        async (drawn) => {
          const values = drawn.map((v) => v?.replaceAll('\0', '') || null)
          tables += 1
          const path = `p/t${tables}`
          const options = { pipeline: 'p', columns, partitionColumns: ['dt'], database }
          const table = await openLakeTable(storage, path, options)
          const files = await database.session((session) =>
            stageParquet(session, storage, path, {
              select: rowsWith(values),
              columns,
              partitionColumns: ['dt'],
            }),
          )
          await table.append({
            files,
            from: new Map(),
            until: new Map([[0, 1n]]),
            operation: 'WRITE',
          })
          const again = await openLakeTable(storage, path, options)
          expect(new Set(again.current().files.map((file) => file.partitionValues['dt']))).toEqual(
            new Set(values),
          )
          const shape = {
            columns: [...columns, { name: 'dt', type: 'VARCHAR' }],
            partitionColumns: ['dt'],
          }
          const scan = scanSql(await again.readablePaths(again.current().files), shape)
          expect(await textsByDt(database, scan)).toEqual(values)
        },
      ),
      { numRuns: 20, examples: [[odd]] },
    )
  })

  it('stores the empty partition value as NULL: Delta has no other', async () => {
    const { storage, database } = await open()
    const files = await database.session((session) =>
      stageParquet(session, storage, 'p/t', {
        select: rowsWith(['', '__HIVE_DEFAULT_PARTITION__', null]),
        columns,
        partitionColumns: ['dt'],
      }),
    )
    expect(files.map((file) => file.partitionValues)).toEqual([{ dt: null }])
    const paths = await Promise.all(files.map((file) => storage.readablePath(`p/t/${file.path}`)))
    expect(paths[0]).toContain('/dt=__HIVE_DEFAULT_PARTITION__/')
    expect(
      await database.rows(`SELECT count(*) AS n FROM read_parquet(${quoteList(paths)})`),
    ).toEqual([{ n: 3n }])
  })
})

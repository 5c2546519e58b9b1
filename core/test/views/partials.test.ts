import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../stores/engine/duckdb.ts'
import { type Column, quoteLiteral } from '../../sql.ts'
import type { CompiledView } from '../../views/compiled-view.ts'
import { compilerFor, eventColumns, openDatabase, rowTexts } from './compile-fixture.ts'
import {
  type GeneratedRow,
  type GeneratedView,
  rowArbitrary,
  viewArbitrary,
} from './generate-views.ts'

/*
 * Strategy: a random view, several sets of random rows, each split at random into four parts. The
 * parts' partials are written to Parquet, read back, merged in random order, some of them twice
 * over (a merge of merges), and finalized.
 *
 * Invariants:
 * 1. The result equals finalize(merge(partial(all rows))), to the last digit, for every view.
 * 2. For a view without sketches it equals the view's own SQL over the rows, run by DuckDB.
 * 3. The result's names and types are DuckDB's, but for HUGEINT, which is DECIMAL(38,0), and for
 *    approx_quantile of a DECIMAL, which keeps its type (DuckDB's is BIGINT).
 * 4. Partials have the declared types, and a merge of one partial changes nothing.
 */
const viewRuns = Number(process.env['FUZZ_RUNS'] ?? 40)
const rowSetsPerView = 3

let database: Database
let directory: string
let compile: (sql: string) => Promise<CompiledView>
const empty = `(SELECT ${eventColumns.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${name}`).join(', ')} WHERE false)`

beforeAll(async () => {
  database = await openDatabase()
  compile = compilerFor(database)
  directory = await mkdtemp(join(tmpdir(), 'partials-'))
  await database.run(
    `CREATE TABLE events (${eventColumns.map(({ name, type }) => `${name} ${type}`).join(', ')})`,
  )
  await database.run('CREATE TABLE parts AS SELECT *, 0 AS part FROM events')
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

async function loadRows(rows: readonly GeneratedRow[]): Promise<void> {
  const next = new Map<number, number>()
  const tuples = rows.map(({ values, part, partition }) => {
    const offset = next.get(partition) ?? 0
    next.set(partition, offset + 1)
    return { partition, offset, text: `(${[...values, partition, offset, part].join(', ')})` }
  })
  await database.run('DELETE FROM parts')
  // In the order of the log: DuckDB's own first() and arg_max() then pick what ours pick.
  tuples.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
  if (tuples.length > 0) {
    await database.run(`INSERT INTO parts VALUES ${tuples.map(({ text }) => text).join(', ')}`)
  }
  await database.run('CREATE OR REPLACE TABLE events AS SELECT * EXCLUDE (part) FROM parts')
}

async function describeColumns(sql: string): Promise<Column[]> {
  const rows = await database.rows<{ column_name: string; column_type: string }>(`DESCRIBE ${sql}`)
  return rows.map((row) => ({ name: row.column_name, type: row.column_type }))
}

/** The partials of one part, by way of a Parquet file. */
async function partialFile(view: CompiledView, part: number): Promise<string> {
  const file = join(directory, `part-${part}.parquet`)
  const input = `(SELECT * EXCLUDE (part) FROM parts WHERE part = ${part})`
  await database.run(`COPY (${view.partialSql(input)}) TO ${quoteLiteral(file)} (FORMAT parquet)`)
  return `SELECT * FROM read_parquet(${quoteLiteral(file)})`
}

async function splitAnswer(view: CompiledView, order: readonly number[]): Promise<string[]> {
  const partials = []
  for (const part of order) partials.push(await partialFile(view, part))
  const [first = '', second = '', ...others] = partials
  const early = view.mergeSql(`(${first} UNION ALL ${second})`)
  const merged = view.mergeSql(`(${[early, ...others].join(' UNION ALL ')})`)
  return await rowTexts(database, view.finalizeSql(`(${merged})`))
}

/**
 * What may differ from DuckDB's own answer: -0.0 and 0.0 are one group, of which DuckDB shows the one
 * it met first; and its avg divides in 80 bits, ours in 64, which may differ in the last digit.
 */
function likeDuckDb(row: string): string {
  const rounded = row.replaceAll(/-?\d+\.\d+(?:e[+-]?\d+)?/g, (number) =>
    Number(number).toPrecision(13),
  )
  return rounded.replaceAll(/-(0\.0+)(?![\d.]*[1-9e])/g, '$1')
}

function expectedType(sql: string, name: string, type: string): string {
  if (new RegExp(`approx_quantile\\(price, [^,]* AS ${name}\\b`).test(sql)) return 'DECIMAL(10,2)'
  return type === 'HUGEINT' ? 'DECIMAL(38,0)' : type
}

const inOrder = ({ isOrdered }: GeneratedView, rows: readonly string[]) =>
  isOrdered ? rows : rows.toSorted()

describe('partials of any split, merged in any order and finalized', () => {
  it('equal the recompute, and DuckDB where the view is exact', { timeout: 600_000 }, async () => {
    const rowSets = fc.array(fc.array(rowArbitrary, { maxLength: 40 }), {
      minLength: rowSetsPerView,
      maxLength: rowSetsPerView,
    })
    const orders = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 })
    await fc.assert(
      fc.asyncProperty(viewArbitrary, rowSets, orders, async (generated, sets, order) => {
        const view = await compile(generated.sql)
        for (const rows of sets) {
          await loadRows(rows)
          const recomputed = await rowTexts(
            database,
            view.finalizeSql(`(${view.partialSql('events')})`),
          )
          const split = await splitAnswer(view, order)
          expect(inOrder(generated, split)).toEqual(inOrder(generated, recomputed))
          if (!generated.isExact) continue
          const direct = (await rowTexts(database, generated.sql)).map(likeDuckDb)
          const own = split.map(likeDuckDb)
          expect(inOrder(generated, own)).toEqual(inOrder(generated, direct))
        }
        const direct = await describeColumns(generated.sql)
        expect(view.columns).toEqual(
          direct.map(({ name, type }) => ({
            name,
            type: expectedType(generated.sql, name, type),
          })),
        )
        expect(await describeColumns(view.partialSql('events'))).toEqual(view.partialColumns)
        expect(await describeColumns(view.mergeSql(`(${view.partialSql('events')})`))).toEqual(
          view.partialColumns,
        )
      }),
      { numRuns: viewRuns },
    )
  })

  it('without any row or partial give what SQL gives for an empty table', async () => {
    const keyless = await compile(
      'SELECT count(*) AS n, sum(bytes) AS b, max(host) AS h FROM events',
    )
    const keyed = await compile('SELECT host, count(*) AS n FROM events GROUP BY host')
    const nothing = (view: CompiledView) =>
      `(SELECT * FROM (${view.partialSql(empty)}) WHERE false)`
    for (const input of [`(${keyless.partialSql(empty)})`, nothing(keyless)]) {
      const rows = await rowTexts(database, keyless.finalizeSql(`(${keyless.mergeSql(input)})`))
      expect(rows).toEqual(["{'n': 0, 'b': NULL, 'h': NULL}"])
    }
    expect(await rowTexts(database, keyed.finalizeSql(`(${keyed.partialSql(empty)})`))).toEqual([])
  })

  it('decide ties by the place in the log, whatever the order of parts', async () => {
    const row = (host: string, part: number, partition: number): GeneratedRow => ({
      values: ['NULL', host, '5', 'NULL', 'NULL', 'NULL', 'NULL', 'NULL'],
      part,
      partition,
    })
    await loadRows([row('NULL', 3, 0), row("'b'", 2, 0), row("'c'", 0, 1), row("'d'", 1, 1)])
    const view = await compile(
      `SELECT arg_max(host, status) AS greatest, arg_min(host, status) AS least,
              first(host) AS first, last(host) AS last, any_value(host) AS one FROM events`,
    )
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
    ]) {
      expect(await splitAnswer(view, order)).toEqual([
        "{'greatest': b, 'least': b, 'first': NULL, 'last': d, 'one': b}",
      ])
    }
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../stores/engine/duckdb.ts'
import type { CompiledView } from '../../views/compiled-view.ts'
import { compilerFor, eventColumns, openDatabase } from './compile-fixture.ts'

let database: Database
let compile: (sql: string) => Promise<CompiledView>

/** 20,000 rows with skewed latencies in `bytes`, and keys with 1 to 20,000 distinct texts in `host`. */
beforeAll(async () => {
  database = await openDatabase()
  compile = compilerFor(database)
  const values: Record<string, string> = {
    triple: '0',
    ts: 'make_timestamptz(1795132800000000 + i * 1000)',
    host: "'h' || (i % [1, 10, 100, 1000, 5000, 20000][1 + i % 6])",
    status: '(i % 6)::INTEGER',
    bytes: '(exp(((i * 7919) % 20000) / 2000.0) * if(i % 50 = 0, -1, 1))::BIGINT',
    price: '((i * 31 % 2000) / 100.0)::DECIMAL(10,2)',
    amount: '(i / 10000.0)::DECIMAL(38,4)',
    ratio: "if(i % 100 = 0, 'nan'::DOUBLE, sin(i))",
    flag: 'i % 2 = 0',
    day: "DATE '2026-11-20'",
    _partition: '(i % 3)::INTEGER',
    _offset: 'i // 3',
  }
  const columns = eventColumns.map(
    ({ name, type }) => `CAST(${values[name]} AS ${type}) AS ${name}`,
  )
  await database.run(`CREATE TABLE events AS SELECT ${columns.join(', ')} FROM range(120000) r(i)`)
})
afterAll(async () => await database[Symbol.asyncDispose]())

async function answer(sql: string): Promise<Record<string, number | null>[]> {
  const view = await compile(sql)
  const items = view.columns.map(({ name }) => `CAST("${name}" AS DOUBLE) AS "${name}"`)
  return await database.rows(
    `SELECT ${items.join(', ')} FROM (${view.finalizeSql(`(${view.partialSql('events')})`)})`,
  )
}

describe('approx_quantile', () => {
  it.each(['bytes', 'price'])(
    'of %s is within one percent of the exact quantile',
    async (column) => {
      for (const quantile of [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1]) {
        const rows = await answer(
          `SELECT status, approx_quantile(${column}, ${quantile}) AS q FROM events GROUP BY status ORDER BY status`,
        )
        const exact = await database.rows<{ q: number }>(
          `SELECT CAST(list_sort(list(${column}))[1 + floor(${quantile} * (count(*) - 1))::INTEGER] AS DOUBLE) AS q FROM events GROUP BY status ORDER BY status`,
        )
        for (const [index, { q }] of exact.entries()) {
          const found = rows[index]?.['q'] ?? Number.NaN
          // Rounding to the column's type adds at most half a step.
          expect(Math.abs(found - q)).toBeLessThanOrEqual(0.0101 * Math.abs(q) + 0.5)
        }
      }
    },
  )

  it('leaves out NaN and NULL, and is exact at the extremes and for a single value', async () => {
    const [row] = await answer(
      `SELECT approx_quantile(bytes, 0) AS least, approx_quantile(bytes, 1) AS greatest,
              approx_quantile(bytes, 0.5) FILTER (WHERE _offset = 7 AND _partition = 0) AS one,
              approx_quantile(bytes, 0.5) FILTER (WHERE false) AS nothing,
              approx_quantile(ratio, 0.5) AS middle FROM events`,
    )
    const [exact] = await database.rows<Record<string, number>>(
      `SELECT min(bytes)::DOUBLE AS least, max(bytes)::DOUBLE AS greatest,
              (any_value(bytes) FILTER (WHERE _offset = 7 AND _partition = 0))::DOUBLE AS one FROM events`,
    )
    expect(row).toMatchObject({ ...exact, nothing: null })
    expect(Math.abs(row?.['middle'] ?? 1)).toBeLessThan(0.02)
  })
})

describe('approx_count_distinct', () => {
  it('is within four standard errors, and nearly exact for few values', async () => {
    const rows = await answer(
      'SELECT status, approx_count_distinct(host) AS n FROM events GROUP BY status ORDER BY status',
    )
    const exact = await database.rows<{ n: number }>(
      'SELECT count(DISTINCT host)::DOUBLE AS n FROM events GROUP BY status ORDER BY status',
    )
    for (const [index, { n }] of exact.entries()) {
      const found = rows[index]?.['n'] ?? Number.NaN
      expect(Math.abs(found - n)).toBeLessThanOrEqual(Math.max(1, 4 * 0.023 * n))
    }
  })

  it('is 0 for no values and counts a value once whatever its sign of zero', async () => {
    const [row] = await answer(
      `SELECT approx_count_distinct(host) FILTER (WHERE false) AS nothing,
              approx_count_distinct(if(flag, CAST('0.0' AS DOUBLE), CAST('-0.0' AS DOUBLE))) AS zeros FROM events`,
    )
    expect(row).toEqual({ nothing: 0, zeros: 1 })
  })
})

describe('a definition hash', () => {
  it('changes with what partials hold, and only then', async () => {
    const hash = async (sql: string) => (await compile(sql)).definitionHash
    const base = await hash('SELECT host, sum(bytes) AS b FROM events GROUP BY host')
    expect(await hash('SELECT host,  SUM(bytes) AS total FROM events GROUP BY 1 ORDER BY 2')).toBe(
      base,
    )
    expect(await hash('SELECT upper(host) AS h, sum(bytes) AS b FROM events GROUP BY 1')).not.toBe(
      base,
    )
    expect(await hash('SELECT host, sum(bytes) AS b FROM events WHERE flag GROUP BY 1')).not.toBe(
      base,
    )
    expect(await hash('SELECT host, sum(price) AS b FROM events GROUP BY host')).not.toBe(base)
  })
})

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../stores/engine/duckdb.ts'
import { classificationOf, whyNoState } from '../../views/aggregates/aggregate-table.ts'
import { optionSpecs } from '../../views/view-options.ts'
import { aggregateReference } from './aggregate-reference.ts'
import { openDatabase } from './compile-fixture.ts'

let database: Database

beforeAll(async () => {
  database = await openDatabase()
})
afterAll(async () => await database[Symbol.asyncDispose]())

async function catalogNames(): Promise<string[]> {
  const rows = await database.rows<{ name: string }>(
    "SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE function_type = 'aggregate' ORDER BY 1",
  )
  return rows.map(({ name }) => name)
}

describe('every aggregate of DuckDB', () => {
  it('is compiled, refused by name, or a window function', async () => {
    const unknown = (await catalogNames()).filter((name) => classificationOf(name) === null)
    // A new version of DuckDB has brought these: decide what becomes of them in aggregate-table.ts.
    expect(unknown).toEqual([])
  })

  it('has a reason and a remedy where it is refused', async () => {
    for (const name of await catalogNames()) {
      if (classificationOf(name) !== 'refused') continue
      const { reason, remedy } = whyNoState(name)
      expect(reason, name).toMatch(/^[A-Z].*[^.]$/)
      expect(remedy, name).toMatch(/^[A-Z].*[^.]$/)
    }
  })
})

describe('docs/views.md', () => {
  const file = join(import.meta.dirname, '../../../docs/views.md')
  const page = readFileSync(file, 'utf8')

  it('has the table of aggregates as it is (MILLRACE_WRITE_DOCS=1 writes it)', async () => {
    const begin = '<!-- aggregates: written by core/test/views/aggregate-table.test.ts -->\n'
    const end = '<!-- end of aggregates -->'
    const [before = '', rest = ''] = page.split(begin)
    const [table, after = ''] = rest.split(end)
    const expected = `\n${aggregateReference()}\n`
    if (process.env['MILLRACE_WRITE_DOCS'] === '1') {
      writeFileSync(file, `${before}${begin}${expected}${end}${after}`)
    } else expect(table).toBe(expected)
  })

  it('describes every option of a view', () => {
    for (const name of optionSpecs.keys()) expect(page).toContain(`-- millrace: ${name} = `)
  })
})

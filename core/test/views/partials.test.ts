import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../stores/engine/duckdb.ts'
import type { CompiledView } from '../../views/compiled-view.ts'
import { type Compile, checkBatch } from './check-triples.ts'
import { compilerFor, eventColumns, openDatabase, rowTexts } from './compile-fixture.ts'

/*
 * Strategy: random triples of a view over the whole table of aggregates, rows (NULLs, huge and negative
 * decimals, NaN and infinity, texts that are not ASCII, empty groups and groups of one) and a split of
 * the rows into up to six parts. The parts' partials are written to Parquet, read back, merged in random
 * order, some of them twice over (a merge of merges), and finalized. A view is compiled once for
 * many triples: most of them share a statement, in which rows are told apart by `triple`; the others
 * run by themselves, so that views without keys and with LIMIT are among them.
 *
 * Invariants:
 * 1. The result equals finalize(partial(all rows)), to the last digit, for every view.
 * 2. It equals DuckDB's own answer to the last digit where DuckDB is exact. Means, deviations and
 *    regressions equal rational arithmetic that rounds once, within a handful of roundings. Estimates are
 *    within their accuracy of the true value, and exact below a declared bound.
 * 3. The result's names and types are DuckDB's, but for HUGEINT, which is DECIMAL(38,0), and for
 *    approx_quantile of a DECIMAL, which keeps its type (DuckDB's is BIGINT). Partials and merged
 *    partials have the declared types.
 */
const triplesDefault = 2400
const triplesPerSeed = 150
const singlesPerSeed = 2

const triples = Number(process.env['MILLRACE_FUZZ_TRIPLES'] ?? triplesDefault)
const seedText = process.env['MILLRACE_FUZZ_SEED']
const firstSeed = seedText === undefined ? Math.floor(Math.random() * 2 ** 30) : Number(seedText)

let database: Database
let directory: string
let compile: Compile
const empty = `(SELECT ${eventColumns.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${name}`).join(', ')} WHERE false)`

beforeAll(async () => {
  database = await openDatabase()
  compile = compilerFor(database)
  directory = await mkdtemp(join(tmpdir(), 'partials-'))
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

describe('partials of any split, merged in any order and finalized', () => {
  it(`equal the recompute and the direct answer: ${triples} triples from seed ${firstSeed}`, {
    timeout: 600_000,
  }, async () => {
    const seeds = Math.max(1, Math.ceil(triples / triplesPerSeed))
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      const many = { seed, triples: triplesPerSeed - singlesPerSeed }
      const batches = [many]
      for (let single = 1; single <= singlesPerSeed; single += 1) {
        batches.push({ seed: seed * singlesPerSeed + single, triples: 1 })
      }
      for (const batch of batches) {
        const { generated, failures } = await checkBatch(database, compile, batch, directory)
        const replay = `MILLRACE_FUZZ_SEED=${seed} MILLRACE_FUZZ_TRIPLES=1 npx vitest run core/test/views/partials.test.ts`
        expect(failures.slice(0, 5), `${replay}\n${generated.sql}`).toEqual([])
      }
    }
  })
})

/** Partials of each row by itself, merged in the given order. */
async function answerByRow(view: CompiledView, rows: readonly string[]): Promise<string[]> {
  const partials = rows.map((row) => `SELECT * FROM (${view.partialSql(`(${row})`)})`)
  const merged = view.mergeSql(`(${partials.join(' UNION ALL ')})`)
  return await rowTexts(database, view.finalizeSql(`(${merged})`))
}

/** One row of the table with the given columns, the others NULL. */
function row(values: Readonly<Record<string, string>>): string {
  const list = eventColumns.map(
    ({ name, type }) => `CAST(${values[name] ?? 'NULL'} AS ${type}) AS ${name}`,
  )
  return `SELECT ${list.join(', ')}`
}

/** Every rotation, forwards and backwards: each item is first, last and beside every neighbour once. */
function orders<T>(items: readonly T[]): T[][] {
  const rotations = items.map((_, start) => [...items.slice(start), ...items.slice(0, start)])
  return rotations.flatMap((rotation) => [rotation, rotation.toReversed()])
}

describe('without any row or partial', () => {
  it('a view gives what SQL gives for an empty table', async () => {
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

  it('the grouping set without keys still has its row', async () => {
    const view = await compile(
      'SELECT host, count(*) AS n, stddev(bytes) AS d FROM events GROUP BY ROLLUP (host)',
    )
    const rows = await rowTexts(database, view.finalizeSql(`(${view.partialSql(empty)})`))
    expect(rows).toEqual(["{'host': NULL, 'n': 0, 'd': NULL}"])
  })
})

describe('whatever the order of parts', () => {
  it('ties are decided by the place in the log', async () => {
    const rows = [
      row({ host: 'NULL', status: '5', _partition: '0', _offset: '0' }),
      row({ host: "'b'", status: '5', _partition: '0', _offset: '1' }),
      row({ host: "'c'", status: '5', _partition: '1', _offset: '0' }),
      row({ host: "'d'", status: '5', _partition: '1', _offset: '1' }),
    ]
    const view = await compile(
      `SELECT arg_max(host, status) AS greatest, arg_min(host, status) AS least,
              first(host) AS first, last(host) AS last, any_value(host) AS one,
              arg_max(host, status, 2) AS two, first(host ORDER BY status DESC) AS top FROM events`,
    )
    for (const order of orders(rows)) {
      expect(await answerByRow(view, order)).toEqual([
        "{'greatest': b, 'least': b, 'first': NULL, 'last': d, 'one': b, 'two': [b, c], 'top': NULL}",
      ])
    }
  })

  it('a group passes its declared bound by its values alone', async () => {
    const view = await compile(
      `SELECT count(DISTINCT bytes) AS n, median(bytes) AS m FROM events
       -- millrace: distinct_exact_max = 3`,
    )
    const rows = (values: readonly number[]) =>
      values.map((bytes, index) => row({ bytes: `${bytes}`, _partition: '0', _offset: `${index}` }))
    for (const order of orders(rows([7, 9, 7, 8]))) {
      expect(await answerByRow(view, order)).toEqual(["{'n': 3, 'm': 7.5}"])
    }
    for (const order of orders(rows([1, 1000, 2000, 3000]))) {
      expect(await answerByRow(view, order)).toEqual(["{'n': 4, 'm': 1002.0}"])
    }
  })

  it('a value that has no estimate is an error for who asks for it, and for nobody else', async () => {
    const view = await compile(
      `SELECT count(*) AS n, mode(bytes) AS m FROM events
       -- millrace: distinct_exact_max = 2`,
    )
    const rows = [1, 2, 3].map((bytes) => row({ bytes: `${bytes}`, _partition: '0', _offset: '0' }))
    const partials = rows.map((one) => `SELECT * FROM (${view.partialSql(`(${one})`)})`)
    const answer = view.finalizeSql(`(${view.mergeSql(`(${partials.join(' UNION ALL ')})`)})`)
    expect(await rowTexts(database, `SELECT n FROM (${answer})`)).toEqual(["{'n': 3}"])
    await expect(rowTexts(database, answer)).rejects.toThrow(
      'mode() is exact up to 2 distinct values of a group, and a group has more. Raise distinct_exact_max',
    )
  })

  it('a total of huge values is right or an error, never one part of the rows by itself', async () => {
    const view = await compile('SELECT sum(amount) AS s, avg(amount) AS a FROM events')
    const rows = (values: readonly string[]) =>
      values.map((amount, index) =>
        row({ amount: `'${amount}'`, _partition: '0', _offset: `${index}` }),
      )
    const most = '9999999999999999999999999999999999.9999'
    for (const order of orders(rows([most, most, `-${most}`, `-${most}`, '-0.0001']))) {
      expect(await answerByRow(view, order)).toEqual(["{'s': -0.0001, 'a': -2e-05}"])
    }
    for (const order of orders(rows([most, most, '-0.5']))) {
      await expect(answerByRow(view, order)).rejects.toThrow(/Could not convert|out of range/i)
    }
  })
})

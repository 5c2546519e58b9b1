import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../stores/engine/duckdb.ts'
import type { CompiledView } from '../../views/compiled-view.ts'
import { type Compile, differences, loadRows, splitOf } from './check-triples.ts'
import { compilerFor, openDatabase } from './compile-fixture.ts'
import { type PlantedBug, plantedBugs, replaced, suiteFiles } from './planted-bugs.ts'
import { SeededRandom } from './seeded-random.ts'

/*
 * The property test tested: each planted bug must make it fail, by a difference and not by an error, on
 * rows and splits of the kind that it draws; without the bug the same rows and splits must pass.
 */
const triples = 60
const seeds = [1, 2, 3, 4]

let database: Database
let directory: string
let compile: Compile

beforeAll(async () => {
  database = await openDatabase()
  compile = compilerFor(database)
  directory = await mkdtemp(join(tmpdir(), 'mutations-'))
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

/** Stands for the input while the statement around it is changed. */
const inputName = '__the_input__'

function planted(view: CompiledView, bug: PlantedBug): CompiledView {
  const changed =
    (statement: (input: string) => string, replacements: PlantedBug['merge']) => (input: string) =>
      replaced(statement(inputName), replacements).replaceAll(inputName, () => input)
  return {
    ...view,
    partialSql: changed(view.partialSql, bug.partial),
    mergeSql: changed(view.mergeSql, bug.merge),
    finalizeSql: changed(view.finalizeSql, bug.finalize),
  }
}

async function found(view: CompiledView, bug: PlantedBug, isPlanted: boolean): Promise<string[]> {
  const all: string[] = []
  for (const seed of seeds) {
    const drawn = splitOf(new SeededRandom(seed))
    const split = isPlanted && bug.split !== undefined ? bug.split(drawn) : drawn
    await loadRows(database, { seed, triples, parts: drawn.parts })
    const tried = isPlanted ? planted(view, bug) : view
    const trial = { view: tried, generated: bug.view, split, directory }
    all.push(...(await differences(database, trial)))
    if (isPlanted && all.length > 0) break
  }
  return all
}

describe('the property', () => {
  it.each(plantedBugs.map((bug) => [bug.name, bug] as const))('notices %s', async (_, bug) => {
    const view = await compile(bug.view.sql)
    const changed = planted(view, bug)
    const statements = (one: CompiledView) => [
      one.partialSql('rows'),
      one.mergeSql('partials'),
      one.finalizeSql('merged'),
    ]
    // A bug that no longer finds its place in the SQL plants nothing.
    if (bug.split === undefined) expect(statements(changed)).not.toEqual(statements(view))
    expect(await found(view, bug, false)).toEqual([])
    expect(await found(view, bug, true)).not.toEqual([])
  })
})

it('every suite that is to notice a bug too is there', () => {
  const root = join(import.meta.dirname, '../../..')
  const missing = Object.values(suiteFiles).filter((file) => !existsSync(join(root, file)))
  expect(missing).toEqual([])
})

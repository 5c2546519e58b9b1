import { existsSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { covers, type Offsets, sameOffsets } from '../../../core/offsets.ts'
import type { LoadedPipeline } from '../../../core/pipeline.ts'
import { loadPipelines } from '../../../stores/pipelines.ts'
import type { Coverage } from '../../mirror/contract.ts'
import type { DuckDbMirror } from '../../mirror/mirror.ts'
import { textRows, World } from './world.ts'

/**
 * Strategy: writers act in a random order (append, commit, publish at any earlier lake version, compact,
 * rebuild, open another mirror) while a reader asks one view after the other without a pause.
 * Invariants: every answer, at every moment, equals a recompute of the rows below the offsets that the answer
 * states; offsets never go back; in the end every appended row is visible.
 */
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      partition: fc.nat(2),
      count: fc.integer({ min: 1, max: 400 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      partitions: fc.subarray([0, 1, 2], { minLength: 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      view: fc.nat(5),
      version: fc.nat(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rebuild' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
)

let loaded: LoadedPipeline

beforeAll(async () => {
  const [pipeline] = await loadPipelines('sql', { only: ['http_logs'] })
  if (pipeline === undefined) throw new Error('sql/http_logs is missing.')
  loaded = pipeline
})

it('answers exactly for the offsets it states, whatever the writers do meanwhile', async () => {
  const property = fc.asyncProperty(
    fc.array(action, { minLength: 5, maxLength: 30 }),
    async (actions) => {
      await using world = await World.create(loaded)
      let mirror = await world.openMirror()
      const lakeVersions: Offsets[] = [world.lake]
      const published = new Map<string, Offsets>()
      try {
        for (const step of actions) {
          const checked = checkOneView(world, mirror)
          if (step.kind === 'append') await world.append(step.partition, step.count)
          if (step.kind === 'compact') await world.compact()
          if (step.kind === 'rebuild') await world.compact({ isRebuild: true })
          if (step.kind === 'commit') {
            await world.commit(step.partitions)
            lakeVersions.push(world.lake)
          }
          if (step.kind === 'publish') {
            const view = loaded.views[step.view % loaded.views.length]!
            const offsets = lakeVersions[step.version % lakeVersions.length]!
            const before = published.get(view.name)
            if (before === undefined || covers(offsets, before)) {
              await world.publish(view, offsets)
              published.set(view.name, offsets)
            }
          }
          await checked
          if (step.kind === 'reopen') {
            await mirror[Symbol.asyncDispose]()
            mirror = await world.openMirror()
          }
        }
        await becomesVisible(mirror, world.ends)
        for (const _ of loaded.views) await checkOneView(world, mirror)
        await checkRows(world, mirror)
        expect(world.failures).toEqual([])
      } finally {
        await mirror[Symbol.asyncDispose]()
      }
    },
  )
  await fc.assert(property, { numRuns: Number(process.env['FUZZ_RUNS'] ?? 25), endOnFailure: true })
}, 120_000)

it('follows a lake whose new files were merged and removed before it looked', async () => {
  await using world = await World.create(loaded)
  await world.append(0, 50)
  await world.commit([0])
  await using mirror = await world.openMirror({ lakePollIntervalMs: 1000 })
  await world.append(0, 50)
  await world.commit([0])
  await world.compact({ vacuums: true })
  await expect
    .poll(() => mirror.status()[0]?.lake, { timeout: 10_000, interval: 20 })
    .toEqual(world.lake)
  for (const _ of loaded.views) await checkOneView(world, mirror)
})

it('counts rows once when they were rebuilt between appends', async () => {
  await using world = await World.create(loaded)
  await using mirror = await world.openMirror()
  for (let round = 0; round < 3; round++) {
    await world.append(0, 50)
    await world.commit([0])
    await world.compact({ isRebuild: true })
    await world.append(1, 20)
    await becomesVisible(mirror, world.ends)
    for (const _ of loaded.views) await checkOneView(world, mirror)
    await checkRows(world, mirror)
  }
})

it('goes on when its folder in memory is taken away', async () => {
  await using world = await World.create(loaded)
  await using mirror = await world.openMirror()
  const places = ['/dev/shm', tmpdir()].filter(existsSync)
  const folders = places.flatMap((place) => readdirSync(place).map((name) => join(place, name)))
  const own = folders.filter((path) => new RegExp(`/millrace-.*\\b${process.pid}-`).test(path))
  expect(own).not.toEqual([])
  for (const path of own) rmSync(path, { recursive: true })
  await world.append(0, 50)
  await becomesVisible(mirror, world.ends)
  await checkRows(world, mirror)
})

it('follows the lake while the hot store cannot be read', async () => {
  await using world = await World.create(loaded)
  await using mirror = await world.openMirror()
  world.hotStore.read = () => Promise.reject(new Error('The hot store is away.'))
  await world.append(0, 50)
  await world.commit([0])
  await becomesVisible(mirror, world.ends)
  for (const _ of loaded.views) await checkOneView(world, mirror)
  expect(world.failures.length).toBeGreaterThan(0)
})

describe('a view that is published beyond what the lake has', () => {
  const beyond: Offsets = new Map([[0, 80n]])

  it('is not served', async () => {
    await using world = await World.create(loaded)
    await world.append(0, 50)
    await world.commit([0])
    await world.append(0, 50)
    await world.publish(loaded.views[0]!, beyond)
    await expect(world.openMirror()).rejects.toMatchObject({ code: 'COVERAGE_HOLE' })
  })

  it('leaves the answers at the offsets where they were', async () => {
    await using world = await World.create(loaded)
    await world.append(0, 50)
    await world.commit([0])
    await using mirror = await world.openMirror()
    await world.append(0, 50)
    await becomesVisible(mirror, world.ends)
    await world.publish(loaded.views[0]!, beyond)
    await world.publish(loaded.views[1]!, world.lake)
    await expect
      .poll(() => world.failures.length, { timeout: 10_000, interval: 5 })
      .toBeGreaterThan(0)
    expect(world.failures[0]).toMatchObject({ code: 'COVERAGE_HOLE' })
    for (const _ of loaded.views) await checkOneView(world, mirror)
    // The others are none the worse for it.
    await expect
      .poll(() => mirror.status()[0]?.batch.get(loaded.views[1]!.name), { timeout: 10_000 })
      .toEqual(world.lake)
    // Once the lake has the rows the view is taken.
    await world.commit([0])
    await expect
      .poll(() => mirror.status()[0]?.batch.get(loaded.views[0]!.name), { timeout: 10_000 })
      .toEqual(beyond)
    for (const _ of loaded.views) await checkOneView(world, mirror)
  })
})

let nextView = 0

async function checkOneView(world: World, mirror: DuckDbMirror): Promise<void> {
  const view = loaded.views[nextView++ % loaded.views.length]!
  const { coverage, lines } = await ask(mirror, `SELECT * FROM "default".${view.name}`, view.name)
  expect(lines, view.name).toEqual(await world.expected(view, coverage.realtime))
  const batch = await ask(mirror, `SELECT * FROM batch.${view.name}`, view.name)
  expect(batch.lines, `batch.${view.name}`).toEqual(
    await world.expected(view, batch.coverage.batch),
  )
}

async function checkRows(world: World, mirror: DuckDbMirror): Promise<void> {
  const { coverage, lines } = await ask(mirror, 'SELECT _partition, _offset FROM "default".logs')
  expect(new Set(lines).size).toBe(lines.length)
  expect(BigInt(lines.length)).toBe(await world.expectedRowCount(coverage.realtime))
}

async function ask(
  mirror: DuckDbMirror,
  sql: string,
  view?: string,
): Promise<{ coverage: Coverage; lines: string[] }> {
  return await mirror.database.transaction(async (session) => ({
    coverage: await mirror.coverageIn(session, 'http_logs', {
      mode: 'merged',
      ...(view === undefined ? {} : { view }),
    }),
    lines: await textRows((statement) => session.rows(statement), sql),
  }))
}

async function becomesVisible(mirror: DuckDbMirror, ends: Offsets): Promise<void> {
  await expect
    .poll(() => mirror.status().every(({ realtime }) => sameOffsets(realtime, ends)), {
      timeout: 20_000,
      interval: 5,
    })
    .toBe(true)
}

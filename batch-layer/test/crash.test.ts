import { describe, expect, it } from 'vitest'
import type { BatchStep } from '../context.ts'
import { recomputeView } from '../recompute-view.ts'
import { runBatch } from '../run.ts'
import { tidyTables } from '../tidy-tables.ts'
import { openLakeFixture, type Row, trafficView } from './lake-fixture.ts'

const rows = (count: number): Row[] =>
  Array.from({ length: count }, (_, index) => ({
    partition: index % 2,
    host: 'abc'[index % 3] ?? '',
    bytes: index,
    day: '2026-01-01',
  }))

/*
 * Strategy: die after each step of the write path, then run a batch as a restarted process would.
 * Invariants: readers see the old or the new version and nothing else; the next batch is right.
 */
describe('a batch that dies', () => {
  it.each(['planned', 'recomputed', 'published'] satisfies BatchStep[])(
    'after the step "%s" leaves the view old or new, and the next one right',
    async (step) => {
      await using lake = await openLakeFixture()
      await lake.append(rows(5))
      await runBatch(lake.context)
      const before = await lake.answer()
      await lake.append(rows(3))
      const after = await lake.direct()
      const dying = {
        ...lake.context,
        afterStep: (done: BatchStep) => {
          if (done === step) throw new Error('died')
        },
      }
      const [loaded] = lake.context.pipelines
      if (loaded === undefined) throw new Error('There is no pipeline.')
      const work = {
        loaded,
        view: trafficView(),
        tables: lake.tables,
        curated: await lake.tables.curated.refresh(),
        isFullAsked: false,
      }
      await expect(recomputeView(dying, work)).rejects.toThrow('died')
      expect(await lake.answer()).toEqual(step === 'published' ? after : before)
      await runBatch(lake.context)
      expect(await lake.answer()).toEqual(after)
    },
  )

  it('in the middle of a compaction keeps every row', async () => {
    await using lake = await openLakeFixture()
    for (let commit = 0; commit < 4; commit++) await lake.append(rows(3))
    const before = await lake.rows(lake.tables.curated)
    const [loaded] = lake.context.pipelines
    if (loaded === undefined) throw new Error('There is no pipeline.')
    const { storage } = lake.context
    // The merged files are put, and the process dies before the commit.
    const table = lake.tables.curated
    const dying = {
      ...lake.tables,
      curated: { ...bound(table), replace: () => Promise.reject(new Error('died')) },
    }
    await recomputeAll(lake)
    await tidyTables(lake.context, loaded, { tables: dying, curated: await table.refresh() })
    expect(await lake.rows(table)).toEqual(before)
    const orphans = (await storage.list(table.path)).length
    expect(orphans).toBeGreaterThan(table.current().files.length)
    await runBatch(lake.context)
    expect(await lake.rows(table)).toEqual(before)
    expect(table.current().files.length).toBe(1)
  })
})

async function recomputeAll(lake: Awaited<ReturnType<typeof openLakeFixture>>): Promise<void> {
  const [loaded] = lake.context.pipelines
  if (loaded === undefined) throw new Error('There is no pipeline.')
  const curated = await lake.tables.curated.refresh()
  for (const view of loaded.views) {
    await recomputeView(lake.context, {
      loaded,
      view,
      tables: lake.tables,
      curated,
      isFullAsked: false,
    })
  }
}

/** The table's methods as properties, to exchange one of them. */
function bound(table: Awaited<ReturnType<typeof openLakeFixture>>['tables']['curated']) {
  return {
    path: table.path,
    current: () => table.current(),
    refresh: () => table.refresh(),
    commitsAfter: (version: number) => table.commitsAfter(version),
    append: (request: Parameters<typeof table.append>[0]) => table.append(request),
    replace: (request: Parameters<typeof table.replace>[0]) => table.replace(request),
    addColumns: (columns: Parameters<typeof table.addColumns>[0]) => table.addColumns(columns),
    readablePaths: (files: Parameters<typeof table.readablePaths>[0]) => table.readablePaths(files),
    vacuum: (retentionMs: number) => table.vacuum(retentionMs),
  }
}

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acquireProcessLock } from '../../stores/process-lock.ts'
import { createTelemetry } from '../../stores/telemetry.ts'
import { batchSettings } from '../config.ts'
import type { BatchProgress } from '../context.ts'
import { runBatch, runBatchLayer } from '../run.ts'
import {
  handClock,
  openLakeFixture,
  type Row,
  trafficPipeline,
  trafficView,
} from './lake-fixture.ts'

const row = (host: string, bytes: number, options: Partial<Row> = {}): Row => ({
  partition: 0,
  host,
  bytes,
  day: '2026-01-01',
  ...options,
})

const anyRow = fc.record({
  partition: fc.integer({ min: 0, max: 1 }),
  host: fc.constantFrom('a', 'b', 'c'),
  bytes: fc.integer({ min: -1000, max: 1_000_000 }),
  day: fc.constantFrom('2026-01-01', '2026-01-02'),
})

describe('runBatch', () => {
  it('publishes a view, then only what is new, then nothing', async () => {
    await using lake = await openLakeFixture()
    await lake.append([row('a', 1), row('b', 2)])
    const first = await runBatch(lake.context)
    expect(first.views[0]?.outcome).toMatchObject({ kind: 'published', how: 'full' })
    expect(await lake.answer()).toEqual([
      ['a', '1', '1'],
      ['b', '1', '2'],
    ])
    await lake.append([row('a', 10, { partition: 1 })])
    const second = await runBatch(lake.context)
    expect(second.views[0]?.outcome).toMatchObject({
      kind: 'published',
      how: 'incremental',
      offsets: new Map([
        [0, 2n],
        [1, 1n],
      ]),
    })
    expect(await lake.answer()).toEqual([
      ['a', '2', '11'],
      ['b', '1', '2'],
    ])
    const third = await runBatch(lake.context)
    expect(third.views[0]?.outcome).toEqual({ kind: 'current' })
  })

  it('does nothing to a pipeline without rows', async () => {
    await using lake = await openLakeFixture()
    const report = await runBatch(lake.context)
    expect(report.views.map(({ outcome }) => outcome.kind)).not.toContain('failed')
    expect(await lake.answer()).toEqual([])
  })

  /*
   * Strategy: random rows in random commits, a batch after some of them, compaction on the way.
   * Invariants: after each batch the answer equals the direct aggregation over all rows, and a full
   * recompute of the same offsets never differs from the incremental result.
   */
  it('gives incrementally what a full recompute gives, whatever the commits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(anyRow, { minLength: 1, maxLength: 6 }), fc.boolean()), {
          minLength: 1,
          maxLength: 8,
        }),
        async (commits) => {
          await using lake = await openLakeFixture()
          for (const [rows, isBatch] of commits) {
            await lake.append(rows)
            if (!isBatch) continue
            await runBatch(lake.context)
            expect(await lake.answer()).toEqual(await lake.direct())
          }
          await runBatch(lake.context)
          const rowsBefore = await lake.rows(lake.tables.curated)
          const report = await runBatch(lake.context, { isFull: true })
          expect(report.views[0]?.outcome).toMatchObject({ how: 'full', hasDiverged: false })
          expect(await lake.answer()).toEqual(await lake.direct())
          expect(await lake.rows(lake.tables.curated)).toEqual(rowsBefore)
        },
      ),
      { numRuns: 15 },
    )
  }, 60_000)

  it('recomputes everything when the definition changed, columns included', async () => {
    await using lake = await openLakeFixture()
    await lake.append([row('a', 1)])
    await runBatch(lake.context)
    const changed = {
      ...trafficView('second', 100),
      partialColumns: [...trafficView().partialColumns, { name: 's2', type: 'BIGINT' }],
      partialSql: (input: string) =>
        `SELECT host AS g0, 0::INTEGER AS _part, NULL::INTEGER AS _bucket, count(*) AS s0, sum(bytes)::DECIMAL(38,0) AS s1, max(bytes) AS s2 FROM ${input} GROUP BY ALL`,
      mergeSql: (input: string) =>
        `SELECT g0, _part, _bucket, sum(s0)::BIGINT AS s0, sum(s1)::DECIMAL(38,0) AS s1, max(s2) AS s2 FROM ${input} GROUP BY ALL`,
      finalizeSql: (input: string) => `SELECT g0, s2 FROM ${input} ORDER BY 1`,
    }
    await lake.append([row('a', 5)])
    const context = { ...lake.context, pipelines: [trafficPipeline([changed])] }
    const report = await runBatch(context)
    expect(report.views[0]?.outcome).toMatchObject({ how: 'full', hasDiverged: false })
    expect(await lake.answer(changed)).toEqual([['a', '5']])
    expect((await lake.tables.view(changed)).current().columns.map(({ name }) => name)).toContain(
      's2',
    )
  })

  it('recomputes from all rows when the last time is long ago', async () => {
    const { clock, pass } = handClock()
    await using lake = await openLakeFixture({ clock })
    await lake.append([row('a', 1)])
    await runBatch(lake.context)
    pass(lake.context.settings.fullIntervalMs - 1)
    expect((await runBatch(lake.context)).views[0]?.outcome.kind).toBe('current')
    pass(1)
    expect((await runBatch(lake.context)).views[0]?.outcome).toMatchObject({ how: 'full' })
    expect((await runBatch(lake.context)).views[0]?.outcome.kind).toBe('current')
  })

  it('notices that published partials were doctored, and publishes the right ones', async () => {
    const telemetry = createTelemetry('silent')
    await using lake = await openLakeFixture({ telemetry })
    await lake.append([row('a', 1), row('b', 2)])
    await runBatch(lake.context)
    const table = await lake.tables.view(trafficView())
    // The published file is exchanged for one that says something else.
    await using other = await openLakeFixture()
    await other.append([row('a', 1), row('b', 3)])
    await runBatch(other.context)
    const [wrong] = await (await other.tables.view(trafficView())).readablePaths(
      (await other.tables.view(trafficView())).current().files,
    )
    const [file] = table.current().files
    const { readFile } = await import('node:fs/promises')
    await lake.context.storage.put(`${table.path}/${file?.path}`, await readFile(`${wrong}`))

    const report = await runBatch(lake.context, { isFull: true })
    expect(report.views[0]?.outcome).toMatchObject({ kind: 'published', hasDiverged: true })
    expect(
      await telemetry.registry.getSingleMetricAsString('millrace_batch_divergence_total'),
    ).toContain('millrace_batch_divergence_total{pipeline="traffic",view="traffic_by_host"} 1')
    expect(await lake.answer()).toEqual(await lake.direct())
  })

  it('merges small files without losing, doubling or moving a row', async () => {
    await using lake = await openLakeFixture()
    for (let commit = 0; commit < 6; commit++) {
      const day = commit % 2 === 0 ? '2026-01-01' : '2026-01-02'
      await lake.append([row('a', commit, { day }), row('b', commit, { day, partition: 1 })])
    }
    const before = await lake.rows(lake.tables.curated)
    const filesBefore = lake.tables.curated.current().files.length
    await runBatch(lake.context)
    const { files, offsets } = await lake.tables.curated.refresh()
    expect(files.length).toBeLessThan(filesBefore)
    expect(offsets).toEqual(
      new Map([
        [0, 6n],
        [1, 6n],
      ]),
    )
    expect(await lake.rows(lake.tables.curated)).toEqual(before)
    await lake.append([row('a', 7)])
    expect((await runBatch(lake.context)).views[0]?.outcome).toMatchObject({ how: 'incremental' })
    expect(await lake.answer()).toEqual(await lake.direct())
  })

  it('goes on with the other views when one fails, and says which', async () => {
    const broken = { ...trafficView(), name: 'broken', partialSql: () => 'SELECT nonsense' }
    await using lake = await openLakeFixture({
      pipelines: [trafficPipeline([broken, trafficView()])],
    })
    await lake.append([row('a', 1)])
    const report = await runBatch(lake.context)
    expect(report.views.map(({ outcome }) => outcome.kind)).toEqual(['failed', 'published'])
  })

  it('refuses a curated table that ends below the published view', async () => {
    await using lake = await openLakeFixture()
    await lake.append([row('a', 1)])
    const table = await lake.tables.view(trafficView())
    const { version } = await table.refresh()
    await table.replace({
      remove: [],
      add: [],
      offsets: new Map([[0, 5n]]),
      configuration: { 'millrace.definitionHash': 'first' },
      dataChange: true,
      operation: 'TEST',
      basedOnVersion: version,
    })
    const [view] = (await runBatch(lake.context)).views
    expect(view?.outcome).toMatchObject({ kind: 'failed', error: { code: 'COVERAGE_HOLE' } })
  })

  it('names the views there are when asked for another', async () => {
    await using lake = await openLakeFixture()
    await expect(runBatch(lake.context, { view: 'nothing' })).rejects.toThrow(
      "There is no view 'nothing' to recompute. Known views: traffic.traffic_by_host.",
    )
  })

  it('tells how far it is', async () => {
    await using lake = await openLakeFixture()
    const seen: BatchProgress[] = []
    await runBatch(lake.context, { onProgress: (progress) => seen.push(progress) })
    expect(seen).toEqual([
      { done: 0, total: 1, next: 'traffic.traffic_by_host' },
      { done: 1, total: 1, next: '' },
    ])
  })

  it('does not run beside another batch of the same data directory', async () => {
    await using lake = await openLakeFixture({ settings: batchSettings.parse({ lockWaitMs: 0 }) })
    const other = await acquireProcessLock(lake.context.lockDirectory, 'batch', 'a test')
    await expect(runBatch(lake.context)).rejects.toMatchObject({ code: 'DATA_DIRECTORY_IN_USE' })
    if (other.kind === 'acquired') await other.lock[Symbol.asyncDispose]()
    await runBatch(lake.context)
  })
})

describe('runBatchLayer', () => {
  it('runs again and again until it is told to stop', async () => {
    const stop = new AbortController()
    let pauses = 0
    const sleep = () => {
      pauses += 1
      if (pauses === 3) stop.abort()
      return Promise.resolve()
    }
    await using lake = await openLakeFixture({ clock: { ...handClock().clock, sleep } })
    await lake.append([row('a', 1)])
    await runBatchLayer(lake.context, stop.signal)
    expect(pauses).toBe(3)
    expect(await lake.answer()).toEqual(await lake.direct())
  })
})

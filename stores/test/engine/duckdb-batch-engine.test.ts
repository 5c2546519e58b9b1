import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OffsetRange } from '../../../core/offsets.ts'
import type { CompiledView } from '../../../core/views/compiled-view.ts'
import { createDuckDbBatchEngine } from '../../engine/duckdb-batch-engine.ts'
import type { RecomputeRequest } from '../../engine/port.ts'
import { scanSql } from '../../lake/scan.ts'
import { eventPartitions, eventShape, Lake } from '../lake/lake-fixture.ts'

const partialColumns = [
  { name: 'g0', type: 'VARCHAR' },
  { name: '_part', type: 'SMALLINT' },
  { name: '_bucket', type: 'INTEGER' },
  { name: 's0', type: 'BIGINT' },
  { name: 's1', type: 'DECIMAL(38,0)' },
]

/** Rows and the sum of offsets by folder. */
const view: CompiledView = {
  name: 'by_dt',
  pipeline: 'http_logs',
  description: '',
  sql: '',
  definitionHash: 'hash',
  partialColumns,
  keyCount: 1,
  columns: [],
  partialSql: (input) =>
    `SELECT dt AS g0, 0::SMALLINT AS _part, NULL::INTEGER AS _bucket, count(*) AS s0, sum(_offset)::DECIMAL(38,0) AS s1 FROM ${input} AS input GROUP BY dt`,
  mergeSql: (input) =>
    `SELECT g0, _part, _bucket, sum(s0)::BIGINT AS s0, sum(s1)::DECIMAL(38,0) AS s1 FROM ${input} AS partials GROUP BY ALL`,
  finalizeSql: (input) => `SELECT * FROM ${input}`,
}

async function open() {
  const lake = await Lake.open()
  const engine = createDuckDbBatchEngine(lake)
  const pathOf = (path: string) => lake.storage.readablePath(`http_logs/${path}`)
  const curatedFiles: string[] = []
  for (const [partition, until] of [
    [0, 40n],
    [1, 25n],
  ] as const) {
    for (let from = 0n; from < until; from += 5n) {
      const files = await lake.stage(partition, from, from + 5n)
      curatedFiles.push(...(await Promise.all(files.map((file) => pathOf(`curated/${file.path}`)))))
    }
  }
  const request = (ranges: readonly OffsetRange[], more: Partial<RecomputeRequest> = {}) => ({
    view,
    curatedColumns: eventShape.columns,
    curatedPartitionColumns: eventPartitions,
    curatedFiles,
    ranges,
    partialFiles: [],
    ...more,
  })
  const partialPaths = (files: readonly { readonly path: string }[]) =>
    Promise.all(files.map((file) => pathOf(`views/by_dt/${file.path}`)))
  return { lake, engine, request, partialPaths }
}

const all: readonly OffsetRange[] = [
  { partition: 0, from: 0n, until: 40n },
  { partition: 1, from: 0n, until: 25n },
]

describe('the DuckDB batch engine', () => {
  it('aggregates the rows of the ranges and no others', async () => {
    const { lake, engine, request, partialPaths } = await open()
    const result = await engine.recompute(request([{ partition: 0, from: 3n, until: 7n }]))
    const scan = scanSql(await partialPaths(result.files), {
      columns: partialColumns,
      partitionColumns: [],
    })
    expect(
      await lake.database.rows(`SELECT g0, _part, s0, s1::INTEGER AS s1 FROM (${scan})`),
    ).toEqual([
      { g0: 'd0', _part: 0, s0: 2n, s1: 10 },
      { g0: 'd1', _part: 0, s0: 2n, s1: 8 },
    ])
    expect(result.rowCount).toBe(2)
  })

  it('gives the same from partials of any cut as from all rows', async () => {
    const { engine, request, partialPaths } = await open()
    const full = await engine.recompute(request(all))
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: 0n, max: 40n }),
        fc.bigInt({ min: 0n, max: 25n }),
        async (a, b) => {
          const below = all.map((range, n) => ({ ...range, until: n === 0 ? a : b }))
          const above = all.map((range, n) => ({ ...range, from: n === 0 ? a : b }))
          const first = await engine.recompute(request(below))
          const partialFiles = await partialPaths(first.files)
          const second = await engine.recompute(request(above, { partialFiles }))
          expect(second.checksum).toBe(full.checksum)
          expect(second.rowCount).toBe(full.rowCount)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('gives another checksum for one row more, less or doubled', async () => {
    const { engine, request, partialPaths } = await open()
    const full = await engine.recompute(request(all))
    const less = await engine.recompute(
      request([
        { partition: 0, from: 0n, until: 39n },
        { partition: 1, from: 0n, until: 25n },
      ]),
    )
    const partialFiles = await partialPaths(full.files)
    const doubled = await engine.recompute(
      request([{ partition: 0, from: 0n, until: 1n }], { partialFiles }),
    )
    const checksums = new Set([full, less, doubled].map((result) => result.checksum))
    expect(checksums.size).toBe(3)
  })

  it('stages nothing for no rows', async () => {
    const { engine, request } = await open()
    const empty = await engine.recompute(request([]))
    expect(empty).toMatchObject({ files: [], rowCount: 0 })
    const none = await engine.recompute(request(all, { curatedFiles: [] }))
    expect(none.checksum).toBe(empty.checksum)
  })

  it('stops when it is aborted, with the reason, and leaves no files', async () => {
    const { lake, engine, request } = await open()
    const reason = new Error('shutting down')
    const early = AbortSignal.abort(reason)
    await expect(engine.recompute(request(all, { signal: early }))).rejects.toBe(reason)

    const endless = {
      ...view,
      partialSql: (input: string) =>
        `SELECT 'x' AS g0, 0::SMALLINT AS _part, NULL::INTEGER AS _bucket, count(*) AS s0, 0::DECIMAL(38,0) AS s1
         FROM ${input} AS input, range(1000000) AS a, range(1000000) AS b WHERE a.range * b.range = -1`,
    }
    // At whatever moment it comes: before, while and after the statement begins.
    for (const turns of [0, 1, 3, 20, 200]) {
      const abort = new AbortController()
      const running = engine.recompute(request(all, { view: endless, signal: abort.signal }))
      const rejection = expect(running).rejects.toBe(reason)
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
      abort.abort(reason)
      await rejection
    }
    const abort = new AbortController()
    const abortingFirst: CompiledView = {
      ...endless,
      partialSql: (input) => {
        abort.abort(reason)
        return endless.partialSql(input)
      },
    }
    const aborted = request(all, { view: abortingFirst, signal: abort.signal })
    await expect(engine.recompute(aborted)).rejects.toBe(reason)
    expect(await lake.storage.list('http_logs/views')).toEqual([])
    expect((await engine.recompute(request(all))).rowCount).toBe(2)
  })
})

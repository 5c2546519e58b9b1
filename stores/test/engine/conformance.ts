/**
 * What every adapter of the batch engine does. `makeEngine` is given a lake of its own per test, of which
 * the engine reads files and into which it stages some; the caller cleans up.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { OffsetRange } from '../../../core/offsets.ts'
import type { CompiledView } from '../../../core/views/compiled-view.ts'
import type { BatchEngine, RecomputeRequest, RecomputeResult } from '../../engine/port.ts'
import { scanSql } from '../../lake/scan.ts'
import { eventPartitions, eventShape, Lake, storageWith } from '../lake/lake-fixture.ts'

export function describeBatchEngine(
  name: string,
  makeEngine: (lake: Lake) => Promise<BatchEngine>,
): void {
  describe(`batch engine: ${name}`, () => {
    const open = async () => {
      const lake = await Lake.open()
      return new World(lake, await makeEngine(lake), await stageEvents(lake))
    }
    describeRows(open)
    describeChecksums(open)
    describeEnds(open)
    describeLateAbort(makeEngine)
  })
}

type Open = () => Promise<World>

const partialColumns = [
  { name: 'g0', type: 'VARCHAR' },
  { name: '_part', type: 'SMALLINT' },
  { name: '_bucket', type: 'INTEGER' },
  { name: 's0', type: 'BIGINT' },
  { name: 's1', type: 'DECIMAL(38,0)' },
]

/** Rows, and a sum of more digits than a DOUBLE or a 64-bit integer has, by folder. */
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
    `SELECT dt AS g0, 0::SMALLINT AS _part, NULL::INTEGER AS _bucket, count(*) AS s0, sum(_offset * 10000000000000000000000000001::DECIMAL(38,0))::DECIMAL(38,0) AS s1 FROM ${input} AS input GROUP BY dt`,
  mergeSql: (input) =>
    `SELECT g0, _part, _bucket, sum(s0)::BIGINT AS s0, sum(s1)::DECIMAL(38,0) AS s1 FROM ${input} AS partials GROUP BY ALL`,
  finalizeSql: (input) => `SELECT * FROM ${input}`,
}

const all: readonly OffsetRange[] = [
  { partition: 0, from: 0n, until: 40n },
  { partition: 1, from: 0n, until: 25n },
]

/** Files of five rows each, with the even offsets in the folder `dt=d0` and the odd ones in `dt=d1`. */
async function stageEvents(lake: Lake): Promise<string[]> {
  const paths: string[] = []
  for (const { partition, until } of all) {
    for (let from = 0n; from < until; from += 5n) {
      for (const { path } of await lake.stage(partition, from, from + 5n)) {
        paths.push(await lake.storage.readablePath(`http_logs/curated/${path}`))
      }
    }
  }
  return paths
}

class World {
  readonly lake: Lake
  readonly engine: BatchEngine
  readonly #curatedFiles: readonly string[]

  constructor(lake: Lake, engine: BatchEngine, curatedFiles: readonly string[]) {
    this.lake = lake
    this.engine = engine
    this.#curatedFiles = curatedFiles
  }

  recompute(
    ranges: readonly OffsetRange[],
    more: Partial<RecomputeRequest> = {},
  ): Promise<RecomputeResult> {
    return this.engine.recompute({
      view,
      curatedColumns: eventShape.columns,
      curatedPartitionColumns: eventPartitions,
      curatedFiles: this.#curatedFiles,
      ranges,
      partialFiles: [],
      ...more,
    })
  }

  partialPaths({ files }: RecomputeResult): Promise<string[]> {
    return Promise.all(
      files.map(({ path }) => this.lake.storage.readablePath(`http_logs/views/by_dt/${path}`)),
    )
  }

  /** What the staged files hold, with the types of the partials. */
  async rows(result: RecomputeResult): Promise<unknown[]> {
    const paths = await this.partialPaths(result)
    const partials = scanSql(paths, { columns: partialColumns, partitionColumns: [] })
    return await this.lake.database.rows(
      `SELECT g0, _part, _bucket, s0, s1::VARCHAR AS s1 FROM (${partials}) ORDER BY g0`,
    )
  }

  /** Every file below the folder of views. */
  async staged(): Promise<string[]> {
    return (await this.lake.storage.list('http_logs/views')).map(({ path }) => path)
  }
}

function describeRows(open: Open): void {
  test('the rows of the ranges are aggregated and no others, to the last digit', async () => {
    const world = await open()
    const result = await world.recompute([{ partition: 0, from: 3n, until: 7n }])
    const ofFolder = { _part: 0, _bucket: null, s0: 2n }
    expect(await world.rows(result)).toEqual([
      { g0: 'd0', ...ofFolder, s1: '100000000000000000000000000010' },
      { g0: 'd1', ...ofFolder, s1: '80000000000000000000000000008' },
    ])
    expect(result.rowCount).toBe(2)
  })

  test('the files are in the folder of the view, and what is said of them holds', async () => {
    const world = await open()
    const { files, rowCount } = await world.recompute(all)
    expect(files.reduce((sum, file) => sum + file.rowCount, 0)).toBe(rowCount)
    const listed = await world.lake.storage.list('http_logs/views/by_dt')
    expect(listed.map(({ path, bytes }) => ({ path, bytes }))).toEqual(
      files.map(({ path, bytes }) => ({ path: `http_logs/views/by_dt/${path}`, bytes })),
    )
  })

  test('partials of any cut give what all rows give', async () => {
    const world = await open()
    const full = await world.recompute(all)
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: 0n, max: 40n }),
        fc.bigInt({ min: 0n, max: 25n }),
        async (a, b) => {
          const below = all.map((range, n) => ({ ...range, until: n === 0 ? a : b }))
          const above = all.map((range, n) => ({ ...range, from: n === 0 ? a : b }))
          const partialFiles = await world.partialPaths(await world.recompute(below))
          const second = await world.recompute(above, { partialFiles })
          expect(second.checksum).toBe(full.checksum)
          expect(second.rowCount).toBe(full.rowCount)
        },
      ),
      { numRuns: 15 },
    )
  })

  test('published partials count beside new ones that are the same', async () => {
    const world = await open()
    const range = [{ partition: 0, from: 0n, until: 4n }]
    const partialFiles = await world.partialPaths(await world.recompute(range))
    const result = await world.recompute(range, { partialFiles })
    expect(await world.rows(result)).toMatchObject([{ s0: 4n }, { s0: 4n }])
  })

  test('a column that a file does not have yet is NULL in its rows', async () => {
    const world = await open()
    const younger: CompiledView = {
      ...view,
      partialSql: (input) =>
        view.partialSql(`(SELECT coalesce(added, 'none') AS dt, _offset FROM ${input} AS scanned)`),
    }
    const added = { name: 'added', type: 'VARCHAR' }
    const curatedColumns = [...eventShape.columns, added]
    const result = await world.recompute(all, { view: younger, curatedColumns })
    expect(await world.rows(result)).toMatchObject([{ g0: 'none', s0: 65n }])
  })

  test('recomputes at the same time do not disturb each other', async () => {
    const world = await open()
    const ends = [1n, 10n, 20n, 40n]
    const alone: string[] = []
    for (const until of ends) {
      alone.push((await world.recompute([{ partition: 0, from: 0n, until }])).checksum)
    }
    const together = await Promise.all(
      ends.map((until) => world.recompute([{ partition: 0, from: 0n, until }])),
    )
    expect(together.map(({ checksum }) => checksum)).toEqual(alone)
  })
}

function describeChecksums(open: Open): void {
  test('the same again has the same checksum, in files of its own', async () => {
    const world = await open()
    const first = await world.recompute(all)
    const second = await world.recompute(all)
    expect(second.checksum).toBe(first.checksum)
    const paths = [...first.files, ...second.files].map(({ path }) => path)
    expect(new Set(paths).size).toBe(paths.length)
  })

  test('one row more, less or doubled gives another checksum', async () => {
    const world = await open()
    const full = await world.recompute(all)
    const less = await world.recompute(
      all.map((range) => (range.partition === 0 ? { ...range, until: 39n } : range)),
    )
    const partialFiles = await world.partialPaths(full)
    const once = [{ partition: 0, from: 0n, until: 1n }]
    const doubled = await world.recompute(once, { partialFiles })
    const checksums = [full, less, doubled].map(({ checksum }) => checksum)
    expect(new Set(checksums).size).toBe(3)
  })

  test('no rows give no files, however there are none', async () => {
    const world = await open()
    const noRanges = await world.recompute([])
    expect(noRanges).toMatchObject({ files: [], rowCount: 0 })
    const noFiles = await world.recompute(all, { curatedFiles: [] })
    expect(noFiles).toMatchObject({ files: [], rowCount: 0, checksum: noRanges.checksum })
    expect(await world.staged()).toEqual([])
  })
}

function describeEnds(open: Open): void {
  test('a statement that fails leaves no files, and the next one works', async () => {
    const world = await open()
    const broken = { ...view, partialSql: () => 'SELECT no_such_column' }
    await expect(world.recompute(all, { view: broken })).rejects.toThrow()
    const late: CompiledView = {
      ...view,
      mergeSql: (input) =>
        view.mergeSql(`(SELECT * REPLACE (CAST('x' || s0 AS BIGINT) AS s0) FROM ${input} AS p)`),
    }
    await expect(world.recompute(all, { view: late })).rejects.toThrow()
    expect(await world.staged()).toEqual([])
    expect((await world.recompute(all)).rowCount).toBe(2)
  })

  test('a recompute that is aborted rejects with the reason and leaves no files', async () => {
    const world = await open()
    const reason = new Error('shutting down')
    const early = AbortSignal.abort(reason)
    await expect(world.recompute(all, { signal: early })).rejects.toBe(reason)
    // At whatever moment it comes: before, while and after the statement begins.
    for (const turns of [0, 1, 3, 20, 200]) {
      const abort = new AbortController()
      const running = world.recompute(all, { view: endless, signal: abort.signal })
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
    const aborted = world.recompute(all, { view: abortingFirst, signal: abort.signal })
    await expect(aborted).rejects.toBe(reason)
    expect(await world.staged()).toEqual([])
    expect((await world.recompute(all)).rowCount).toBe(2)
  })
}

function describeLateAbort(makeEngine: (lake: Lake) => Promise<BatchEngine>): void {
  test('a recompute that is aborted when its files are there leaves none', async () => {
    const lake = await Lake.open()
    const abort = new AbortController()
    const reason = new Error('shutting down')
    const storage = storageWith(lake.storage, {
      putFile: async (path, file) => {
        await lake.storage.putFile(path, file)
        if (path.startsWith('http_logs/views/')) abort.abort(reason)
      },
    })
    const engine = await makeEngine(new Lake(lake.root, storage, lake.database))
    const world = new World(lake, engine, await stageEvents(lake))
    await expect(world.recompute(all, { signal: abort.signal })).rejects.toBe(reason)
    expect(await world.staged()).toEqual([])
  })
}

/** Every row with every other, often enough to outlast a test. */
const endless: CompiledView = {
  ...view,
  partialSql: (input) => {
    const copies = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const sum = copies.map((copy) => `${copy}._offset`).join(' + ')
    return view.partialSql(
      `(SELECT a.dt, a._offset FROM ${copies.map((copy) => `${input} AS ${copy}`).join(', ')} WHERE ${sum} = -1)`,
    )
  },
}

import { describe, expect, it } from 'vitest'
import type { Clock } from '../../clock.ts'
import { systemClock } from '../../clock.ts'
import { scanSql } from '../../lake/scan.ts'
import type { LakeTable } from '../../lake/types.ts'
import {
  coordinatesBelow,
  eventColumns,
  eventShape,
  Lake,
  openStorage,
  storageWith,
} from './lake-fixture.ts'

/** The system's clock, moved ahead by as much as the test says. */
class ShiftedClock implements Clock {
  aheadMs = 0
  now = () => Date.now() + this.aheadMs
  sleep = systemClock.sleep
}

const hourMs = 60 * 60 * 1000

async function compact(table: LakeTable, lake: Lake) {
  const { files, version } = table.current()
  const select = `SELECT * FROM read_parquet([${(await table.readablePaths(files)).map((path) => `'${path}'`).join(', ')}], hive_partitioning = true)`
  const add = await lake.stageSelect(select)
  const shared = { remove: files, add, dataChange: false, basedOnVersion: version }
  return await table.replace({ ...shared, operation: 'OPTIMIZE' })
}

describe('a lake table', () => {
  it('gives back the rows that were appended, with their offsets', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    expect((await lake.append(table, 0, 0n, 10n)).kind).toBe('committed')
    await lake.append(table, 1, 0n, 4n)
    const { offsets, columns, partitionColumns } = table.current()
    expect(offsets).toEqual(
      new Map([
        [0, 10n],
        [1, 4n],
      ]),
    )
    expect(columns).toEqual(eventColumns)
    expect(partitionColumns).toEqual(['dt'])
    expect(await lake.coordinates(table)).toEqual(coordinatesBelow(offsets))
  })

  it('is one table for two processes that create it at once', async () => {
    const lake = await Lake.open()
    const tables = await Promise.all(Array.from({ length: 5 }, () => lake.table()))
    for (const [n, table] of tables.entries()) await lake.append(table, n, 0n, 2n)
    const versions = await Promise.all(tables.map(async (table) => (await table.refresh()).version))
    expect(new Set(versions)).toEqual(new Set([5]))
  })

  it('shows what another process committed after a refresh, not before', async () => {
    const lake = await Lake.open()
    const [writer, reader] = [await lake.table(), await lake.table()]
    await lake.append(writer, 0, 0n, 3n)
    expect(reader.current().offsets).toEqual(new Map())
    expect(await reader.refresh()).toEqual(writer.current())
  })

  it.each([0, 2])('is refused when entry %i of its log is missing', async (version) => {
    const lake = await Lake.open()
    const table = await lake.table()
    for (const from of [0n, 3n, 6n]) await lake.append(table, 0, from, from + 3n)
    const entry = `http_logs/curated/_delta_log/${`${version}`.padStart(20, '0')}.json`
    await lake.storage.remove([entry])
    await expect(lake.table()).rejects.toMatchObject({
      code: 'LAKE_TABLE_INVALID',
      message: expect.stringContaining(`'${entry}' is missing`),
    })
  })

  it('moves offsets without rows', async () => {
    const lake = await Lake.open()
    const [table, reader] = [await lake.table(), await lake.table()]
    const outcome = await table.append({
      files: [],
      from: new Map(),
      until: new Map([[2, 9n]]),
      operation: 'WRITE',
    })
    expect(outcome.kind).toBe('committed')
    await reader.refresh()
    expect(await reader.commitsAfter(0)).toMatchObject([
      { version: 1, dataChange: true, offsets: new Map([[2, 9n]]) },
    ])
  })

  it('supersedes an append whose rows it has', async () => {
    const lake = await Lake.open()
    const [table, other] = [await lake.table(), await lake.table()]
    await lake.append(table, 0, 0n, 10n)
    expect((await lake.append(other, 0, 0n, 10n)).kind).toBe('superseded')
    expect((await lake.append(other, 0, 3n, 7n)).kind).toBe('superseded')
    expect(await lake.coordinates(other)).toEqual(coordinatesBelow(new Map([[0, 10n]])))
  })

  it('refuses rows that another writer has in part, and rows that leave a hole', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    await lake.append(table, 0, 0n, 10n)
    await expect(lake.append(table, 0, 5n, 15n)).rejects.toMatchObject({
      code: 'LAKE_COMMIT_CONFLICT',
    })
    await expect(lake.append(table, 0, 11n, 15n)).rejects.toMatchObject({ code: 'COVERAGE_HOLE' })
    await expect(lake.append(table, 1, 1n, 2n)).rejects.toMatchObject({ code: 'COVERAGE_HOLE' })
    expect((await lake.append(table, 0, 10n, 15n)).kind).toBe('committed')
  })

  it('tells followers what each commit changed', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    await lake.append(table, 0, 0n, 4n)
    await lake.append(table, 0, 4n, 6n)
    const before = table.current()
    await compact(table, lake)
    const commits = await table.commitsAfter(1)
    expect(commits?.map((commit) => [commit.version, commit.dataChange])).toEqual([
      [2, true],
      [3, false],
    ])
    expect(commits?.[0]?.added.map((file) => file.rowCount)).toEqual([1, 1])
    expect(commits?.[0]?.offsets).toEqual(new Map([[0, 6n]]))
    expect(new Set(commits?.[1]?.removedPaths)).toEqual(
      new Set(before.files.map((file) => file.path)),
    )
    expect(await table.commitsAfter(3)).toEqual([])
  })

  it('compacts while others append, and keeps every row once', async () => {
    const lake = await Lake.open()
    const [table, writer] = [await lake.table(), await lake.table()]
    await lake.append(table, 0, 0n, 4n)
    await lake.append(table, 0, 4n, 6n)
    await lake.append(writer, 0, 6n, 9n)
    expect((await compact(table, lake)).kind).toBe('committed')
    expect(table.current().offsets).toEqual(new Map([[0, 9n]]))
    expect(await lake.coordinates(table)).toEqual(coordinatesBelow(new Map([[0, 9n]])))
  })

  it('supersedes a compaction of files that are gone, and a replace after other data came', async () => {
    const lake = await Lake.open()
    const [table, other] = [await lake.table(), await lake.table()]
    await lake.append(table, 0, 0n, 4n)
    await other.refresh()
    const stale = other.current()
    await compact(table, lake)
    const again = { add: [], operation: 'OPTIMIZE', basedOnVersion: stale.version }
    const late = await other.replace({ ...again, remove: stale.files, dataChange: false })
    expect(late.kind).toBe('superseded')
    const { files, version } = other.current()
    await lake.append(table, 0, 4n, 6n)
    const publish = await other.replace({
      ...again,
      remove: files,
      offsets: new Map([[0, 4n]]),
      dataChange: true,
      basedOnVersion: version,
    })
    expect(publish.kind).toBe('superseded')
    expect(await lake.coordinates(other)).toEqual(coordinatesBelow(new Map([[0, 6n]])))
  })

  it('exchanges rows beside appends, and drops the second of two exchanges', async () => {
    const lake = await Lake.open()
    const [table, other] = [await lake.table(), await lake.table()]
    const start = await other.refresh()
    await lake.append(table, 0, 0n, 4n)
    const { files, version } = await other.refresh()
    await lake.append(table, 0, 4n, 6n)
    const scan = scanSql(await table.readablePaths(files), eventShape)
    const shared = { dataChange: true, operation: 'REBUILD' }
    const stage = () => lake.stageSelect(scan)
    const add = await stage()
    const first = await other.replace({ ...shared, remove: files, add, basedOnVersion: version })
    expect(first.kind).toBe('committed')
    expect(other.current().offsets).toEqual(new Map([[0, 6n]]))
    expect(await lake.coordinates(other)).toEqual(coordinatesBelow(new Map([[0, 6n]])))
    // One of a table that had no files yet would add its rows a second time.
    for (const before of [{ files, version }, start]) {
      const again = { remove: before.files, add: await stage(), basedOnVersion: before.version }
      expect((await table.replace({ ...shared, ...again })).kind).toBe('superseded')
    }
  })

  it('replaces files, columns, offsets and configuration in one commit', async () => {
    const lake = await Lake.open()
    const table = await lake.table({ configuration: { kept: 'yes' } })
    await lake.append(table, 0, 0n, 4n)
    const { files, version } = table.current()
    const columns = [...eventColumns.slice(0, 2), { name: 'text', type: 'DATE' }]
    await table.replace({
      remove: files,
      add: [],
      offsets: new Map([
        [0, 2n],
        [1, 1n],
      ]),
      columns,
      configuration: { 'millrace.definitionHash': 'new' },
      dataChange: true,
      operation: 'FULL BATCH',
      basedOnVersion: version,
    })
    const expected = {
      files: [],
      columns,
      offsets: new Map([
        [0, 2n],
        [1, 1n],
      ]),
      configuration: { kept: 'yes', 'millrace.definitionHash': 'new' },
    }
    expect(table.current()).toMatchObject(expected)
    await expect(lake.table()).rejects.toMatchObject({ code: 'LAKE_TABLE_INVALID' })
    expect((await lake.table({ allowsOtherColumns: true })).current()).toMatchObject(expected)
  })

  it('refuses other partition columns', async () => {
    const lake = await Lake.open()
    await lake.table()
    await expect(lake.table({ partitionColumns: [] })).rejects.toMatchObject({
      code: 'LAKE_TABLE_INVALID',
    })
  })

  it('gets missing columns once, whoever asks', async () => {
    const lake = await Lake.open()
    const [table, other] = [await lake.table(), await lake.table()]
    const more = [...eventColumns, { name: 'status', type: 'INT' }]
    await Promise.all([table.addColumns(more), other.addColumns(more)])
    await other.addColumns(more)
    expect((await table.refresh()).columns).toEqual([
      ...eventColumns,
      { name: 'status', type: 'INTEGER' },
    ])
    expect(table.current().version).toBe(1)
  })
})

describe('checkpoints and vacuum', () => {
  it('open to the same state as the whole log, also when the pointer is lost', async () => {
    const lake = await Lake.open()
    const failures: unknown[] = []
    const table = await lake.table({ onCheckpointFailed: (error) => failures.push(error) })
    const appendNext = (n: bigint) => lake.append(table, Number(n % 3n), n / 3n, n / 3n + 1n)
    for (let n = 0n; n < 49n; n += 1n) await appendNext(n)
    await compact(table, lake)
    expect(table.current().version).toBe(50)
    expect((await lake.table()).current()).toEqual(table.current())
    for (let n = 49n; n < 52n; n += 1n) await appendNext(n)
    expect(failures).toEqual([])
    expect((await lake.table()).current()).toEqual(table.current())
    // With the first half of the log gone there is only the checkpoint.
    const log = 'http_logs/curated/_delta_log'
    const early = Array.from({ length: 50 }, (_, n) => `${log}/${`${n}`.padStart(20, '0')}.json`)
    await lake.storage.remove(early)
    const fromCheckpoint = await lake.table()
    expect(fromCheckpoint.current()).toEqual(table.current())
    expect(await fromCheckpoint.commitsAfter(10)).toBeNull()
    await lake.storage.remove([`${log}/_last_checkpoint`])
    expect((await lake.table()).current()).toEqual(table.current())
  })

  it('keep what readers may hold and remove the rest', async () => {
    const lake = await Lake.open()
    const clock = new ShiftedClock()
    const table = await lake.table({ clock })
    await lake.append(table, 0, 0n, 4n)
    const old = table.current()
    const orphans = await lake.stage(5, 0n, 3n)
    await compact(table, lake)
    expect(await table.vacuum(hourMs)).toBe(0)
    expect(await lake.coordinates(table, old)).toHaveLength(4)
    clock.aheadMs = 2 * hourMs
    const fresh = await lake.append(table, 0, 4n, 5n)
    expect(await table.vacuum(hourMs)).toBe(old.files.length)
    expect(await lake.coordinates(table)).toEqual(coordinatesBelow(fresh.snapshot.offsets))
    expect((await lake.table()).current()).toEqual(table.current())
    clock.aheadMs = 25 * hourMs
    expect(await table.vacuum(hourMs)).toBe(orphans.length)
    expect(await lake.coordinates(table)).toEqual(coordinatesBelow(fresh.snapshot.offsets))
  })

  it('keep files for a day at most, because removals are forgotten then', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    await expect(table.vacuum(24 * hourMs + 1)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(await table.vacuum(24 * hourMs)).toBe(0)
  })

  it('keep files that a writer could not commit for hours', async () => {
    const lake = await Lake.open()
    const clock = new ShiftedClock()
    const table = await lake.table({ clock })
    const files = await lake.stage(0, 0n, 4n)
    clock.aheadMs = 5 * hourMs
    expect(await (await lake.table({ clock })).vacuum(hourMs)).toBe(0)
    const [from, until] = [new Map([[0, 0n]]), new Map([[0, 4n]])]
    await table.append({ files, from, until, operation: 'WRITE' })
    expect(await lake.coordinates(table)).toEqual(coordinatesBelow(until))
  })

  it('keep a file that was removed a moment ago, however old it is', async () => {
    const lake = await Lake.open()
    const clock = new ShiftedClock()
    const table = await lake.table({ clock })
    await lake.append(table, 0, 0n, 4n)
    const old = table.current()
    clock.aheadMs = 5 * hourMs
    await compact(table, lake)
    expect(await table.vacuum(hourMs)).toBe(0)
    expect(await lake.coordinates(table, old)).toHaveLength(4)
  })

  it('clean the log up to a checkpoint, and late processes find their way', async () => {
    const lake = await Lake.open()
    const clock = new ShiftedClock()
    const table = await lake.table({ clock })
    await lake.append(table, 0, 0n, 1n)
    const storage = await openStorage(lake.root)
    const [lateReader, lateWriter] = [
      await lake.table({ clock }, storage),
      await lake.table({ clock }, storage),
    ]
    for (let n = 1n; n < 101n; n += 1n) {
      await table.append({
        files: [],
        from: new Map([[0, n]]),
        until: new Map([[0, n + 1n]]),
        operation: 'WRITE',
      })
    }
    clock.aheadMs = 2 * hourMs
    expect(await table.vacuum(hourMs)).toBe(101)
    expect((await lake.table()).current()).toEqual(table.current())
    // Its next version is gone: it must neither think that nothing happened nor create it again.
    expect(await lateReader.refresh()).toEqual(table.current())
    const late = await lateWriter.append({
      files: [],
      from: new Map([[0, 1n]]),
      until: new Map([[0, 2n]]),
      operation: 'WRITE',
    })
    expect(late.kind).toBe('superseded')
    expect(await lateWriter.commitsAfter(1)).toBeNull()
  })

  it('open a table whose last checkpoint cannot be written', async () => {
    const lake = await Lake.open()
    const failures: unknown[] = []
    const storage = storageWith(lake.storage, {
      putFile: () => Promise.reject(new Error('The disk is full.')),
    })
    const table = await lake.table({ onCheckpointFailed: (error) => failures.push(error) }, storage)
    for (let n = 0n; n < 51n; n += 1n) {
      await table.append({
        files: [],
        from: new Map([[0, n]]),
        until: new Map([[0, n + 1n]]),
        operation: 'WRITE',
      })
    }
    expect(failures).toHaveLength(1)
    expect((await lake.table()).current()).toEqual(table.current())
  })
})

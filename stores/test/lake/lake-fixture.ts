/** A lake in a temporary folder, gone after the test, and rows to put into it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Offsets } from '../../../core/offsets.ts'
import type { Column } from '../../../core/sql.ts'
import { Database } from '../../engine/duckdb.ts'
import { openLocalStorage } from '../../lake/local.ts'
import { scanSql } from '../../lake/scan.ts'
import { type StagedFile, stageParquet } from '../../lake/staging.ts'
import type { LakeStorage } from '../../lake/storage.ts'
import { type LakeTableOptions, openLakeTable } from '../../lake/table.ts'
import type { LakeSnapshot, LakeTable } from '../../lake/types.ts'

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-lake-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export async function openDatabase(): Promise<Database> {
  const database = await Database.open({ threads: 2, memoryBytesMax: 512 * 1024 * 1024 })
  onTestFinished(() => database[Symbol.asyncDispose]())
  return database
}

export async function openStorage(root: string): Promise<LakeStorage> {
  const storage = await openLocalStorage({ root })
  onTestFinished(() => storage[Symbol.asyncDispose]())
  return storage
}

/** Rows `(_partition, _offset, text)`, in folders by `dt`. */
export const eventColumns: readonly Column[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: 'text', type: 'VARCHAR' },
]

export const eventPartitions: readonly string[] = ['dt']

export const eventShape = {
  columns: [...eventColumns, { name: 'dt', type: 'VARCHAR' }],
  partitionColumns: eventPartitions,
}

export class Lake {
  readonly database: Database
  readonly storage: LakeStorage
  readonly root: string

  constructor(root: string, storage: LakeStorage, database: Database) {
    this.root = root
    this.storage = storage
    this.database = database
  }

  static async open(): Promise<Lake> {
    const root = await temporaryFolder()
    return new Lake(root, await openStorage(root), await openDatabase())
  }

  table(options: Partial<LakeTableOptions> = {}, storage = this.storage): Promise<LakeTable> {
    return openLakeTable(storage, 'http_logs/curated', {
      pipeline: 'http_logs',
      columns: eventColumns,
      partitionColumns: eventPartitions,
      database: this.database,
      ...options,
    })
  }

  /** Stages the rows of one partition with offsets in `[from, until)`. */
  stage(partition: number, from: bigint, until: bigint, storage = this.storage) {
    const select = `SELECT ${partition} AS _partition, o AS _offset, 'text ' || o AS text,
      'd' || (o % 2) AS dt FROM range(${from}, ${until}) AS r(o)`
    return this.stageSelect(select, storage)
  }

  stageSelect(select: string, storage = this.storage): Promise<StagedFile[]> {
    return this.database.session((session) =>
      stageParquet(session, storage, 'http_logs/curated', {
        select,
        columns: eventColumns,
        partitionColumns: eventPartitions,
      }),
    )
  }

  async append(table: LakeTable, partition: number, from: bigint, until: bigint) {
    const files = await this.stage(partition, from, until)
    return await table.append({
      files,
      from: new Map([[partition, from]]),
      until: new Map([[partition, until]]),
      operation: 'WRITE',
    })
  }

  /** `partition:offset` of every row of a snapshot, sorted. */
  async coordinates(table: LakeTable, snapshot: LakeSnapshot = table.current()) {
    const paths = await table.readablePaths(snapshot.files)
    const rows = await this.database.rows<{ at: string }>(
      `SELECT _partition || ':' || _offset AS at FROM (${scanSql(paths, eventShape)}) ORDER BY _partition, _offset`,
    )
    return rows.map((row) => row.at)
  }
}

/** What {@link Lake.coordinates} must give when the rows below the offsets are there once each. */
export function coordinatesBelow(offsets: Offsets): string[] {
  return [...offsets]
    .sort(([a], [b]) => a - b)
    .flatMap(([partition, end]) =>
      Array.from({ length: Number(end) }, (_, offset) => `${partition}:${offset}`),
    )
}

/** The storage with some methods replaced. */
export function storageWith(storage: LakeStorage, methods: Partial<LakeStorage>): LakeStorage {
  return {
    stagingDirectory: storage.stagingDirectory,
    putFile: (path, file) => storage.putFile(path, file),
    put: (path, bytes) => storage.put(path, bytes),
    putIfAbsent: (path, bytes) => storage.putIfAbsent(path, bytes),
    remove: (paths) => storage.remove(paths),
    read: (path) => storage.read(path),
    exists: (path) => storage.exists(path),
    list: (folder) => storage.list(folder),
    readablePath: (path) => storage.readablePath(path),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    ...methods,
  }
}

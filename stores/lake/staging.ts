/**
 * Staging: a SELECT becomes Parquet files under their final, unique names. They belong to no version
 * until a commit names them; a crash before that leaves orphans for the vacuum.
 */
import { createHash, hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readFile, rm, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { type Column, quoteIdentifier, quoteLiteral } from '../../core/sql.ts'
import type { Session } from '../engine/duckdb.ts'
import { randomName, uuidV7 } from '../unique.ts'
import { withoutPartitions } from './delta-schema.ts'
import { type CopyColumnStats, fileStatsOf } from './file-stats.ts'
import type { LakeStorage } from './storage.ts'
import { storageError } from './storage-errors.ts'
import type { DataFile } from './types.ts'

/** A Parquet file that lies under its final, unique name but belongs to no version yet. */
export type StagedFile = DataFile

export interface StageRequest {
  /** Gives at least the columns and the partition columns, by name. */
  readonly select: string
  /** What the files hold; they are cast to these types. Partition columns among them are ignored. */
  readonly columns: readonly Column[]
  /** VARCHAR columns that become folders. The empty string counts as NULL: Delta has no other. */
  readonly partitionColumns: readonly string[]
  /** Columns to sort by, so that statistics are narrow and pages compress. */
  readonly sortBy?: readonly string[]
  /** `snappy` when absent; `zstd` for long texts: a sixth of the size for no more time. */
  /** `zstd_fast` takes half the time of `zstd` for a little more space: for files that are merged soon. */
  readonly compression?: 'snappy' | 'zstd' | 'zstd_fast'
}

/** Hashing and moving this many files at once. */
const parallelFilesMax = 4
/** Larger files are hashed in pieces. */
const wholeFileBytesMax = 16 * 1024 * 1024

/**
 * Runs the SELECT once and puts the files it gives into the table's folder; none for no rows. They are
 * durable when this resolves. Throws DISK_FULL and DATA_DIRECTORY_UNUSABLE.
 */
export async function stageParquet(
  session: Session,
  storage: LakeStorage,
  tablePath: string,
  request: StageRequest,
): Promise<StagedFile[]> {
  const folder = join(storage.stagingDirectory, `copy-${randomName()}`)
  try {
    await mkdir(folder, { recursive: true })
    const written = await copyInto(session, folder, request)
    const columns = withoutPartitions(request.columns, request.partitionColumns)
    const staged: StagedFile[] = []
    for (let start = 0; start < written.length; start += parallelFilesMax) {
      const group = written.slice(start, start + parallelFilesMax)
      const files = await Promise.all(
        group.map((file) => putInPlace(storage, tablePath, { file, folder, columns })),
      )
      staged.push(...files)
    }
    return staged
  } catch (error) {
    throw storageError(error, storage.stagingDirectory)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A row of what COPY returns, as DuckDB writes it in JSON: 64-bit integers are strings. */
interface WrittenFile {
  readonly filename: string
  readonly count: string
  readonly file_size_bytes: string
  readonly column_statistics: MapJson<MapJson<string | null>>
  readonly partition_keys: MapJson<string | null>
}

type MapJson<Value> = readonly { readonly key: string; readonly value: Value }[] | null

async function copyInto(
  session: Session,
  folder: string,
  request: StageRequest,
): Promise<WrittenFile[]> {
  const { partitionColumns, compression = 'snappy' } = request
  const isPartitioned = partitionColumns.length > 0
  const target = isPartitioned ? folder : join(folder, `part-${uuidV7(Date.now())}.parquet`)
  const options = [
    'FORMAT parquet',
    compression === 'zstd_fast'
      ? 'COMPRESSION zstd, COMPRESSION_LEVEL 1'
      : `COMPRESSION ${compression}`,
    'RETURN_STATS',
    ...(isPartitioned
      ? [
          `PARTITION_BY (${partitionColumns.map(quoteIdentifier).join(', ')})`,
          "FILENAME_PATTERN 'part-{uuidv7}'",
        ]
      : ['WRITE_EMPTY_FILE false']),
  ]
  const copy = `COPY (${stagingSelect(request)}) TO ${quoteLiteral(target)} (${options.join(', ')})`
  const rows = await (await session.run(copy)).getRowObjectsJson()
  // RETURN_STATS gives exactly these columns.
  return rows as unknown as WrittenFile[]
}

function stagingSelect({ select, columns, partitionColumns, sortBy = [] }: StageRequest): string {
  const own = withoutPartitions(columns, partitionColumns).map(({ name, type }) => {
    const quoted = quoteIdentifier(name)
    return `CAST(${quoted} AS ${type}) AS ${quoted}`
  })
  const folders = partitionColumns.map((name) => {
    const quoted = quoteIdentifier(name)
    // Both spellings would be read back as NULL.
    return `nullif(nullif(CAST(${quoted} AS VARCHAR), ''), '__HIVE_DEFAULT_PARTITION__') AS ${quoted}`
  })
  const order = sortBy.length === 0 ? '' : ` ORDER BY ${sortBy.map(quoteIdentifier).join(', ')}`
  return `SELECT ${[...own, ...folders].join(', ')} FROM (${select}) AS staged${order}`
}

interface Placement {
  readonly file: WrittenFile
  readonly folder: string
  readonly columns: readonly Column[]
}

async function putInPlace(
  storage: LakeStorage,
  tablePath: string,
  { file, folder, columns }: Placement,
): Promise<StagedFile> {
  const { filename } = file
  const path = relative(folder, filename).split(sep).join('/')
  const bytes = Number(file.file_size_bytes)
  const [checksum, { mtimeMs }] = await Promise.all([checksumOf(filename, bytes), stat(filename)])
  await storage.putFile(`${tablePath}/${path}`, filename)
  const statistics = new Map<string, CopyColumnStats>(
    (file.column_statistics ?? []).map(({ key, value }) => [key, mapOf(value)]),
  )
  return {
    path,
    partitionValues: Object.fromEntries(mapOf(file.partition_keys)),
    bytes,
    rowCount: Number(file.count),
    modifiedMs: Math.floor(mtimeMs),
    stats: fileStatsOf(statistics, columns),
    checksum,
  }
}

async function checksumOf(path: string, bytes: number): Promise<string> {
  if (bytes <= wholeFileBytesMax) return hash('sha256', await readFile(path), 'hex')
  const sha256 = createHash('sha256')
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    sha256.update(piece)
  }
  return sha256.digest('hex')
}

function mapOf(entries: MapJson<string | null>): Map<string, string | null> {
  return new Map((entries ?? []).map(({ key, value }) => [key, value]))
}

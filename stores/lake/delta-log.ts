/**
 * Commits of a Delta log: actions to lines of JSON and back. Pure: names, bytes, no I/O.
 * https://github.com/delta-io/delta/blob/master/PROTOCOL.md (reader version 1, writer version 2).
 */
import { z } from 'zod'
import { MillraceError } from '../../core/errors.ts'
import { statsFromJson, statsToJson } from './file-stats.ts'
import type { DataFile } from './types.ts'

export interface Transaction {
  readonly appId: string
  readonly version: bigint
  readonly lastUpdatedMs: number
}

export interface TableMetaData {
  readonly id: string
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTimeMs: number
}

export interface RemovedFile {
  readonly path: string
  readonly deletionTimestampMs: number
}

/** What one commit, or all lines of a checkpoint, say. */
export interface LogContent {
  readonly metaData: TableMetaData | null
  readonly added: readonly DataFile[]
  readonly removed: readonly RemovedFile[]
  readonly transactions: readonly Transaction[]
  /** False when rows were only rearranged. */
  readonly dataChange: boolean
  /** From `commitInfo`; null when there is none. */
  readonly timestampMs: number | null
}

const checksumTag = 'millrace.sha256'

export function commitPath(tablePath: string, version: number): string {
  return `${tablePath}/_delta_log/${paddedVersion(version)}.json`
}

export function checkpointPath(tablePath: string, version: number): string {
  return `${tablePath}/_delta_log/${paddedVersion(version)}.checkpoint.parquet`
}

export function lastCheckpointPath(tablePath: string): string {
  return `${tablePath}/_delta_log/_last_checkpoint`
}

function paddedVersion(version: number): string {
  return `${version}`.padStart(20, '0')
}

/** The version in a log file's name, and what it is; null for other files. */
export function parseLogName(path: string) {
  const match = /\/_delta_log\/(\d{20})\.(json|checkpoint\.parquet)$/.exec(path)
  if (match === null) return null
  return { version: Number(match[1]), isCheckpoint: match[2] !== 'json' }
}

export const protocolAction = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }

export function metaDataAction(metaData: TableMetaData) {
  const { id, schemaString, partitionColumns, configuration, createdTimeMs } = metaData
  const format = { provider: 'parquet', options: {} }
  const createdTime = createdTimeMs
  return {
    metaData: { id, format, schemaString, partitionColumns, configuration, createdTime },
  }
}

export function addAction(file: DataFile, dataChange: boolean) {
  return {
    add: {
      path: encodePath(file.path),
      partitionValues: file.partitionValues,
      size: file.bytes,
      modificationTime: file.modifiedMs,
      dataChange,
      stats: statsToJson(file.rowCount, file.stats),
      ...(file.checksum === null ? {} : { tags: { [checksumTag]: file.checksum } }),
    },
  }
}

export function removeAction(file: RemovedFile, dataChange: boolean) {
  const path = encodePath(file.path)
  return { remove: { path, deletionTimestamp: file.deletionTimestampMs, dataChange } }
}

export function transactionAction({ appId, version, lastUpdatedMs }: Transaction) {
  // JSON numbers: other readers take a 64-bit integer, ours takes what a double holds exactly.
  if (version > BigInt(Number.MAX_SAFE_INTEGER)) {
    const sentence = `Offset ${version} of '${appId}' is above 2^53 - 1 and cannot be committed.`
    throw new MillraceError('LAKE_TABLE_INVALID', sentence)
  }
  return { txn: { appId, version: Number(version), lastUpdated: lastUpdatedMs } }
}

export function commitInfoAction(timestampMs: number, operation: string) {
  const info = { timestamp: timestampMs, operation, operationParameters: {} }
  return { commitInfo: { ...info, engineInfo: 'millrace' } }
}

/** Actions as the bytes of a log file: one line of JSON each. */
export function encodeActions(actions: readonly object[]): Buffer {
  return Buffer.from(actions.map((action) => `${JSON.stringify(action)}\n`).join(''))
}

/** Throws LAKE_TABLE_INVALID, naming `source`, for what reader version 1 does not have. */
export function parseLog(bytes: Buffer, source: string): LogContent {
  const lines = bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
  return contentOf(lines, source)
}

/** The same from lines that each hold one action. */
export function contentOf(lines: readonly string[], source: string): LogContent {
  const builder: ContentBuilder = {
    metaData: null,
    added: [],
    removed: [],
    transactions: [],
    dataChange: false,
    timestampMs: null,
  }
  for (const line of lines) include(builder, parseAction(line, source), source)
  return builder
}

type ContentBuilder = {
  -readonly [Key in keyof LogContent]: LogContent[Key] extends readonly (infer Item)[]
    ? Item[]
    : LogContent[Key]
}

const actionSchema = z.object({
  protocol: z.object({ minReaderVersion: z.number(), minWriterVersion: z.number() }).nullish(),
  metaData: z
    .object({
      id: z.string(),
      schemaString: z.string(),
      partitionColumns: z.array(z.string()),
      configuration: z.record(z.string(), z.string()).nullish(),
      createdTime: z.number().nullish(),
    })
    .nullish(),
  add: z
    .object({
      path: z.string(),
      partitionValues: z.record(z.string(), z.string().nullable()),
      size: z.number(),
      modificationTime: z.number(),
      dataChange: z.boolean(),
      stats: z.string().nullish(),
      tags: z.record(z.string(), z.string().nullable()).nullish(),
    })
    .nullish(),
  remove: z
    .object({ path: z.string(), deletionTimestamp: z.number().nullish(), dataChange: z.boolean() })
    .nullish(),
  txn: z
    .object({ appId: z.string(), version: z.number(), lastUpdated: z.number().nullish() })
    .nullish(),
  commitInfo: z.object({ timestamp: z.number().nullish() }).nullish(),
})

type ParsedAction = z.infer<typeof actionSchema>

function parseAction(line: string, source: string): ParsedAction {
  try {
    return actionSchema.parse(JSON.parse(line))
  } catch (error) {
    const sentence = `'${source}' is not a Delta log: '${line.slice(0, 200)}' is not an action. Restore the file; the event log has every record.`
    throw new MillraceError('LAKE_TABLE_INVALID', sentence, { cause: error })
  }
}

function include(builder: ContentBuilder, action: ParsedAction, source: string): void {
  const { protocol, metaData, add, remove, txn, commitInfo } = action
  if (protocol) checkProtocol(protocol, source)
  if (metaData) builder.metaData = metaDataOf(metaData)
  if (add) builder.added.push(dataFileOf(add))
  if (remove) {
    const deletionTimestampMs = remove.deletionTimestamp ?? 0
    builder.removed.push({ path: decodePath(remove.path), deletionTimestampMs })
  }
  if (txn) {
    const { appId, version, lastUpdated } = txn
    builder.transactions.push({ appId, version: BigInt(version), lastUpdatedMs: lastUpdated ?? 0 })
  }
  // Moved offsets are news for readers that follow, even when no row came with them.
  if (add?.dataChange || remove?.dataChange || txn) builder.dataChange = true
  if (commitInfo) builder.timestampMs = commitInfo.timestamp ?? null
}

function checkProtocol(
  { minReaderVersion, minWriterVersion }: NonNullable<ParsedAction['protocol']>,
  source: string,
): void {
  if (minReaderVersion <= 1 && minWriterVersion <= 2) return
  const sentence = `'${source}' needs Delta reader ${minReaderVersion} and writer ${minWriterVersion}; this program has reader 1 and writer 2. Another program has upgraded the table: restore it.`
  throw new MillraceError('LAKE_TABLE_INVALID', sentence)
}

function metaDataOf(metaData: NonNullable<ParsedAction['metaData']>): TableMetaData {
  const { id, schemaString, partitionColumns, configuration, createdTime } = metaData
  return {
    id,
    schemaString,
    partitionColumns,
    configuration: configuration ?? {},
    createdTimeMs: createdTime ?? 0,
  }
}

function dataFileOf(add: NonNullable<ParsedAction['add']>): DataFile {
  // Delta knows no empty partition value: it means NULL.
  const values = Object.entries(add.partitionValues).map(([name, value]) => [name, value || null])
  return {
    path: decodePath(add.path),
    partitionValues: Object.fromEntries(values),
    bytes: add.size,
    modifiedMs: add.modificationTime,
    ...statsFromJson(add.stats),
    checksum: add.tags?.[checksumTag] ?? null,
  }
}

/** The log holds URIs: a folder `dt=a%20b` on disk is `dt=a%2520b` in the log. */
function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%3D', '='))
    .join('/')
}

function decodePath(path: string): string {
  return decodeURIComponent(path)
}

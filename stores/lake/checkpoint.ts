/**
 * Checkpoints: the whole state of a table in one Parquet file, so that opening reads that file and
 * the few commits after it. DuckDB writes it from the same JSON as the log's.
 */
import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteLiteral } from '../../core/sql.ts'
import type { Database } from '../engine/duckdb.ts'
import { randomName } from '../unique.ts'
import {
  addAction,
  checkpointPath,
  commitPath,
  contentOf,
  encodeActions,
  type LogContent,
  lastCheckpointPath,
  metaDataAction,
  parseLog,
  parseLogName,
  protocolAction,
  removeAction,
  transactionAction,
} from './delta-log.ts'
import type { LakeStorage } from './storage.ts'
import type { TableState } from './table-state.ts'

const actionTypes = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR, VARCHAR))',
  remove: 'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN)',
  metaData:
    'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)',
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER)',
} as const

export interface CheckpointPlace {
  readonly database: Database
  readonly storage: LakeStorage
  readonly tablePath: string
}

/** Writes the state's checkpoint. Several processes may write the same one: the contents are the same. */
export async function writeCheckpoint(place: CheckpointPlace, state: TableState): Promise<void> {
  const { database, storage, tablePath } = place
  const actions = actionsOf(state)
  const stem = join(storage.stagingDirectory, `checkpoint-${randomName()}`)
  const [json, parquet] = [`${stem}.tmp.json`, `${stem}.parquet`]
  try {
    await writeFile(json, encodeActions(actions))
    const types = Object.entries(actionTypes).map(
      ([name, type]) => `${name}: ${quoteLiteral(type)}`,
    )
    const source = `read_ndjson(${quoteLiteral(json)}, columns = {${types.join(', ')}}, maximum_object_size = 1048576)`
    const copy = `COPY (SELECT * FROM ${source}) TO ${quoteLiteral(parquet)} (FORMAT parquet, COMPRESSION snappy)`
    await database.run(copy)
  } finally {
    await unlink(json)
  }
  const { version } = state.snapshot
  await storage.putFile(checkpointPath(tablePath, version), parquet)
  // A slow writer must not point back to an older one.
  if ((await lastCheckpointVersion(storage, tablePath)) > version) return
  const pointer = JSON.stringify({ version, size: actions.length })
  await storage.put(lastCheckpointPath(tablePath), Buffer.from(pointer))
}

function actionsOf(state: TableState): object[] {
  return [
    protocolAction,
    metaDataAction(state.metaData),
    ...[...state.transactions.values()].map(transactionAction),
    ...state.snapshot.files.map((file) => addAction(file, false)),
    ...[...state.removedAtMs].map(([path, deletionTimestampMs]) =>
      removeAction({ path, deletionTimestampMs }, false),
    ),
  ]
}

/** The newest checkpoint's version by `_last_checkpoint`; -1 when there is none. One small read. */
export async function lastCheckpointVersion(storage: LakeStorage, tablePath: string) {
  const bytes = await storage.read(lastCheckpointPath(tablePath))
  if (bytes === null) return -1
  const match = /"version"\s*:\s*(\d+)/.exec(bytes.toString('utf8'))
  return match === null ? -1 : Number(match[1])
}

/** The newest checkpoint that is there, by listing: for when `_last_checkpoint` is lost. */
export async function findCheckpointVersion(storage: LakeStorage, tablePath: string) {
  const files = await storage.list(`${tablePath}/_delta_log`)
  let newest = -1
  for (const { path } of files) {
    const name = parseLogName(path)
    if (name?.isCheckpoint === true && name.version > newest) newest = name.version
  }
  return newest
}

/** Null when that checkpoint has been cleaned up meanwhile. */
export async function readCheckpoint(
  { database, storage, tablePath }: CheckpointPlace,
  version: number,
): Promise<LogContent | null> {
  const path = checkpointPath(tablePath, version)
  if (!(await storage.exists(path))) return null
  const columns = Object.keys(actionTypes)
  const object = columns.map((name) => `${name} := ${name}`).join(', ')
  const readable = quoteLiteral(await storage.readablePath(path))
  const rows = await database.rows<{ action: string }>(
    `SELECT to_json(struct_pack(${object}))::VARCHAR AS action FROM read_parquet(${readable})`,
  )
  const content = contentOf(
    rows.map(({ action }) => action),
    path,
  )
  // A checkpoint does not say when its version was committed; the commit itself is kept with it.
  const commit = await storage.read(commitPath(tablePath, version))
  const timestampMs = commit === null ? null : parseLog(commit, path).timestampMs
  return { ...content, timestampMs }
}

/**
 * What a table is after some version of its log: kept up to date commit by commit. Pure.
 */
import { MillraceError } from '../../core/errors.ts'
import type { Offsets } from '../../core/offsets.ts'
import type { LogContent, TableMetaData, Transaction } from './delta-log.ts'
import { columnsOfSchema } from './delta-schema.ts'
import type { DataFile, LakeCommit, LakeSnapshot } from './types.ts'

export interface TableState {
  readonly snapshot: LakeSnapshot
  readonly metaData: TableMetaData
  /** By appId: the partitions' offsets and whatever other writers put there. */
  readonly transactions: ReadonlyMap<string, Transaction>
  /** When each file that is no longer live was removed, epoch ms. */
  readonly removedAtMs: Map<string, number>
  /** The newest version known to have changed rows or offsets; at least that of the checkpoint read. */
  readonly dataVersion: number
  /** The newest such version that was no append: rows were exchanged without moving offsets, or removed. */
  readonly exchangeVersion: number
}

/** The state before a checkpoint or the first commit is applied. */
export interface StateStart {
  readonly version: number
  readonly content: LogContent
  /** The `txn` appId of a partition up to its number, e.g. `millrace/http_logs/`. */
  readonly appIdPrefix: string
  readonly source: string
}

/** The state that the first commit or a checkpoint gives. Throws LAKE_TABLE_INVALID without metaData. */
export function startState({ version, content, appIdPrefix, source }: StateStart): TableState {
  const { metaData } = content
  if (metaData === null) {
    const sentence = `'${source}' does not say what the table's columns are (no metaData action).`
    throw new MillraceError('LAKE_TABLE_INVALID', sentence)
  }
  const transactions = new Map(content.transactions.map((txn) => [txn.appId, txn]))
  const removedAtMs = new Map(content.removed.map((f) => [f.path, f.deletionTimestampMs]))
  const files = [...content.added].sort(byPath)
  let latestMs = metaData.createdTimeMs
  for (const { lastUpdatedMs } of content.transactions) latestMs = Math.max(latestMs, lastUpdatedMs)
  const committedAtMs = content.timestampMs ?? latestMs
  const offsets = offsetsOf(transactions, appIdPrefix)
  const snapshot = { version, ...described(metaData), offsets, files, committedAtMs }
  return {
    snapshot,
    metaData,
    transactions,
    removedAtMs,
    dataVersion: version,
    exchangeVersion: version,
  }
}

/** The state after one more commit. `removedAtMs` is carried over, not copied: the old state is spent. */
export function nextState(state: TableState, content: LogContent, appIdPrefix: string): TableState {
  const version = state.snapshot.version + 1
  const metaData = content.metaData ?? state.metaData
  const transactions = new Map(state.transactions)
  for (const txn of content.transactions) transactions.set(txn.appId, txn)
  const { removedAtMs } = state
  for (const { path, deletionTimestampMs } of content.removed) {
    removedAtMs.set(path, deletionTimestampMs)
  }
  const snapshot: LakeSnapshot = {
    version,
    ...(content.metaData === null ? sameDescription(state.snapshot) : described(metaData)),
    offsets: offsetsOf(transactions, appIdPrefix),
    files: mergedFiles(state.snapshot.files, content),
    committedAtMs: content.timestampMs ?? state.snapshot.committedAtMs,
  }
  const dataVersion = content.dataChange ? version : state.dataVersion
  const isAppend = content.removed.length === 0 && content.transactions.length > 0
  const exchangeVersion = content.dataChange && !isAppend ? version : state.exchangeVersion
  return { snapshot, metaData, transactions, removedAtMs, dataVersion, exchangeVersion }
}

export function lakeCommitOf(state: TableState, content: LogContent): LakeCommit {
  const { version, offsets, committedAtMs } = state.snapshot
  return {
    version,
    added: content.added,
    removedPaths: content.removed.map((file) => file.path),
    offsets,
    dataChange: content.dataChange,
    committedAtMs,
  }
}

/** The partitions' offsets among a log's transactions. */
function offsetsOf(transactions: ReadonlyMap<string, Transaction>, appIdPrefix: string): Offsets {
  const offsets = new Map<number, bigint>()
  for (const { appId, version } of transactions.values()) {
    if (!appId.startsWith(appIdPrefix)) continue
    const partition = appId.slice(appIdPrefix.length)
    if (/^\d+$/.test(partition)) offsets.set(Number(partition), version)
  }
  return offsets
}

function described({ schemaString, partitionColumns, configuration }: TableMetaData) {
  const columns = columnsOfSchema(schemaString, partitionColumns)
  return { columns, partitionColumns, configuration }
}

function sameDescription({ columns, partitionColumns, configuration }: LakeSnapshot) {
  return { columns, partitionColumns, configuration }
}

function mergedFiles(files: readonly DataFile[], content: LogContent): readonly DataFile[] {
  if (content.added.length === 0 && content.removed.length === 0) return files
  const gone = new Set(content.removed.map((file) => file.path))
  for (const file of content.added) gone.add(file.path)
  const added = [...content.added].sort(byPath)
  const merged: DataFile[] = []
  let next = 0
  for (const file of files) {
    if (gone.has(file.path)) continue
    for (; next < added.length; next += 1) {
      const candidate = added[next]
      if (candidate === undefined || byPath(candidate, file) > 0) break
      merged.push(candidate)
    }
    merged.push(file)
  }
  merged.push(...added.slice(next))
  return merged
}

function byPath(a: DataFile, b: DataFile): number {
  return a.path < b.path ? -1 : 1
}

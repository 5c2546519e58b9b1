/**
 * What may be committed on top of a state, and as which actions: how lost races are resolved. Pure.
 */
import { MillraceError } from '../../core/errors.ts'
import { type Offsets, offsetOf } from '../../core/offsets.ts'
import type { Column } from '../../core/sql.ts'
import {
  addAction,
  commitInfoAction,
  metaDataAction,
  removeAction,
  type TableMetaData,
  transactionAction,
} from './delta-log.ts'
import { schemaStringOf, withoutPartitions } from './delta-schema.ts'
import type { TableState } from './table-state.ts'
import type { AppendRequest, ReplaceRequest } from './types.ts'

export type Verdict = 'commit' | 'superseded'

export interface CommitContext {
  readonly nowMs: number
  readonly appIdPrefix: string
}

/** Throws COVERAGE_HOLE and LAKE_COMMIT_CONFLICT as {@link LakeTable.append} says. */
export function appendVerdict(state: TableState, { from, until }: AppendRequest): Verdict {
  const { offsets } = state.snapshot
  const partitions = [...until.keys()]
  const isCovered = partitions.every((p) => offsetOf(offsets, p) >= offsetOf(until, p))
  if (isCovered && partitions.length > 0) return 'superseded'
  for (const partition of partitions) {
    const stored = offsetOf(offsets, partition)
    const start = offsetOf(from, partition)
    if (stored === start) continue
    const facts = `partition ${partition} is stored below offset ${stored}, the rows begin at ${start}`
    if (stored < start) {
      const sentence = `Rows refused: ${facts}. Rows between them are missing; read from ${stored} again.`
      throw new MillraceError('COVERAGE_HOLE', sentence, { details: { partition } })
    }
    const sentence = `Rows refused: ${facts}. Another process writes this partition; read from ${stored} again.`
    throw new MillraceError('LAKE_COMMIT_CONFLICT', sentence, { details: { partition } })
  }
  return 'commit'
}

export function appendActions(request: AppendRequest, context: CommitContext): object[] {
  return [
    commitInfoAction(context.nowMs, request.operation),
    ...transactionActions(request.until, context),
    ...request.files.map((file) => addAction(file, true)),
  ]
}

export function replaceVerdict(state: TableState, request: ReplaceRequest): Verdict {
  // Rows that others appended are none of those that are exchanged; new offsets would contradict theirs.
  const changedVersion = request.offsets === undefined ? state.exchangeVersion : state.dataVersion
  if (request.dataChange && changedVersion > request.basedOnVersion) return 'superseded'
  if (request.remove.length === 0) return 'commit'
  const live = new Set(state.snapshot.files.map((file) => file.path))
  return request.remove.every((file) => live.has(file.path)) ? 'commit' : 'superseded'
}

export function replaceActions(
  state: TableState,
  request: ReplaceRequest,
  context: CommitContext,
): object[] {
  const { remove, add, dataChange, offsets, operation } = request
  const metaData = replacedMetaData(state.metaData, request)
  return [
    commitInfoAction(context.nowMs, operation),
    ...(metaData === null ? [] : [metaDataAction(metaData)]),
    ...(offsets === undefined ? [] : transactionActions(offsets, context)),
    ...remove.map(({ path }) =>
      removeAction({ path, deletionTimestampMs: context.nowMs }, dataChange),
    ),
    ...add.map((file) => addAction(file, dataChange)),
  ]
}

/** Null when the request changes neither columns nor configuration. */
function replacedMetaData(
  metaData: TableMetaData,
  { columns, configuration }: ReplaceRequest,
): TableMetaData | null {
  const { partitionColumns } = metaData
  const schemaString =
    columns === undefined ? metaData.schemaString : schemaStringOf(columns, partitionColumns)
  const merged = { ...metaData.configuration, ...configuration }
  const isSame =
    schemaString === metaData.schemaString &&
    Object.entries(merged).every(([name, value]) => metaData.configuration[name] === value)
  return isSame ? null : { ...metaData, schemaString, configuration: merged }
}

/** The table's metaData with the columns it lacks; null when it lacks none. */
export function withColumns(state: TableState, columns: readonly Column[]): TableMetaData | null {
  const { snapshot, metaData } = state
  const missing = withoutPartitions(columns, snapshot.partitionColumns).filter(
    ({ name }) => !snapshot.columns.some((column) => column.name === name),
  )
  if (missing.length === 0) return null
  const all = [...snapshot.columns, ...missing]
  return { ...metaData, schemaString: schemaStringOf(all, snapshot.partitionColumns) }
}

function transactionActions(offsets: Offsets, { nowMs, appIdPrefix }: CommitContext): object[] {
  return [...offsets]
    .sort(([a], [b]) => a - b)
    .map(([partition, version]) =>
      transactionAction({ appId: `${appIdPrefix}${partition}`, version, lastUpdatedMs: nowMs }),
    )
}

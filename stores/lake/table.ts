/**
 * Lake tables over a Delta log. A commit is one log entry created with put-if-absent; everything
 * before that is a file that nobody names, everything after it a cache.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import { transactionAppId } from '../../core/pipeline.ts'
import type { Column } from '../../core/sql.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Database } from '../engine/duckdb.ts'
import {
  findCheckpointVersion,
  lastCheckpointVersion,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts'
import {
  appendActions,
  appendVerdict,
  type CommitContext,
  replaceActions,
  replaceVerdict,
  type Verdict,
  withColumns,
} from './commit-rules.ts'
import {
  commitInfoAction,
  commitPath,
  encodeActions,
  metaDataAction,
  parseLog,
  parseLogName,
  protocolAction,
} from './delta-log.ts'
import { canonicalType, schemaStringOf, withoutPartitions } from './delta-schema.ts'
import type { LakeStorage } from './storage.ts'
import { lakeCommitOf, nextState, startState, type TableState } from './table-state.ts'
import type {
  AppendRequest,
  CommitOutcome,
  DataFile,
  LakeCommit,
  LakeSnapshot,
  LakeTable,
  ReplaceRequest,
} from './types.ts'
import { vacuumTable } from './vacuum.ts'

/** Each lost race means that somebody else won one, so this is far above what contention can need. */
const commitAttemptsMax = 200
const checkpointEachCommits = 50
/** Commits kept in memory for readers that follow. */
const recentCommitsMax = 256
/** After a longer pause the next version may have been cleaned up: look for a newer checkpoint. */
const probePauseMsMax = 10_000

export interface LakeTableOptions {
  /** The pipeline whose partitions' offsets the table carries. */
  readonly pipeline: string
  /** For a table that is created now; partition columns among them are ignored. */
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** For a table that is created now. */
  readonly configuration?: Readonly<Record<string, string>>
  /** Writes and reads checkpoints. */
  readonly database: Database
  /** True: an existing table may have columns of other types (a view whose definition changed). */
  readonly allowsOtherColumns?: boolean
  /**
   * How long checkpoints remember removed files, ms (one day): no vacuum may keep these for longer, and
   * none takes a file away that was written since and that no version names.
   */
  readonly removedFileRetentionMs?: number
  /** A checkpoint that cannot be written costs nothing but a slower start; this hears of it. */
  readonly onCheckpointFailed?: (error: unknown) => void
  readonly clock?: Clock
}

/**
 * Opens the table in folder `path` of the lake, creating it when there is none; any number of
 * processes may do so at once. Throws LAKE_TABLE_INVALID when the folder holds another table.
 */
export async function openLakeTable(
  storage: LakeStorage,
  path: string,
  options: LakeTableOptions,
): Promise<LakeTable> {
  const table = new DeltaTable(storage, path, options)
  await table.open()
  return table
}

class DeltaTable implements LakeTable {
  readonly path: string
  readonly #storage: LakeStorage
  readonly #options: LakeTableOptions
  readonly #clock: Clock
  readonly #appIdPrefix: string
  readonly #recent: LakeCommit[] = []
  #state: TableState | null = null
  #probedAtMs = 0
  /** One operation at a time: each starts from the newest state. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(storage: LakeStorage, path: string, options: LakeTableOptions) {
    this.path = path
    this.#storage = storage
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#appIdPrefix = transactionAppId(options.pipeline, 0).slice(0, -1)
  }

  async open(): Promise<void> {
    await this.#load()
    if (this.#state === null) await this.#create()
    this.#checkColumns()
  }

  current(): LakeSnapshot {
    return this.#opened().snapshot
  }

  refresh(): Promise<LakeSnapshot> {
    return this.#inTurn(async () => {
      const isLate = this.#clock.now() - this.#probedAtMs > probePauseMsMax
      return (await this.#advance(isLate)).snapshot
    })
  }

  commitsAfter(version: number): Promise<readonly LakeCommit[] | null> {
    if (version >= this.current().version) return Promise.resolve([])
    const first = this.#recent[0]
    const isKept = first !== undefined && first.version <= version + 1
    const later = this.#recent.filter((commit) => commit.version > version)
    return Promise.resolve(isKept ? later : null)
  }

  append(request: AppendRequest): Promise<CommitOutcome> {
    return this.#commit(
      (state) => appendVerdict(state, request),
      (_, context) => appendActions(request, context),
    )
  }

  replace(request: ReplaceRequest): Promise<CommitOutcome> {
    return this.#commit(
      (state) => replaceVerdict(state, request),
      (state, context) => replaceActions(state, request, context),
    )
  }

  async addColumns(columns: readonly Column[]): Promise<void> {
    await this.#commit(
      (state) => (withColumns(state, columns) === null ? 'superseded' : 'commit'),
      (state, { nowMs }) => {
        const metaData = withColumns(state, columns) ?? state.metaData
        return [commitInfoAction(nowMs, 'ADD COLUMNS'), metaDataAction(metaData)]
      },
    )
  }

  readablePaths(files: readonly DataFile[]): Promise<string[]> {
    return Promise.all(files.map((file) => this.#storage.readablePath(`${this.path}/${file.path}`)))
  }

  vacuum(retentionMs: number): Promise<number> {
    return this.#inTurn(() => {
      const longestMs = this.#removedFileRetentionMs
      if (retentionMs > longestMs) {
        const sentence = `Vacuum refused: files cannot be kept for ${retentionMs} ms, because their removal is forgotten after ${longestMs} ms. Set a shorter retention.`
        throw new MillraceError('CONFIG_INVALID', sentence)
      }
      return vacuumTable({
        storage: this.#storage,
        tablePath: this.path,
        cutoffMs: this.#clock.now() - retentionMs,
        orphanCutoffMs: this.#clock.now() - longestMs,
        newestState: () => this.#advance(true),
      })
    })
  }

  get #removedFileRetentionMs(): number {
    return this.#options.removedFileRetentionMs ?? 24 * 60 * 60 * 1000
  }

  /** Decides on the newest state, tries to commit, and decides again after a lost race. */
  #commit(
    verdictOf: (state: TableState) => Verdict,
    actionsOf: (state: TableState, context: CommitContext) => object[],
  ): Promise<CommitOutcome> {
    return this.#inTurn(async () => {
      for (let attempt = 0; attempt < commitAttemptsMax; attempt += 1) {
        // A writer that slept must not create an entry that was cleaned up: always look for a newer checkpoint.
        const state = await this.#advance(true)
        if (verdictOf(state) === 'superseded') {
          return { kind: 'superseded', snapshot: state.snapshot }
        }
        const context = { nowMs: this.#clock.now(), appIdPrefix: this.#appIdPrefix }
        const bytes = encodeActions(actionsOf(state, context))
        const version = state.snapshot.version + 1
        // Commit point: when this returns true, the files and offsets belong to the table, whole. The
        // files lie under their final names already; until here nobody names them, and a crash leaves
        // orphans for the vacuum. False: somebody else has this version; read it and decide again.
        if (!(await this.#storage.putIfAbsent(commitPath(this.path, version), bytes))) continue
        const committed = this.#apply(bytes, version)
        if (version % checkpointEachCommits === 0) await this.#checkpoint(committed)
        return { kind: 'committed', snapshot: committed.snapshot }
      }
      const sentence = `Table '${this.path}' could not be committed to: ${commitAttemptsMax} attempts lost to other writers. Fewer processes should write to it.`
      throw new MillraceError('LAKE_COMMIT_CONFLICT', sentence)
    })
  }

  /** Applies versions that were committed since: one read of a file that is usually not there yet. */
  async #advance(looksForCheckpoint: boolean): Promise<TableState> {
    for (;;) {
      const version = this.#opened().snapshot.version + 1
      const bytes = await this.#storage.read(commitPath(this.path, version))
      if (bytes === null) break
      this.#apply(bytes, version)
    }
    this.#probedAtMs = this.#clock.now()
    const { version } = this.#opened().snapshot
    if (looksForCheckpoint && (await lastCheckpointVersion(this.#storage, this.path)) > version) {
      await this.#load()
    }
    return this.#opened()
  }

  #apply(bytes: Buffer, version: number): TableState {
    const content = parseLog(bytes, commitPath(this.path, version))
    const state = nextState(this.#opened(), content, this.#appIdPrefix)
    this.#remember(state, lakeCommitOf(state, content))
    return state
  }

  #remember(state: TableState, commit: LakeCommit): void {
    this.#state = state
    this.#recent.push(commit)
    if (this.#recent.length > recentCommitsMax) this.#recent.shift()
  }

  /** From the newest checkpoint, else from version 0, to the end. Leaves the state null without a table. */
  async #load(): Promise<void> {
    this.#recent.length = 0
    this.#state = (await this.#fromCheckpoint()) ?? (await this.#fromStart())
    if (this.#state !== null) await this.#advance(false)
    await this.#checkForGap()
  }

  /**
   * An entry that is missing hides those behind it: rows would be gone, and the next commit would fill
   * the gap with an entry that the later ones do not follow from. Throws LAKE_TABLE_INVALID.
   */
  async #checkForGap(): Promise<void> {
    const newest = await this.#newestListed()
    if (newest < this.#nextVersion) return
    // Entries may have come between the reading and the listing.
    if (this.#state !== null) await this.#advance(false)
    const missing = commitPath(this.path, this.#nextVersion)
    if (newest < this.#nextVersion || (await this.#storage.exists(missing))) return
    const sentence = `'${missing}' is missing, but the log of the table goes on to version ${newest}. Restore the file; the event log has every record.`
    throw new MillraceError('LAKE_TABLE_INVALID', sentence)
  }

  get #nextVersion(): number {
    return this.#state === null ? 0 : this.#state.snapshot.version + 1
  }

  /** The newest version with an entry in the log's folder; -1 for none. */
  async #newestListed(): Promise<number> {
    const files = await this.#storage.list(`${this.path}/_delta_log`)
    const names = files.map(({ path }) => parseLogName(path))
    return Math.max(-1, ...names.map((name) => (name?.isCheckpoint === false ? name.version : -1)))
  }

  async #fromCheckpoint(): Promise<TableState | null> {
    const pointed = await lastCheckpointVersion(this.#storage, this.path)
    if (pointed >= 0) {
      const state = await this.#stateAt(pointed)
      if (state !== null) return state
    }
    // Without version 0 there must be a checkpoint, even if its pointer is lost.
    if (pointed < 0 && (await this.#storage.exists(commitPath(this.path, 0)))) return null
    const found = await findCheckpointVersion(this.#storage, this.path)
    return found < 0 ? null : await this.#stateAt(found)
  }

  async #stateAt(version: number): Promise<TableState | null> {
    const content = await readCheckpoint(this.#place, version)
    return content === null ? null : this.#startState(content, version)
  }

  async #fromStart(): Promise<TableState | null> {
    const source = commitPath(this.path, 0)
    const bytes = await this.#storage.read(source)
    return bytes === null ? null : this.#startState(parseLog(bytes, source), 0)
  }

  #startState(content: ReturnType<typeof parseLog>, version: number): TableState {
    const source = commitPath(this.path, version)
    return startState({ version, content, appIdPrefix: this.#appIdPrefix, source })
  }

  async #create(): Promise<void> {
    const { columns, partitionColumns, configuration = {} } = this.#options
    const nowMs = this.#clock.now()
    const metaData = {
      id: randomUUID(),
      schemaString: schemaStringOf(columns, partitionColumns),
      partitionColumns,
      configuration,
      createdTimeMs: nowMs,
    }
    const created = commitInfoAction(nowMs, 'CREATE TABLE')
    const bytes = encodeActions([created, protocolAction, metaDataAction(metaData)])
    // Commit point: of two processes that create the table one wins, and both read what it wrote.
    await this.#storage.putIfAbsent(commitPath(this.path, 0), bytes)
    await this.#load()
  }

  #checkColumns(): void {
    const { columns, partitionColumns, allowsOtherColumns = false } = this.#options
    const { snapshot } = this.#opened()
    const found = snapshot.partitionColumns.join(', ')
    if (found !== partitionColumns.join(', ')) {
      const sentence = `Table '${this.path}' is partitioned by '${found}', not by '${partitionColumns.join(', ')}'. Rebuild it or restore the old partitioning.`
      throw new MillraceError('LAKE_TABLE_INVALID', sentence)
    }
    if (allowsOtherColumns) return
    for (const { name, type } of withoutPartitions(columns, partitionColumns)) {
      const stored = snapshot.columns.find((column) => column.name === name)
      if (stored === undefined || stored.type === canonicalType(type)) continue
      const sentence = `Column '${name}' of table '${this.path}' has type ${stored.type}, not ${type}. Rebuild the table or restore the old type.`
      throw new MillraceError('LAKE_TABLE_INVALID', sentence)
    }
  }

  async #checkpoint(state: TableState): Promise<void> {
    const oldestMs = this.#clock.now() - this.#removedFileRetentionMs
    for (const [path, removedAtMs] of state.removedAtMs) {
      if (removedAtMs < oldestMs) state.removedAtMs.delete(path)
    }
    try {
      await writeCheckpoint(this.#place, state)
    } catch (error) {
      // The commit stands and the log is whole; the next checkpoint makes up for this one.
      this.#options.onCheckpointFailed?.(error)
    }
  }

  get #place() {
    return {
      database: this.#options.database,
      storage: this.#storage,
      tablePath: this.path,
    }
  }

  #opened(): TableState {
    assert(this.#state !== null, 'the table has not been opened')
    return this.#state
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    // The next one starts whether this one failed or not; its caller hears of the failure.
    this.#turn = result.catch(() => {})
    return result
  }
}

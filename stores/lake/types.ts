/**
 * What a lake table is to the layers: versions of a set of Parquet files, each with the offsets that
 * its rows cover. `table.ts` implements it over a Delta log (reader 1, writer 2).
 */
import type { Offsets } from '../../core/offsets.ts'
import type { Column } from '../../core/sql.ts'

/** Per column, as JSON values; strings may be cut (min down, max up). Absent: unknown. */
export interface FileStats {
  readonly min: Readonly<Record<string, unknown>>
  readonly max: Readonly<Record<string, unknown>>
  readonly nullCount: Readonly<Record<string, number>>
}

export interface DataFile {
  /** Relative to the table's folder. */
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly bytes: number
  readonly rowCount: number
  readonly modifiedMs: number
  readonly stats: FileStats
  /** Hex SHA-256 of the file's bytes; null for a file that somebody else wrote. */
  readonly checksum: string | null
}

export interface LakeSnapshot {
  /** -1 before the first commit. */
  readonly version: number
  /** Without the partition columns. */
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** The latest `txn` of each partition: rows are complete below these. */
  readonly offsets: Offsets
  /** Live files, ascending by path. */
  readonly files: readonly DataFile[]
  /** `metaData.configuration`: e.g. `millrace.definitionHash` of a view. */
  readonly configuration: Readonly<Record<string, string>>
  readonly committedAtMs: number
}

/** One version as it was committed, for readers that follow a table. */
export interface LakeCommit {
  readonly version: number
  readonly added: readonly DataFile[]
  readonly removedPaths: readonly string[]
  /** Offsets after this commit. */
  readonly offsets: Offsets
  /** False: the commit only rearranged rows (compaction); readers that follow rows ignore it. */
  readonly dataChange: boolean
  readonly committedAtMs: number
}

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly snapshot: LakeSnapshot }
  /** The winner of the race already covers these offsets (or replaced these files): ours is dropped. */
  | { readonly kind: 'superseded'; readonly snapshot: LakeSnapshot }

export interface AppendRequest {
  readonly files: readonly DataFile[]
  /** Where the rows begin: must equal the table's offsets, else the append is superseded or refused. */
  readonly from: Offsets
  /** New next offsets of the partitions in `from`. */
  readonly until: Offsets
  readonly operation: string
}

export interface ReplaceRequest {
  readonly remove: readonly DataFile[]
  readonly add: readonly DataFile[]
  /** New offsets; absent keeps them. */
  readonly offsets?: Offsets
  /** New columns (a view whose definition changed has other partials); absent keeps them. */
  readonly columns?: readonly Column[]
  /** Merged into the table's configuration. */
  readonly configuration?: Readonly<Record<string, string>>
  /** False for a compaction: same rows, other files. */
  readonly dataChange: boolean
  readonly operation: string
  /**
   * With `dataChange`, superseded when another commit with `dataChange` came after this version; without
   * `offsets`, appends do not count: their rows are none of those exchanged. Always superseded when a file of
   * `remove` is no longer live. Appends do not disturb a compaction.
   */
  readonly basedOnVersion: number
}

export interface LakeTable {
  /** The table's folder below the lake's root. */
  readonly path: string
  /** The newest version this process has seen. No I/O. */
  current(): LakeSnapshot
  /** Reads versions that were committed since; returns the newest. Cheap when there are none. */
  refresh(): Promise<LakeSnapshot>
  /**
   * The commits after `version` in order, up to `current()`. Null when this process no longer holds them
   * all (more than 256 behind, or opened from a checkpoint): start again from a snapshot.
   */
  commitsAfter(version: number): Promise<readonly LakeCommit[] | null>
  /**
   * Adds rows and moves offsets in one commit. Retries lost races by reading the winner. Superseded when the
   * table's offsets already reach `until` for every partition; throws LAKE_COMMIT_CONFLICT when they have moved
   * past `from` otherwise (a second writer of the partition) and COVERAGE_HOLE when `from` is above them.
   */
  append(request: AppendRequest): Promise<CommitOutcome>
  /** Exchanges files in one commit, for publishing, compaction and rebuilds. */
  replace(request: ReplaceRequest): Promise<CommitOutcome>
  /** Adds columns that are missing, by a metadata commit; files without them read as NULL. */
  addColumns(columns: readonly Column[]): Promise<void>
  /** DuckDB-readable paths of these files, in their order. */
  readablePaths(files: readonly DataFile[]): Promise<string[]>
  /**
   * Deletes files that no version younger than `retentionMs` names, and log entries older than the newest
   * checkpoint and `retentionMs`. A file that no version has ever named goes after one day: somebody may
   * still be about to commit it. Returns how many files went. Throws CONFIG_INVALID above one day.
   */
  vacuum(retentionMs: number): Promise<number>
}

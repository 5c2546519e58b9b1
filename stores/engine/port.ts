/**
 * The batch engine: runs a view's compiled SQL from table versions to staged Parquet files. Adapters:
 * `duckdb-batch-engine.ts` (in this process), later any HiveServer2 engine.
 */

import type { OffsetRange } from '../../core/offsets.ts'
import type { CompiledView } from '../../core/views/compiled-view.ts'
import type { StagedFile } from '../lake/staging.ts'

export interface RecomputeRequest {
  readonly view: CompiledView
  /** Columns of the curated table in order: files of older versions may lack some. */
  readonly curatedColumns: readonly { readonly name: string; readonly type: string }[]
  /** Those of them that are folders, not columns inside the files. */
  readonly curatedPartitionColumns: readonly string[]
  /** DuckDB-readable paths of the curated files to aggregate. */
  readonly curatedFiles: readonly string[]
  /** Only rows in these ranges count. */
  readonly ranges: readonly OffsetRange[]
  /** DuckDB-readable paths of published partials to merge with; none for a full recompute. */
  readonly partialFiles: readonly string[]
  readonly signal?: AbortSignal
}

export interface RecomputeResult {
  readonly files: readonly StagedFile[]
  readonly rowCount: number
  /** Order-independent checksum over all partial rows: equal results have equal checksums. */
  readonly checksum: string
}

/** Stays apart from the stores it is made with: disposing of it closes none of them. */
export interface BatchEngine extends AsyncDisposable {
  /**
   * The files are staged in the folder of the view's table; the caller commits or removes them. Several may
   * run at once. One that fails leaves no files, and one that is aborted rejects with the signal's reason.
   */
  recompute(request: RecomputeRequest): Promise<RecomputeResult>
}

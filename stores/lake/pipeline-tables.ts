/** The lake tables of one pipeline, opened (and created where they are missing) with their columns. */
import {
  type LoadedPipeline,
  rawColumns,
  rejectedColumns,
  tablePaths,
} from '../../core/pipeline.ts'
import type { CompiledView } from '../../core/views/compiled-view.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../engine/duckdb.ts'
import type { LakeStorage } from './storage.ts'
import { type LakeTableOptions, openLakeTable } from './table.ts'
import type { LakeTable } from './types.ts'

export interface PipelineTables {
  readonly raw: LakeTable
  readonly rejected: LakeTable
  readonly curated: LakeTable
  /** The table of a view's published partials; opened at the first call. */
  view(view: CompiledView): Promise<LakeTable>
}

interface OpenOptions {
  /** Writes and reads checkpoints. */
  readonly database: Database
  /** A checkpoint of this table could not be written; the next one makes up for it. */
  readonly onCheckpointFailed?: (table: string, error: unknown) => void
  readonly clock?: Clock
}

type TableOptions = Pick<LakeTableOptions, 'columns' | 'partitionColumns' | 'allowsOtherColumns'>

export async function openPipelineTables(
  storage: LakeStorage,
  { pipeline, curatedColumns }: LoadedPipeline,
  { onCheckpointFailed, ...options }: OpenOptions,
): Promise<PipelineTables> {
  const paths = tablePaths(pipeline)
  const open = (path: string, own: TableOptions) =>
    openLakeTable(storage, path, {
      ...options,
      ...own,
      pipeline: pipeline.name,
      onCheckpointFailed: (error) => onCheckpointFailed?.(path, error),
    })
  const views = new Map<string, Promise<LakeTable>>()
  return {
    raw: await open(paths.raw, { columns: rawColumns, partitionColumns: [] }),
    rejected: await open(paths.rejected, { columns: rejectedColumns, partitionColumns: [] }),
    curated: await open(paths.curated, {
      columns: curatedColumns,
      partitionColumns: pipeline.partitionBy.map(({ name }) => name),
    }),
    view(view) {
      const opened =
        views.get(view.name) ??
        open(paths.view(view.name), {
          columns: view.partialColumns,
          partitionColumns: [],
          // A changed definition has other partials: the next full batch replaces them, columns and all.
          allowsOtherColumns: true,
        })
      views.set(view.name, opened)
      return opened
    },
  }
}

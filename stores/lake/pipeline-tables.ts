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
import { openLakeTable } from './table.ts'
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
  readonly clock?: Clock
}

export async function openPipelineTables(
  storage: LakeStorage,
  { pipeline, curatedColumns }: LoadedPipeline,
  options: OpenOptions,
): Promise<PipelineTables> {
  const paths = tablePaths(pipeline)
  const shared = { ...options, pipeline: pipeline.name }
  const views = new Map<string, Promise<LakeTable>>()
  return {
    raw: await openLakeTable(storage, paths.raw, {
      ...shared,
      columns: rawColumns,
      partitionColumns: [],
    }),
    rejected: await openLakeTable(storage, paths.rejected, {
      ...shared,
      columns: rejectedColumns,
      partitionColumns: [],
    }),
    curated: await openLakeTable(storage, paths.curated, {
      ...shared,
      columns: curatedColumns,
      partitionColumns: pipeline.partitionBy.map(({ name }) => name),
    }),
    view(view) {
      const opened =
        views.get(view.name) ??
        openLakeTable(storage, paths.view(view.name), {
          ...shared,
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

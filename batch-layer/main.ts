/** Wires the batch layer: its own DuckDB, which may spill to disk, and the lake's tables. */
import { mkdir } from 'node:fs/promises'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { Database } from '../stores/engine/duckdb.ts'
import { createDuckDbBatchEngine } from '../stores/engine/duckdb-batch-engine.ts'
import { openPipelineTables, type PipelineTables } from '../stores/lake/pipeline-tables.ts'
import type { Layer } from '../stores/layer.ts'
import type { BatchContext } from './context.ts'
import { runBatchLayer } from './run.ts'
import { batchTelemetryOf } from './telemetry.ts'

interface BatchParts
  extends Pick<
    BatchContext,
    'pipelines' | 'storage' | 'settings' | 'lockDirectory' | 'telemetry' | 'clock'
  > {
  /** Where DuckDB may put what does not fit into its memory. */
  readonly spillDirectory: string
  /** SQL that defines the pipelines' macros. */
  readonly setupSql?: readonly string[]
}

export interface BatchLayer extends Layer {
  /** What `runBatch` and a rebuild work with, for one that does not wait for its time. */
  readonly context: BatchContext
}

export async function openBatch(parts: BatchParts): Promise<BatchLayer> {
  const { spillDirectory, storage, settings, telemetry, clock, setupSql = [] } = parts
  await mkdir(spillDirectory, { recursive: true })
  const { threads, memoryBytesMax } = settings
  const database = await Database.open({ threads, memoryBytesMax, spillDirectory, setupSql })
  const opened = new Map<string, Promise<PipelineTables>>()
  const tablesOf = (loaded: LoadedPipeline) => {
    const { name } = loaded.pipeline
    const { checkpointFailed: onCheckpointFailed } = batchTelemetryOf(telemetry)
    const options = { database, clock, onCheckpointFailed }
    const tables = opened.get(name) ?? openPipelineTables(storage, loaded, options)
    opened.set(name, tables)
    // One that failed is tried again by the next batch.
    tables.catch(() => opened.delete(name))
    return tables
  }
  const engine = createDuckDbBatchEngine({ database, storage })
  const context = { ...parts, database, engine, tablesOf }
  return {
    context,
    run: (signal) => runBatchLayer(context, signal),
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

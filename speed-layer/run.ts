/**
 * The speed layer: for each pipeline, poll the log, parse, enrich, show the rows at once, and bring
 * them to the lake. It knows rows, not views.
 */
import type { LoadedPipeline } from '../core/pipeline.ts'
import { Database } from '../stores/engine/duckdb.ts'
import { loadEnrichment } from '../stores/enrichment.ts'
import type { Assignment } from '../stores/event-log/port.ts'
import { openPipelineTables } from '../stores/lake/pipeline-tables.ts'
import { loadMacros } from '../stores/pipelines.ts'
import { openScratch } from '../stores/scratch.ts'
import type { SpeedContext } from './context.ts'
import { retryDelayMs } from './domain/linger.ts'
import type { LakeTables } from './lake-commit.ts'
import { isOutOfMemory, isRetryable } from './lake-writer.ts'
import { OffsetsMoved } from './offsets-moved.ts'
import {
  consumerGroup,
  type PipelineParts,
  PipelineWorker,
  type WorkerSessions,
} from './pipeline-worker.ts'
import { speedTelemetryOf } from './telemetry.ts'

const defaultSqlDirectory = 'sql'
/** A few thousand records and their rows. */
const liveMemoryBytesMax = 128 * 1024 * 1024

/**
 * Runs until `signal` aborts and the last rows are in the lake. A pipeline that meets what cannot be
 * retried stops, and the others go on; its error is thrown when all have ended.
 */
export async function runSpeedLayer(context: SpeedContext, signal: AbortSignal): Promise<void> {
  const { settings, sqlDirectory = defaultSqlDirectory } = context
  await using scratch = await openScratch()
  await using database = await Database.open({
    threads: settings.threads,
    memoryBytesMax: settings.memoryBytesMax,
    setupSql: await loadMacros(sqlDirectory),
  })
  // One thread: small statements lose more by sharing their work than they gain.
  await using liveDatabase = await Database.open({
    threads: 1,
    memoryBytesMax: liveMemoryBytesMax,
    setupSql: await loadMacros(sqlDirectory),
  })
  const outcomes = await Promise.allSettled(
    context.pipelines.map((loaded) =>
      runPipeline(
        context,
        { loaded, database, liveDatabase, directory: scratch.directory },
        signal,
      ),
    ),
  )
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected')
  if (failures[0] !== undefined) throw failures[0].reason
}

async function runPipeline(
  context: SpeedContext,
  shared: Pick<PipelineParts, 'loaded' | 'database' | 'liveDatabase' | 'directory'>,
  signal: AbortSignal,
): Promise<void> {
  const { pipeline } = shared.loaded
  const { sqlDirectory = defaultSqlDirectory } = context
  try {
    await context.eventLog.ensureTopic(pipeline.topic, pipeline.partitions)
    const parts: PipelineParts = {
      ...shared,
      tables: await openTables(context, shared.loaded, shared.database),
      enrich: await loadEnrichment(shared.database, shared.loaded, sqlDirectory),
    }
    await context.eventLog.join(
      pipeline.topic,
      consumerGroup(pipeline.name),
      signal,
      (assignment) => runAssignment(context, parts, assignment, signal),
    )
  } catch (error) {
    speedTelemetryOf(context.telemetry).pipelineStopped(pipeline.name, error)
    const failure = error instanceof Error ? error.message : String(error)
    context.progress?.update(pipeline.name, () => ({ failure }))
    throw error
  }
}

/** Works on an assignment; what can be retried begins again from the offsets of the sinks. */
async function runAssignment(
  context: SpeedContext,
  parts: PipelineParts,
  assignment: Assignment,
  signal: AbortSignal,
): Promise<void> {
  const { database, liveDatabase } = parts
  const withSessions = (work: (sessions: WorkerSessions) => Promise<void>) =>
    database.session((session) =>
      liveDatabase.session((liveSession) => work({ session, liveSession })),
    )
  await withSessions(async (sessions) => {
    const worker = new PipelineWorker(context, parts, assignment, sessions)
    try {
      await consumeUntilAborted(context, worker, parts.loaded.pipeline.name, assignment.signal)
      // Records of an assignment that went to somebody else are theirs to commit.
      if (signal.aborted) await commitLast(context, worker, parts.loaded.pipeline.name)
    } finally {
      await worker.close()
    }
  })
}

async function consumeUntilAborted(
  { settings, telemetry, clock }: SpeedContext,
  worker: PipelineWorker,
  pipeline: string,
  signal: AbortSignal,
): Promise<void> {
  const signals = speedTelemetryOf(telemetry)
  for (let attempt = 0; !signal.aborted; attempt++) {
    const startedMs = clock.elapsed()
    try {
      await worker.consume()
    } catch (error) {
      if (!canBeginAgain(error)) throw error
      // A worker that ran for a while before this is not in a series of failures.
      if (clock.elapsed() - startedMs > settings.retryDelayMsMax) attempt = 0
      const delayMs = retryDelayMs(attempt, settings.retryDelayMsMin, settings.retryDelayMsMax)
      if (error instanceof OffsetsMoved) signals.resynchronised(pipeline, error.message)
      else signals.retried(pipeline, 'micro_batch', error, delayMs)
      await prepareToBeginAgain(worker, error)
      await clock.sleep(delayMs, signal)
    }
  }
}

function canBeginAgain(error: unknown): boolean {
  return error instanceof OffsetsMoved || isOutOfMemory(error) || isRetryable(error)
}

/**
 * What is visible goes to the lake, which makes room in the hot store, unless others own it by now or
 * there is no memory left to do it.
 */
async function prepareToBeginAgain(worker: PipelineWorker, error: unknown): Promise<void> {
  if (isRetryable(error)) {
    await worker.flush().catch((failure: unknown) => {
      if (!canBeginAgain(failure)) throw failure
    })
  }
  await worker.discard()
}

async function commitLast(
  { settings, telemetry }: SpeedContext,
  worker: PipelineWorker,
  pipeline: string,
): Promise<void> {
  const { shutdownCommitMs } = settings
  const limit = shutdownCommitMs === 0 ? AbortSignal.abort() : AbortSignal.timeout(shutdownCommitMs)
  try {
    await worker.flush(limit)
  } catch (error) {
    // Nothing is lost: the next start reads these records again.
    if (!canBeginAgain(error)) throw error
  }
  if (limit.aborted) {
    speedTelemetryOf(telemetry).lastCommitSkipped(pipeline, worker.pendingRecords)
  }
}

async function openTables(
  { storage, clock, telemetry }: SpeedContext,
  loaded: LoadedPipeline,
  database: Database,
): Promise<LakeTables> {
  const { checkpointFailed: onCheckpointFailed } = speedTelemetryOf(telemetry)
  const tables = await openPipelineTables(storage, loaded, { database, clock, onCheckpointFailed })
  // A pipeline that has gained columns since: other readers of the table learn of them from its log.
  await tables.curated.addColumns(loaded.curatedColumns)
  return tables
}

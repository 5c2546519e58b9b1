/** Commits frozen pending rows in the background, one commit at a time, for as long as it takes. */
import { MillraceError } from '../core/errors.ts'
import type { SpeedContext } from './context.ts'
import { retryDelayMs } from './domain/linger.ts'
import { type LakeCommitRequest, lakeCommitSteps } from './lake-commit.ts'
import { OffsetsMoved } from './offsets-moved.ts'
import { dropPending } from './pending.ts'
import { speedTelemetryOf } from './telemetry.ts'

export class LakeWriter {
  readonly #context: SpeedContext
  readonly #closing = new AbortController()
  /** Ends waiting between retries. */
  readonly #signal: AbortSignal
  #running: Promise<void> | null = null
  #failure: unknown = null
  #failed = new AbortController()
  #bytes = 0

  constructor(context: SpeedContext, signal: AbortSignal) {
    this.#context = context
    this.#signal = AbortSignal.any([signal, this.#closing.signal])
  }

  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Aborts when a commit fails: whoever waits for records should call {@link check}. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  /** Bytes of record values that the running commit holds in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** Starts a commit; none may be running. */
  start(request: LakeCommitRequest): void {
    this.#bytes = request.pending.bytes
    this.#running = this.#commit(request)
      .catch((error: unknown) => {
        this.#failure = error
        this.#failed.abort()
      })
      .finally(() => {
        this.#running = null
        this.#bytes = 0
      })
  }

  /** Waits for the running commit, at most until `signal` aborts; throws what made it fail. */
  async settled(signal?: AbortSignal): Promise<void> {
    const settled = new AbortController()
    try {
      await Promise.race([this.#running, aborted(signal, settled.signal)])
    } finally {
      // The signal of an assignment lives for days: it must not keep a listener for every wait.
      settled.abort()
    }
    this.check()
  }

  /** Ends the retries and waits for the step in work. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /** Throws what made the last commit fail. */
  check(): void {
    const failure = this.#failure
    this.#failure = null
    if (this.#failed.signal.aborted) this.#failed = new AbortController()
    if (failure !== null) throw failure
  }

  async #commit(request: LakeCommitRequest): Promise<void> {
    const { clock, onCommit, progress, telemetry } = this.#context
    const startedMs = clock.elapsed()
    const { pending, database, loaded } = request
    const pipeline = loaded.pipeline.name
    try {
      for (const step of lakeCommitSteps(request)) {
        // Out of time: between two steps nothing is half done, and the log has all of it.
        if (this.#closing.signal.aborted) return
        await this.#untilDone(pipeline, step.name, step.run)
        this.#context.afterStep?.(pipeline, step.name)
      }
    } finally {
      // After a failure too: whoever begins again reads these records from the log.
      await database.session((session) => dropPending(session, pending))
    }
    const nowMs = clock.now()
    const { records, until } = pending
    const durationMs = clock.elapsed() - startedMs
    speedTelemetryOf(telemetry).lakeCommitted({ pipeline, records, until, durationMs, nowMs })
    progress?.update(pipeline, () => ({
      lastCommit: { atMs: nowMs, durationMs, records },
      failure: null,
    }))
    onCommit?.(pipeline)
  }

  /** Repeats a step while its store is away. Only the end of the worker ends this. */
  async #untilDone(pipeline: string, step: string, run: () => Promise<void>): Promise<void> {
    const { clock, progress, settings, telemetry } = this.#context
    for (let attempt = 0; ; attempt++) {
      try {
        await run()
        return
      } catch (error) {
        if (error instanceof MillraceError && error.code === 'LAKE_COMMIT_CONFLICT') {
          throw new OffsetsMoved(error.message, { cause: error })
        }
        // Waiting would not help: the memory is held by rows that are pending behind this commit.
        if (isOutOfMemory(error)) throw error
        if (!isRetryable(error) || this.#signal.aborted) throw error
        const delayMs = retryDelayMs(attempt, settings.retryDelayMsMin, settings.retryDelayMsMax)
        speedTelemetryOf(telemetry).retried(pipeline, step, error, delayMs)
        progress?.update(pipeline, () => ({ failure: (error as Error).message }))
        await clock.sleep(delayMs, this.#signal)
      }
    }
  }
}

export function isRetryable(error: unknown): boolean {
  return error instanceof MillraceError && error.retryable
}

/** DuckDB has reached `memoryBytesMax`. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Out of Memory Error')
}

/** Resolves when `signal` aborts; listens until `end` does. */
function aborted(signal: AbortSignal | undefined, end: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve()
    else signal?.addEventListener('abort', () => resolve(), { once: true, signal: end })
  })
}

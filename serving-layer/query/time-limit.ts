/** Ends a query that takes too long or that nobody waits for any more. */
import { MillraceError } from '../../core/errors.ts'
import type { Session } from '../../stores/engine/duckdb.ts'

/** Between attempts to interrupt: one that comes before the statement has begun is lost. */
const interruptEveryMs = 10

export class TimeLimit implements Disposable {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #caller: AbortSignal | undefined
  readonly #cancel = () =>
    this.#controller.abort(
      new MillraceError('QUERY_CANCELLED', 'The query was cancelled by its caller.'),
    )

  /** `caller` cancels; `timeoutMs` counts from now. */
  constructor(timeoutMs: number, caller?: AbortSignal) {
    this.#timer = setTimeout(() => {
      this.#controller.abort(
        new MillraceError(
          'QUERY_TIMEOUT',
          `The query took longer than ${timeoutMs} ms and was ended. Narrow it or allow more time.`,
        ),
      )
    }, timeoutMs)
    this.#caller = caller
    if (caller?.aborted) this.#cancel()
    else caller?.addEventListener('abort', this.#cancel, { once: true })
  }

  /** Aborted with the {@link MillraceError} to report. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Runs `work`, interrupting the session's statement when the limit is reached. */
  async guard<T>(session: Session, work: () => Promise<T>): Promise<T> {
    const { signal } = this
    signal.throwIfAborted()
    let repeating: NodeJS.Timeout | undefined
    const interrupt = () => {
      session.interrupt()
      repeating = setInterval(() => session.interrupt(), interruptEveryMs)
    }
    signal.addEventListener('abort', interrupt, { once: true })
    try {
      return await work()
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', interrupt)
      clearInterval(repeating)
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#cancel)
  }
}

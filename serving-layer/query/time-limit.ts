/** Ends a query that takes too long or that nobody waits for any more. */
import { MillraceError } from '../../core/errors.ts'

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

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#cancel)
  }
}

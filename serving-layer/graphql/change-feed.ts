/** Changes of a pipeline as an iterator that its consumer can stop at any moment. */
import type { SteadyClock } from '../../stores/clock.ts'

export interface ChangeFeedOptions {
  /** Calls `listener` after each change; returns how to unsubscribe. */
  readonly onChange: (listener: () => void) => () => void
  /** At least this long from one item to the next; changes between them are one. */
  readonly intervalMs: number
  readonly clock: SteadyClock
  /** Called once the consumer has ended the iterator; may be called again. */
  readonly onEnd: () => void
}

/**
 * Calls `next` after each change, at most once per interval, and yields what it returns unless that is
 * null. `next` runs once at the start. `return()` ends the iterator at once, even while it waits, and
 * aborts the signal that `next` was given.
 */
export function changeFeed<T>(
  next: (signal: AbortSignal) => Promise<T | null>,
  options: ChangeFeedOptions,
): AsyncIterableIterator<T, void> {
  const stop = new AbortController()
  const items = itemsOf(next, options, stop.signal)
  return {
    next: () => items.next(),
    return: () => {
      stop.abort()
      options.onEnd()
      // A generator that never started would not run its `finally`, and has nothing to clean up.
      return items.return()
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function* itemsOf<T>(
  next: (signal: AbortSignal) => Promise<T | null>,
  { onChange, intervalMs, clock }: Omit<ChangeFeedOptions, 'onEnd'>,
  signal: AbortSignal,
): AsyncGenerator<T, void, void> {
  const wake = new Wake(signal)
  const unsubscribe = onChange(wake.ring)
  try {
    while (!signal.aborted) {
      const startMs = clock.elapsed()
      const item = await next(signal)
      if (signal.aborted) return
      if (item !== null) yield item
      await wake.wait()
      await clock.sleep(Math.max(0, intervalMs - (clock.elapsed() - startMs)), signal)
      // What came during the sleep is covered by the read that follows.
      wake.reset()
    }
  } finally {
    unsubscribe()
  }
}

/** Remembers that something happened until somebody asks. */
class Wake {
  #isRung = false
  #waiting: (() => void) | undefined

  constructor(signal: AbortSignal) {
    signal.addEventListener('abort', this.ring, { once: true })
  }

  readonly ring = (): void => {
    this.#isRung = true
    this.#waiting?.()
  }

  async wait(): Promise<void> {
    if (this.#isRung) return
    await new Promise<void>((resolve) => {
      this.#waiting = resolve
    })
  }

  reset(): void {
    this.#isRung = false
  }
}

/** Time comes in as an argument, so that tests can own it. */
export interface Clock {
  /** Epoch ms: what the date is said to be. People and services set it, forward and back. */
  now(): number
  /** Resolves after `ms`, or at once when `signal` aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** A clock that also measures. Nothing that waits or takes long may depend on a date. */
export interface SteadyClock extends Clock {
  /** ms since some moment of the past; nobody sets it. */
  elapsed(): number
}

export const systemClock: SteadyClock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
}

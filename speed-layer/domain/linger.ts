/** How long to gather records before the next micro-batch. */

export interface LingerFacts {
  /** Since the previous micro-batch began, in ms. */
  readonly elapsedMs: number
  readonly intervalMs: number
  /** Bytes of the previous micro-batch and the most it could have had. */
  readonly bytes: number
  readonly bytesMax: number
}

/**
 * Few records: wait until the interval is over, so that a low rate costs few micro-batches. A
 * micro-batch that was a quarter full or more means that there is a backlog: go on at once.
 */
export function lingerMs({ elapsedMs, intervalMs, bytes, bytesMax }: LingerFacts): number {
  if (bytes * 4 >= bytesMax) return 0
  return Math.max(0, intervalMs - elapsedMs)
}

/** The pause before retry number `attempt` (from 0), in ms. */
export function retryDelayMs(attempt: number, minimumMs: number, maximumMs: number): number {
  return Math.min(maximumMs, minimumMs * 2 ** Math.min(attempt, 30))
}

/** When a table is due for a vacuum. Pure: a moment on two clocks comes in, a decision goes out. */

export interface Moment {
  /** Epoch ms, as the date is set. */
  readonly nowMs: number
  /** ms since some moment of the past; nobody sets it. */
  readonly elapsedMs: number
}

export interface LastVacuum {
  readonly at: Moment
  /** No other before this, ms elapsed. */
  readonly notBeforeMs: number
}

/** What the two clocks may differ by before somebody has set the date. */
const driftMsMax = 1000

/**
 * Whether to vacuum, and what to remember of it; null: it is too early. A vacuum lists the whole table, so
 * it runs only as often as there can be something to delete. When the date was set forward, files that were
 * replaced just now seem to be old, so none is deleted until they are.
 */
export function planVacuum(
  last: LastVacuum | undefined,
  at: Moment,
  retentionMs: number,
): (LastVacuum & { readonly isDue: boolean }) | null {
  if (last !== undefined && at.elapsedMs < last.notBeforeMs) return null
  const isDue = last === undefined || setForwardMs(last.at, at) <= driftMsMax
  return { at, isDue, notBeforeMs: at.elapsedMs + (isDue ? retentionMs / 2 : retentionMs) }
}

function setForwardMs(before: Moment, after: Moment): number {
  return after.nowMs - before.nowMs - (after.elapsedMs - before.elapsedMs)
}

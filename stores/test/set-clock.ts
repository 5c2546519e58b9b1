import { type SteadyClock, systemClock } from '../clock.ts'

export const hourMs = 3_600_000

export interface SetClock extends SteadyClock {
  /** As somebody who sets the date forward, or back by a negative number. */
  set(byMs: number): void
}

/** The real time with a date that a test sets. */
export function setClock(): SetClock {
  let aheadMs = 0
  return {
    ...systemClock,
    now: () => systemClock.now() + aheadMs,
    set: (byMs) => {
      aheadMs += byMs
    },
  }
}

/** When events are sent and what time they carry: steady or in bursts, most on time, some late. */
import type { Random } from './random.ts'

/** `factor` times the rate during the first `forMs` of every `everyMs`. */
interface Burst {
  readonly everyMs: number
  readonly forMs: number
  readonly factor: number
}

export interface EventTimesOptions {
  /** Epoch ms of the first event. */
  readonly startMs: number
  /** Events per second of event time. */
  readonly rate: number
  /** Share of events that arrive a minute to six hours after they happened. */
  readonly lateShare: number
  readonly burst?: Burst
}

export interface EventTimes {
  /** When the next event is to be sent, epoch ms. */
  nextAtMs(): number
  /** Moves to the next event and returns the time it carries, epoch ms. */
  take(): number
}

const lateMsMin = 60_000
const lateMsMax = 6 * 3_600_000

export function createEventTimes(random: Random, options: EventTimesOptions): EventTimes {
  const { startMs, rate, lateShare, burst } = options
  const lateRatio = Math.log(lateMsMax / lateMsMin)
  let elapsedMs = 0
  const stepMs = () => {
    const usual = 1000 / rate
    if (burst === undefined || elapsedMs % burst.everyMs >= burst.forMs) return usual
    return usual / burst.factor
  }
  return {
    nextAtMs: () => startMs + elapsedMs,
    take: () => {
      const atMs = startMs + elapsedMs
      elapsedMs += stepMs()
      if (lateShare === 0 || random.fraction() >= lateShare) return Math.floor(atMs)
      // Minutes are more common than hours: evenly spread over the logarithm.
      return Math.floor(atMs - lateMsMin * Math.exp(random.fraction() * lateRatio))
    },
  }
}

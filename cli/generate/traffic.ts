/** A source of log lines: the same options give the same bytes, in whatever portions they are taken. */
import { createEventTimes, type EventTimesOptions } from './event-times.ts'
import { type LineBlock, packLines } from './line-block.ts'
import {
  createMalformed,
  type FieldFaults,
  type MalformedKind,
  malformedKinds,
} from './malformed-lines.ts'
import { createRandom } from './random.ts'
import { createRequests, type Request } from './requests.ts'

export interface TrafficOptions extends Partial<EventTimesOptions> {
  readonly seed: number
  /** Epoch ms of the first event. */
  readonly startMs: number
  /** Share of lines that are spoiled in one of `malformed`. */
  readonly malformedShare?: number
  /** Which kinds; all of them when absent. */
  readonly malformed?: readonly MalformedKind[]
}

export interface Traffic {
  /** When the next line is to be sent, epoch ms. */
  nextAtMs(): number
  take(count: number): LineBlock
}

export const usualRate = 150

interface LineFormat {
  readonly render: (request: Request, atMs: number) => string
  readonly faults: FieldFaults
}

export function createTraffic(options: TrafficOptions, format: LineFormat): Traffic {
  const random = createRandom(options.seed)
  const nextRequest = createRequests(random)
  const times = createEventTimes(random, {
    rate: usualRate,
    lateShare: 0,
    ...options,
  })
  const spoil = createMalformed(random, options.malformed ?? malformedKinds, format.faults)
  const malformedShare = options.malformedShare ?? 0
  const nextLine = () => {
    const line = format.render(nextRequest(), times.take())
    return malformedShare > 0 && random.fraction() < malformedShare ? spoil(line) : line
  }
  return {
    nextAtMs: times.nextAtMs,
    take: (count) => packLines(Array.from({ length: count }, nextLine)),
  }
}

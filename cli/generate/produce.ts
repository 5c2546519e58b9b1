/** `millrace produce`: writes generated traffic to the event log or to log files, paced or at full speed. */
import { randomUUID } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import type { Pipeline } from '../../core/pipeline.ts'
import { type Clock, systemClock } from '../../stores/clock.ts'
import type { EventLog } from '../../stores/event-log/port.ts'
import { createAccessLogTraffic } from './access-log-lines.ts'
import { createHttpTraffic } from './http-traffic.ts'
import { type LineBlock, lineValues } from './line-block.ts'
import { malformedKinds } from './malformed-lines.ts'
import { RotatingFile } from './rotating-file.ts'
import { type Traffic, type TrafficOptions, usualRate } from './traffic.ts'

interface ProduceToLog {
  readonly to: 'log'
  readonly eventLog: EventLog
}

interface ProduceToFiles {
  readonly to: 'files'
  readonly directory: string
  /** Size in bytes from which a file is rotated; 16 MiB when absent. */
  readonly fileBytesMax?: number
}

interface ProduceOptions extends Partial<Omit<TrafficOptions, 'rate'>> {
  readonly pipeline: Pick<Pipeline, 'name' | 'topic' | 'partitions'>
  /** Events per second; 0: as fast as possible, which needs `count`. */
  readonly rate: number
  /** How many events; without end when absent. */
  readonly count?: number
  readonly seed: number
  readonly signal: AbortSignal
  readonly onProgress?: (progress: ProduceProgress) => void
  readonly clock?: Clock
}

export type ProduceRequest = ProduceOptions & (ProduceToLog | ProduceToFiles)

/** What is durable (log) or written (files) so far. */
export interface ProduceProgress {
  readonly events: number
  readonly bytes: number
}

const batchEventsMax = 5_000
/** How long a paced producer collects events into one batch. */
const tickMs = 20
const rotatedFilesMax = 10

const generators: Readonly<Record<string, (options: TrafficOptions) => Traffic>> = {
  http_logs: createHttpTraffic,
  access_log: createAccessLogTraffic,
}

/**
 * Ends when `count` events are written or `signal` aborts, and says how many there were. Throws
 * CONFIG_INVALID for a pipeline that has no generator, and what the target throws.
 */
export async function runProduce(request: ProduceRequest): Promise<ProduceProgress> {
  const clock = request.clock ?? systemClock
  const traffic = createTrafficFor(request, clock.now())
  await using target = await openTarget(request)
  const progress = { events: 0, bytes: 0 }
  const countMax = request.count ?? Number.POSITIVE_INFINITY
  let taken = 0
  while (taken < countMax && !request.signal.aborted) {
    const count = Math.min(countMax - taken, dueCount(request, traffic, clock))
    if (count === 0) {
      await clock.sleep(tickMs, request.signal)
      continue
    }
    const lines = traffic.take(count)
    taken += count
    await target.write(lines, () => {
      progress.events += count
      progress.bytes += lines.block.length
      request.onProgress?.({ ...progress })
    })
  }
  await target.settled()
  return progress
}

function createTrafficFor(request: ProduceRequest, nowMs: number): Traffic {
  const create = generators[request.pipeline.name]
  if (create === undefined)
    throw new MillraceError(
      'CONFIG_INVALID',
      `Produce refused: there is no generator for the pipeline '${request.pipeline.name}', only for ${Object.keys(generators).join(', ')}.`,
    )
  if (request.rate === 0 && request.count === undefined)
    throw new MillraceError(
      'CONFIG_INVALID',
      'Produce refused: without a rate it would never end and fill the disk. Give --count or --rate.',
    )
  const { rate, to, ...options } = request
  // At full speed the events are those of the time before now, as if they had come at the usual rate.
  const spanMs = rate === 0 ? ((request.count ?? 0) * 1000) / usualRate : 0
  // A record beyond the log's limit would be refused; in a file it is the tailer's task.
  const kinds = malformedKinds.filter((kind) => to === 'files' || kind !== 'over_long')
  return create({
    malformed: kinds,
    startMs: Math.floor(nowMs - spanMs),
    ...options,
    rate: rate === 0 ? usualRate : rate,
  })
}

/** How many events are to be sent now. */
function dueCount(request: ProduceRequest, traffic: Traffic, clock: Clock): number {
  if (request.rate === 0) return batchEventsMax
  const behindMs = clock.now() - traffic.nextAtMs()
  if (behindMs < 0) return 0
  const factor = request.burst?.factor ?? 1
  // In a burst a step is shorter; what is a step too early then waits for the next tick.
  const due = Math.floor((behindMs * request.rate) / 1000 / Math.max(1, factor)) + 1
  return Math.min(due, batchEventsMax)
}

interface Target extends AsyncDisposable {
  /** Returns when the next lines may be given; `done` is called when these are written. */
  write(lines: LineBlock, done: () => void): Promise<void>
  settled(): Promise<void>
}

function openTarget(request: ProduceRequest): Promise<Target> {
  return request.to === 'log' ? openLogTarget(request) : openFilesTarget(request)
}

/** Batches go round the partitions; each partition has one append under way. */
async function openLogTarget(request: ProduceOptions & ProduceToLog): Promise<Target> {
  const { eventLog, pipeline } = request
  await eventLog.ensureTopic(pipeline.topic, pipeline.partitions)
  const producer = await eventLog.producer(pipeline.topic, `produce-${randomUUID()}`)
  const underWay = Array.from({ length: pipeline.partitions }, () => Promise.resolve())
  let batch = 0
  const append = async (partition: number, sequence: number, lines: LineBlock) => {
    const records = lineValues(lines).map((value) => ({ value }))
    await producer.append(partition, sequence, records)
  }
  return {
    write: async (lines, done) => {
      const partition = batch % pipeline.partitions
      const sequence = Math.floor(batch / pipeline.partitions)
      batch += 1
      await underWay[partition]
      const appended = append(partition, sequence, lines).then(done)
      // Seen by whoever waits next; until then it must not count as unhandled.
      appended.catch(() => {})
      underWay[partition] = appended
    },
    settled: async () => {
      await Promise.all(underWay)
    },
    [Symbol.asyncDispose]: () => producer[Symbol.asyncDispose](),
  }
}

async function openFilesTarget(request: ProduceOptions & ProduceToFiles): Promise<Target> {
  const file = await RotatingFile.open({
    directory: request.directory,
    stem: 'access',
    bytesMax: request.fileBytesMax ?? 16 * 1024 * 1024,
    rotatedMax: rotatedFilesMax,
  })
  return {
    write: async (lines, done) => {
      await file.append(lines.block)
      done()
    },
    settled: async () => {},
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  }
}

/** The way to the event log: one append at a time per topic and partition, retried until it holds. */
import { randomUUID } from 'node:crypto'
import { MillraceError } from '../core/errors.ts'
import type { SteadyClock } from '../stores/clock.ts'
import type { EventLog, ProducedRecord, Producer } from '../stores/event-log/port.ts'
import type { ShipperSettings } from './config.ts'
import type { ShipperTelemetry } from './telemetry.ts'
import { Wakeup } from './wakeup.ts'

/** Records of one partition from one read of one file. */
export interface Piece {
  readonly records: readonly ProducedRecord[]
  readonly bytes: number
  /** Called when every record is durable or skipped; in the order of sending per partition. */
  readonly onAcknowledged: () => void
}

interface Lane {
  readonly topic: Promise<Producer>
  readonly partition: number
  sequence: number
  queue: Piece[]
  isRunning: boolean
}

interface ProduceContext {
  readonly eventLog: EventLog
  readonly settings: ShipperSettings
  readonly telemetry: ShipperTelemetry
  readonly clock: SteadyClock
  /** Called after each append that holds, with the number of records. */
  readonly onAcknowledged: (records: number) => void
}

export class Output {
  readonly #context: ProduceContext
  // Fresh per run: sequences start at 0 and a repeated append within the run is recognised.
  readonly #producerId = `shipper-${randomUUID()}`
  readonly #producers = new Map<string, Promise<Producer>>()
  readonly #lanes = new Map<string, Lane>()
  readonly #settled: Wakeup
  readonly #abandoned = new AbortController()
  #bytesInFlight = 0
  #failure: { readonly error: unknown } | null = null

  constructor(context: ProduceContext) {
    this.#context = context
    this.#settled = new Wakeup(context.clock)
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight
  }

  send(topic: string, partition: number, piece: Piece): void {
    this.#bytesInFlight += piece.bytes
    const lane = this.#laneOf(topic, partition)
    lane.queue.push(piece)
    if (!lane.isRunning) void this.#run(lane)
  }

  /** Back-pressure: returns when there is room to read more. Throws what an append failed with. */
  async waitForRoom(signal: AbortSignal): Promise<void> {
    const { inFlightBytesMax } = this.#context.settings
    this.throwIfFailed()
    while (this.#bytesInFlight >= inFlightBytesMax && !signal.aborted) {
      await this.#settled.wait(100)
      this.throwIfFailed()
    }
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error
  }

  /** Waits until everything is acknowledged, for `waitMs` at most; then gives the rest up. */
  async drain(waitMs: number): Promise<void> {
    const { clock } = this.#context
    const untilMs = clock.elapsed() + waitMs
    while (this.#bytesInFlight > 0 && this.#failure === null && clock.elapsed() < untilMs) {
      await this.#settled.wait(Math.min(100, untilMs - clock.elapsed()))
    }
    this.#abandoned.abort()
    if (this.#bytesInFlight > 0) return
    for (const producer of this.#producers.values()) await (await producer)[Symbol.asyncDispose]()
  }

  #laneOf(topic: string, partition: number): Lane {
    const key = `${partition} ${topic}`
    const existing = this.#lanes.get(key)
    if (existing !== undefined) return existing
    const producer =
      this.#producers.get(topic) ?? this.#context.eventLog.producer(topic, this.#producerId)
    this.#producers.set(topic, producer)
    const lane: Lane = { topic: producer, partition, sequence: 0, queue: [], isRunning: false }
    this.#lanes.set(key, lane)
    return lane
  }

  async #run(lane: Lane): Promise<void> {
    lane.isRunning = true
    try {
      const producer = await lane.topic
      while (lane.queue.length > 0 && !this.#abandoned.signal.aborted) {
        const pieces = this.#take(lane)
        const only = pieces.length === 1 ? pieces[0]?.records : undefined
        const records = only ?? pieces.flatMap((piece) => piece.records)
        const isHeld = await this.#appendAll(lane, producer, records)
        if (!isHeld) return
        for (const { bytes, onAcknowledged } of pieces) {
          this.#bytesInFlight -= bytes
          onAcknowledged()
        }
        this.#context.telemetry.bytesInFlight(this.#bytesInFlight)
        this.#context.onAcknowledged(records.length)
        this.#settled.ring()
      }
    } catch (error) {
      // Seen by waitForRoom and drain: the run ends with it.
      this.#failure ??= { error }
      this.#settled.ring()
    } finally {
      lane.isRunning = false
    }
  }

  /** As many waiting pieces as fit one append; one at least. */
  #take(lane: Lane): Piece[] {
    const { batchRecordsMax, batchBytesMax } = this.#context.settings
    let records = 0
    let bytes = 0
    let taken = 0
    for (const piece of lane.queue) {
      records += piece.records.length
      bytes += piece.bytes
      if (taken > 0 && (records > batchRecordsMax || bytes > batchBytesMax)) break
      taken += 1
    }
    return lane.queue.splice(0, taken)
  }

  /** False when the run was given up before the records were durable. */
  async #appendAll(lane: Lane, producer: Producer, records: readonly ProducedRecord[]) {
    const { batchRecordsMax } = this.#context.settings
    if (records.length <= batchRecordsMax) return await this.#append(lane, producer, records)
    for (let from = 0; from < records.length; from += batchRecordsMax) {
      const part = records.slice(from, from + batchRecordsMax)
      if (!(await this.#append(lane, producer, part))) return false
    }
    return true
  }

  async #append(
    lane: Lane,
    producer: Producer,
    records: readonly ProducedRecord[],
  ): Promise<boolean> {
    const { settings, telemetry, clock } = this.#context
    for (
      let waitMs = settings.retryDelayMsMin;
      ;
      waitMs = Math.min(waitMs * 2, settings.retryDelayMsMax)
    ) {
      try {
        await producer.append(lane.partition, lane.sequence, records)
        lane.sequence += 1
        telemetry.recordsAcknowledged(records.length)
        return true
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error
        if (error.code === 'RECORD_TOO_LARGE')
          return await this.#appendHalves(lane, producer, records)
        if (!error.retryable) throw error
        telemetry.appendRetried({ waitMs }, error)
        await clock.sleep(waitMs, this.#abandoned.signal)
        if (this.#abandoned.signal.aborted) return false
      }
    }
  }

  /** Finds the record that is too large and goes on without it: one record never blocks a file. */
  async #appendHalves(lane: Lane, producer: Producer, records: readonly ProducedRecord[]) {
    const [first] = records
    if (first === undefined) return true
    if (records.length === 1) {
      this.#context.telemetry.recordDropped({
        bytes: first.value.length,
        source: first.headers?.['source.id'] ?? '',
        offset: first.headers?.['source.offset'] ?? '',
      })
      return true
    }
    const middle = records.length >> 1
    const isFirstHeld = await this.#append(lane, producer, records.slice(0, middle))
    return isFirstHeld && (await this.#append(lane, producer, records.slice(middle)))
  }
}

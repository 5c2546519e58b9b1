/**
 * Reads the log one micro-batch ahead. A large micro-batch is parsed as soon as it is read, beside the
 * enrichment of the one before it: each of the two keeps one core busy.
 */
import type { Offsets } from '../core/offsets.ts'
import type { RecordBatch } from '../stores/event-log/port.ts'
import {
  bytesOf,
  type Processor,
  parseSegment,
  type RangeOfRecords,
  rangesOf,
} from './micro-batch.ts'
import { dropSegment, type Segment } from './pending.ts'

/** A micro-batch as it was read. */
export interface ReadRecords {
  readonly batches: readonly RecordBatch[]
  readonly records: number
  readonly bytes: number
  readonly ranges: readonly RangeOfRecords[]
  /** By the same clock. */
  readonly startedMs: number
  /** Where a large micro-batch has been parsed into; null for a small one. */
  readonly segment: Segment | null
}

export interface RecordReaderOptions {
  /** Parses ahead: on a session of its own. */
  readonly processor: Processor
  /** Where to begin. */
  readonly positions: Offsets
  readonly read: (positions: Offsets, waitMs: number) => Promise<RecordBatch[]>
  /** ms of a clock that nobody sets. */
  readonly elapsed: () => number
}

export class RecordReader {
  readonly #options: RecordReaderOptions
  #positions: Offsets
  #ahead: Promise<ReadRecords> | null = null

  constructor(options: RecordReaderOptions) {
    this.#options = options
    this.#positions = options.positions
  }

  /** The next micro-batch, empty when `waitMs` passed without a record. */
  async next(waitMs: number): Promise<ReadRecords> {
    const next = this.#ahead ?? this.#read(waitMs)
    this.#ahead = null
    return await next
  }

  /** Begins to read and parse the next micro-batch. */
  startAhead(): void {
    this.#ahead ??= this.#read(0)
    // Whoever asks for it hears of its failure; until then nobody may.
    this.#ahead.catch(() => {})
  }

  /** Drops what was parsed ahead. */
  async close(): Promise<void> {
    const ahead = await this.#ahead?.catch(() => null)
    this.#ahead = null
    if (ahead?.segment) await dropSegment(this.#options.processor.session, ahead.segment)
  }

  async #read(waitMs: number): Promise<ReadRecords> {
    const { read, elapsed, processor } = this.#options
    const batches = await read(this.#positions, waitMs)
    const startedMs = elapsed()
    const ranges = rangesOf(batches, this.#positions)
    const records = batches.reduce((sum, { count }) => sum + count, 0)
    const isLarge = records >= processor.settings.fileRecordsMin
    const segment = isLarge ? await parseSegment(processor, batches) : null
    this.#positions = new Map([
      ...this.#positions,
      ...ranges.map(({ partition, until }): [number, bigint] => [partition, until]),
    ])
    return { batches, records, bytes: bytesOf(batches), ranges, startedMs, segment }
  }
}

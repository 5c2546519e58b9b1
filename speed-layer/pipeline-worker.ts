/** Processes the records of one pipeline's assigned partitions until the assignment ends. */
import { type Offsets, offsetOf } from '../core/offsets.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import type { EnrichSql } from '../core/transform/enrich-sql.ts'
import { parseSql } from '../core/transform/parse-sql.ts'
import type { Database, Session } from '../stores/engine/duckdb.ts'
import type { Assignment, RecordBatch } from '../stores/event-log/port.ts'
import type { SpeedContext } from './context.ts'
import { lingerMs } from './domain/linger.ts'
import { type StartingPoint, startingPoint } from './domain/positions.ts'
import type { LakeTables } from './lake-commit.ts'
import { LakeWriter } from './lake-writer.ts'
import { LiveRows, type RangeRows, type RowsByPartition } from './live-rows.ts'
import {
  enrichSegment,
  noRows,
  type Processor,
  parseSegment,
  type RangeOfRecords,
  type RecordCounts,
  segmentRows,
} from './micro-batch.ts'
import { OffsetsMoved } from './offsets-moved.ts'
import { createPending, dropPending, type Pending, slimSegment } from './pending.ts'
import { type ReadRecords, RecordReader } from './record-reader.ts'
import { type SpeedTelemetry, speedTelemetryOf } from './telemetry.ts'

/** What a pipeline needs as long as the process lives. */
export interface PipelineParts {
  readonly loaded: LoadedPipeline
  readonly database: Database
  readonly tables: LakeTables
  readonly enrich: EnrichSql
  /** Where the rows of small micro-batches are computed. */
  readonly liveDatabase: Database
  /** A folder in memory of this process. */
  readonly directory: string
}

/** A worker's own connections. */
export interface WorkerSessions {
  readonly session: Session
  /** Of the database for live rows. */
  readonly liveSession: Session
}

/** What the hot store gets of a range. */
type RowsOf = (range: RangeOfRecords) => Promise<RangeRows>

/** The consumer group; tools show its lag by this name. */
export function consumerGroup(pipeline: string): string {
  return `millrace-${pipeline}`
}

/** How often the log is asked for its end, in ms. */
const lagIntervalMs = 1000
/** How long a read waits for records when no lake commit is due, in ms. */
const readWaitMsMax = 1000

export class PipelineWorker {
  readonly #context: SpeedContext
  readonly #parts: PipelineParts
  readonly #assignment: Assignment
  readonly #session: Session
  readonly #signals: SpeedTelemetry
  readonly #processor: Processor
  readonly #live: LiveRows | null
  readonly #writer: LakeWriter
  readonly #name: string
  #positions: Offsets = new Map()
  #hot: Offsets = new Map()
  #pending: Pending | null = null
  #lagMeasuredMs = Number.NEGATIVE_INFINITY

  constructor(
    context: SpeedContext,
    parts: PipelineParts,
    assignment: Assignment,
    sessions: WorkerSessions,
  ) {
    this.#context = context
    this.#parts = parts
    this.#assignment = assignment
    this.#session = sessions.session
    this.#name = parts.loaded.pipeline.name
    this.#signals = speedTelemetryOf(context.telemetry)
    this.#writer = new LakeWriter(context, assignment.signal)
    const { loaded, enrich } = parts
    const { recordBytesMax } = context.settings
    this.#live = LiveRows.of(sessions.liveSession, loaded, enrich, recordBytesMax)
    this.#processor = {
      session: sessions.session,
      loaded,
      parse: parseSql(loaded.pipeline),
      enrich,
      settings: context.settings,
      directory: parts.directory,
      fileName: this.#name,
      onLinesReadAgain: (reason) => this.#signals.linesReadAgain(this.#name, reason),
    }
  }

  /** Where each sink stands, and from there until the assignment ends. Throws what cannot be retried. */
  async consume(): Promise<void> {
    await this.#start()
    await this.#parts.database.session(async (session) => {
      const reader = new RecordReader({
        processor: { ...this.#processor, session },
        positions: this.#positions,
        read: (positions, waitMs) => this.#read(positions, waitMs),
        elapsed: this.#context.clock.elapsed,
      })
      try {
        await this.#consume(reader)
      } finally {
        await reader.close()
      }
    })
  }

  async #consume(reader: RecordReader): Promise<void> {
    const { signal } = this.#assignment
    const { clock, settings } = this.#context
    let startedMs = Number.NEGATIVE_INFINITY
    let bytes = 0
    while (!signal.aborted) {
      const facts = { elapsedMs: clock.elapsed() - startedMs, bytes }
      const pauseMs = lingerMs({
        ...facts,
        intervalMs: settings.microBatchIntervalMs,
        bytesMax: settings.microBatchBytesMax,
      })
      if (pauseMs > 0) await clock.sleep(pauseMs, signal)
      const read = await reader.next(this.#readWaitMs())
      startedMs = read.startedMs
      bytes = read.bytes
      if (read.segment !== null) reader.startAhead()
      if (read.records > 0) await this.#process(read)
      await this.#commitIfDue()
      await this.#measureLag()
    }
  }

  /** Brings what is pending to the lake; ends early, with rows left, when `signal` aborts. */
  async flush(signal?: AbortSignal): Promise<void> {
    await this.#writer.settled(signal)
    if (signal?.aborted || (this.#pending?.records ?? 0) === 0) return
    await this.#startCommit(false)
    await this.#writer.settled(signal)
  }

  /** Records that are visible but not in the lake. */
  get pendingRecords(): number {
    return this.#pending?.records ?? 0
  }

  /** Forgets what is pending: the log still has it. */
  async discard(): Promise<void> {
    const pending = this.#pending
    this.#pending = null
    if (pending !== null) await dropPending(this.#session, pending)
  }

  /** Ends all work at once; what is pending is read again by whoever comes next. */
  async close(): Promise<void> {
    await this.#writer.close()
    await this.discard()
    this.#live?.close()
  }

  async #start(): Promise<void> {
    const { eventLog, hotStore } = this.#context
    const { tables, loaded } = this.#parts
    const { topic } = loaded.pipeline
    const [raw, rejected, curated] = await Promise.all([
      tables.raw.refresh(),
      tables.rejected.refresh(),
      tables.curated.refresh(),
    ])
    const sinks = {
      raw: raw.offsets,
      rejected: rejected.offsets,
      curated: curated.offsets,
      hot: await hotStore.ends(this.#name),
    }
    const bounds = await eventLog.bounds(topic)
    const start = startingPoint(topic, this.#assignment.partitions, sinks, bounds)
    await this.#prepareSinks(start)
    this.#positions = start.from
    this.#hot = start.hot
    this.#pending ??= createPending(start.from)
    this.#signals.assigned(this.#name, start.from)
  }

  async #prepareSinks({ resets, begins }: StartingPoint): Promise<void> {
    for (const [partition, end] of resets) {
      await this.#context.hotStore.reset(this.#name, partition, end)
    }
    const { raw, rejected, curated } = this.#parts.tables
    for (const [partition, begin] of begins) {
      const [from, until] = [new Map([[partition, 0n]]), new Map([[partition, begin]])]
      // The other way round than rows, so that a start that finds this half done can tell.
      for (const table of [curated, rejected, raw]) {
        await table.append({ files: [], from, until, operation: 'BEGIN' })
      }
    }
  }

  async #read(positions: Offsets, waitMs: number): Promise<RecordBatch[]> {
    const { eventLog, settings } = this.#context
    return await eventLog.read(this.#parts.loaded.pipeline.topic, positions, {
      bytesMax: settings.microBatchBytesMax,
      waitMs,
      signal: AbortSignal.any([this.#assignment.signal, this.#writer.failed]),
    })
  }

  /** Until the next lake commit is due. */
  #readWaitMs(): number {
    const { clock, settings } = this.#context
    const sinceMs = this.#pending?.sinceMs ?? null
    if (sinceMs === null) return readWaitMsMax
    const dueMs = sinceMs + settings.lakeCommitIntervalMs - clock.elapsed()
    return Math.max(0, Math.min(readWaitMsMax, dueMs))
  }

  async #process(read: ReadRecords): Promise<void> {
    const { clock, afterStep, progress } = this.#context
    const { ranges, records, bytes } = read
    const startedMs = clock.elapsed()
    const pending = this.#pending
    if (pending === null) throw new Error('The worker has not started.')
    const live = await this.#liveRows(read)
    if (live !== null) pending.batches.push(...read.batches)
    const rowsOf = live === null ? await this.#segmentRows(pending, read) : rowsIn(live)
    afterStep?.(this.#name, 'enriched')
    let rowCount = 0
    for (const range of ranges) rowCount += await this.#appendHot(range, rowsOf)
    afterStep?.(this.#name, 'hot_appended')
    this.#advance(pending, ranges, { records, bytes, startedMs })
    const durationMs = clock.elapsed() - startedMs
    const pipeline = this.#name
    this.#signals.microBatchProcessed({ pipeline, records, rows: rowCount, bytes, durationMs })
    progress?.update(pipeline, (old) => ({
      records: old.records + records,
      positions: this.#positions,
      recordTimestampMs: Math.max(...ranges.map(({ timestampMsMax }) => timestampMsMax)),
    }))
  }

  /** The rows of a small micro-batch without tables; null when there must be some. */
  async #liveRows({ batches, ranges, segment }: ReadRecords): Promise<RowsByPartition | null> {
    if (segment !== null || this.#live === null) return null
    // After a restart the hot store may be ahead of the lake: then some of the rows are not wanted.
    const isNew = ranges.every(({ partition, from }) => from >= offsetOf(this.#hot, partition))
    return isNew ? await this.#live.rowsOf(batches) : null
  }

  /** The rows of a micro-batch by way of its segment, which then is pending. */
  async #segmentRows(pending: Pending, { segment: parsed, batches }: ReadRecords): Promise<RowsOf> {
    const segment = parsed ?? (await parseSegment(this.#processor, batches))
    pending.segments.push(segment)
    this.#context.afterStep?.(this.#name, 'parsed')
    const counts = await enrichSegment(this.#processor, segment)
    await slimSegment(this.#session, this.#parts.loaded, segment)
    this.#count(counts)
    return async (range) => {
      const hasRows = (counts.get(range.partition)?.get(null) ?? 0) > 0
      return hasRows ? await segmentRows(this.#processor, segment, range) : noRows
    }
  }

  /** Each record is counted once: when it is in a segment, which every record is before its commit. */
  #count(counts: RecordCounts): void {
    const { rows, rejected } = totals(counts)
    this.#signals.recordsJudged(this.#name, rejected)
    const rejectedCount = [...rejected.values()].reduce((sum, count) => sum + count, 0)
    this.#context.progress?.update(this.#name, (old) => ({
      rows: old.rows + rows,
      rejected: old.rejected + rejectedCount,
    }))
  }

  /** @returns how many rows became visible. */
  async #appendHot(range: RangeOfRecords, rowsOf: RowsOf): Promise<number> {
    // After a restart the hot store may be ahead of the lake: it gets only what it does not have.
    const from = maxOf(range.from, offsetOf(this.#hot, range.partition))
    if (from >= range.until) return 0
    const rows = await rowsOf({ ...range, from })
    const outcome = await this.#context.hotStore.append(this.#name, { ...range, from, ...rows })
    if (outcome.kind === 'refused') {
      throw new OffsetsMoved(
        `The hot store ends partition ${range.partition} at ${outcome.end}, not at ${from}.`,
      )
    }
    this.#hot = new Map(this.#hot).set(range.partition, range.until)
    return rows.rowCount
  }

  #advance(
    pending: Pending,
    ranges: readonly { readonly partition: number; readonly until: bigint }[],
    counted: { records: number; bytes: number; startedMs: number },
  ): void {
    const positions = new Map(this.#positions)
    for (const { partition, until } of ranges) positions.set(partition, until)
    this.#positions = positions
    pending.until = positions
    pending.records += counted.records
    pending.bytes += counted.bytes
    pending.sinceMs ??= counted.startedMs
  }

  async #commitIfDue(): Promise<void> {
    const { clock, settings } = this.#context
    this.#writer.check()
    const pending = this.#pending
    if (pending === null || pending.records === 0) return
    const nowMs = clock.elapsed()
    const ageMs = nowMs - (pending.sinceMs ?? nowMs)
    this.#signals.pendingChanged(this.#name, pending.bytes + this.#writer.bytes, ageMs)
    // Bounded: with too much waiting for the lake, reading stops until a commit has ended.
    if (pending.bytes + this.#writer.bytes >= settings.pendingBytesMax) {
      await this.#writer.settled(this.#assignment.signal)
    }
    const isDue =
      ageMs >= settings.lakeCommitIntervalMs ||
      pending.bytes >= settings.lakeCommitBytesMax ||
      pending.records >= settings.lakeCommitRowsMax
    if (isDue && !this.#writer.isRunning) await this.#startCommit(true)
  }

  /** Freezes what is pending and commits it in the background. */
  async #startCommit(continues: boolean): Promise<void> {
    const pending = this.#pending
    if (pending === null) return
    const { eventLog, hotStore, storage } = this.#context
    const { loaded, tables, database } = this.#parts
    const { name, topic } = loaded.pipeline
    this.#pending = continues ? createPending(pending.until) : null
    this.#writer.start({
      loaded,
      tables,
      database,
      storage,
      pending,
      processor: { ...this.#processor, fileName: `${name}-commit` },
      onParsed: (counts) => this.#count(counts),
      advise: (offsets) => eventLog.commitAdvisory(topic, consumerGroup(name), offsets),
      trim: (offsets) => hotStore.trim(name, offsets),
    })
  }

  async #measureLag(): Promise<void> {
    const { clock, eventLog, progress } = this.#context
    if (clock.elapsed() - this.#lagMeasuredMs < lagIntervalMs) return
    this.#lagMeasuredMs = clock.elapsed()
    const { latest } = await eventLog.bounds(this.#parts.loaded.pipeline.topic)
    this.#signals.lagMeasured(this.#name, this.#positions, latest)
    progress?.update(this.#name, () => ({ latest }))
  }
}

function totals(counts: RecordCounts) {
  let rows = 0
  const rejected = new Map<string, number>()
  for (const reasons of counts.values()) {
    for (const [reason, count] of reasons) {
      if (reason === null) rows += count
      else rejected.set(reason, (rejected.get(reason) ?? 0) + count)
    }
  }
  return { rows, rejected }
}

function rowsIn(rows: RowsByPartition): RowsOf {
  return async ({ partition }) => rows.get(partition) ?? noRows
}

function maxOf(left: bigint, right: bigint): bigint {
  return left > right ? left : right
}

/** Records become a segment: parsed rows, curated rows, and hot ranges ready to be appended. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Offsets } from '../core/offsets.ts'
import { offsetOf } from '../core/offsets.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { quoteIdentifier, quoteLiteral } from '../core/sql.ts'
import type { EnrichSql } from '../core/transform/enrich-sql.ts'
import { parsedColumns } from '../core/transform/parse-sql.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import { enrichmentInput, enrichRows } from '../stores/enrich-rows.ts'
import type { RecordBatch } from '../stores/event-log/port.ts'
import type { HotRange } from '../stores/hot-store/port.ts'
import { restoreScratch } from '../stores/scratch.ts'
import type { SpeedSettings } from './config.ts'
import { type LineRelation, lineRelation } from './lines/line-relation.ts'
import type { RangeRows } from './live-rows.ts'
import { createSegment, dropSegment, type Segment } from './pending.ts'

/** What it takes to process records of one pipeline. */
export interface Processor {
  readonly session: Session
  readonly loaded: LoadedPipeline
  /** Gives parsed records, given a relation of lines. */
  readonly parse: (lines: string) => string
  readonly enrich: EnrichSql
  readonly settings: SpeedSettings
  /** A folder in memory of this process, and the name of the files in it. */
  readonly directory: string
  readonly fileName: string
  readonly onLinesReadAgain: (reason: string) => void
}

/** How many records of each partition became rows (reason null) or were rejected, by reason. */
export type RecordCounts = ReadonlyMap<number, ReadonlyMap<string | null, number>>

/** A segment of the records, parsed; nothing is left behind when that fails. */
export async function parseSegment(
  processor: Processor,
  batches: readonly RecordBatch[],
): Promise<Segment> {
  const segment = await createSegment(processor.session, processor.loaded)
  try {
    await parseRecords(processor, segment, batches)
    return segment
  } catch (error) {
    await dropSegment(processor.session, segment)
    throw error
  }
}

/** Fills the segment's empty table of records. */
export async function parseRecords(
  processor: Processor,
  segment: Segment,
  batches: readonly RecordBatch[],
): Promise<void> {
  const failure = await insertParsed(processor, segment, batches, false)
  if (failure === null) return
  processor.onLinesReadAgain(failure)
  const again = await insertParsed(processor, segment, batches, true)
  if (again !== null) throw new Error(`Records were lost on the way into DuckDB: ${again}`)
}

/** @returns what went wrong with lines in a file, after which nothing was added; or null. */
async function insertParsed(
  { session, loaded, parse, settings, directory, fileName }: Processor,
  segment: Segment,
  batches: readonly RecordBatch[],
  isSingly: boolean,
): Promise<string | null> {
  let lines: LineRelation
  try {
    lines = await lineRelation(session, batches, {
      name: fileName,
      directory,
      recordBytesMax: settings.recordBytesMax,
      fileRecordsMin: isSingly ? Number.POSITIVE_INFINITY : settings.fileRecordsMin,
    })
  } catch (error) {
    // No room for the file, say; without it the records need none.
    if (isSingly) throw error
    return (error as Error).message
  }
  const columns = [...parsedColumns, ...loaded.pipeline.schema].map(({ name }) =>
    quoteIdentifier(name),
  )
  const insert = `INSERT INTO ${segment.parsedTable} SELECT ${columns.join(', ')} FROM (${parse(lines.sql)})`
  if (!lines.usesFile) {
    await session.run(insert)
    return null
  }
  try {
    await session.run(insert)
  } catch (error) {
    return (error as Error).message
  }
  const [found] = await session.rows<{ records: bigint; lines: bigint }>(
    `SELECT count(*) AS records, count(_value) AS lines FROM ${segment.parsedTable}`,
  )
  if (Number(found?.records) === lines.count && Number(found?.lines) === lines.count) return null
  await session.run(`DELETE FROM ${segment.parsedTable}`)
  return `${lines.count} records became ${found?.lines} lines.`
}

/** Adds the curated rows of a parsed segment and tells what became of its records. */
export async function enrichSegment(
  { session, loaded, enrich }: Processor,
  segment: Segment,
): Promise<RecordCounts> {
  const inputColumns = enrichmentInput(loaded.pipeline.schema)
  await enrichRows(session, { segment, sql: enrich, inputColumns })
  const groups = await session.rows<{ partition: number; reason: string | null; count: bigint }>(
    `SELECT _partition AS partition, _reason AS reason, count(*) AS count ` +
      `FROM ${segment.parsedTable} GROUP BY ALL`,
  )
  const counts = new Map<number, Map<string | null, number>>()
  for (const { partition, reason, count } of groups) {
    const reasons = counts.get(partition) ?? new Map<string | null, number>()
    counts.set(partition, reasons.set(reason, Number(count)))
  }
  return counts
}

/** The rows of one partition from an offset on, as the hot store takes them. */
export async function segmentRows(
  { session, loaded, directory, fileName }: Processor,
  segment: Segment,
  { partition, from }: { readonly partition: number; readonly from: bigint },
): Promise<RangeRows> {
  const path = join(directory, `${fileName}.parquet`)
  const columns = loaded.curatedColumns.map(({ name }) => quoteIdentifier(name)).join(', ')
  const copy =
    `COPY (SELECT ${columns} FROM ${segment.curatedTable} WHERE _partition = ${partition} ` +
    `AND _offset >= ${from}) TO ${quoteLiteral(path)} (FORMAT parquet, USE_TMP_FILE false)`
  const [copied] = await session.rows<{ Count: bigint }>(copy).catch(async (error: unknown) => {
    if (!(await restoreScratch(directory))) throw error
    return await session.rows<{ Count: bigint }>(copy)
  })
  const rowCount = Number(copied?.Count ?? 0n)
  return { rowCount, rows: rowCount === 0 ? noRows.rows : await readFile(path) }
}

export const noRows: RangeRows = { rowCount: 0, rows: Buffer.alloc(0) }

/** A hot range before its rows. */
export type RangeOfRecords = Omit<HotRange, keyof RangeRows>

/** Per partition, from where it was to behind the last record. */
export function rangesOf(batches: readonly RecordBatch[], positions: Offsets): RangeOfRecords[] {
  const ranges = new Map<number, RangeOfRecords>()
  for (const batch of batches) {
    const known = ranges.get(batch.partition)
    const timestampMsMax = newest(batch, known?.timestampMsMax ?? 0)
    const from = known?.from ?? offsetOf(positions, batch.partition)
    ranges.set(batch.partition, {
      partition: batch.partition,
      from,
      until: batch.until,
      timestampMsMax,
    })
  }
  return [...ranges.values()]
}

function newest({ timestampsMs, count }: RecordBatch, known: number): number {
  if (typeof timestampsMs === 'number') return Math.max(known, timestampsMs)
  let result = known
  for (let i = 0; i < count; i++) result = Math.max(result, timestampsMs[i] ?? 0)
  return result
}

export function bytesOf(batches: readonly RecordBatch[]): number {
  return batches.reduce((sum, { ends, count }) => sum + (ends[count - 1] ?? 0), 0)
}

/** One micro-batch: records become parsed rows, curated rows, and hot ranges ready to be appended. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Offsets } from '../core/offsets.ts'
import { offsetOf } from '../core/offsets.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { quoteIdentifier, quoteLiteral } from '../core/sql.ts'
import type { EnrichSql } from '../core/transform/enrich-sql.ts'
import { lineColumns, parsedColumns } from '../core/transform/parse-sql.ts'
import { ColumnStatement } from '../stores/engine/column-statement.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import { enrichmentInput, enrichRows } from '../stores/enrich-rows.ts'
import type { RecordBatch } from '../stores/event-log/port.ts'
import type { HotRange } from '../stores/hot-store/port.ts'
import { restoreScratch } from '../stores/scratch.ts'
import type { SpeedSettings } from './config.ts'
import { type LineRelation, lineRelation } from './lines/line-relation.ts'
import { lineTableValues } from './lines/line-table.ts'
import type { Segment } from './pending.ts'

/** What it takes to process records of one pipeline. */
export interface Processor {
  readonly session: Session
  readonly loaded: LoadedPipeline
  /** Gives parsed records, given a relation of lines. */
  readonly parse: (lines: string) => string
  readonly enrich: EnrichSql
  readonly settings: SpeedSettings
  /** A folder in memory of this process. */
  readonly directory: string
  readonly onLinesReadAgain: (reason: string) => void
}

/** Adds the records to the segment as micro-batch number `batch`. */
export async function parseRecords(
  processor: Processor,
  segment: Segment,
  batch: number,
  batches: readonly RecordBatch[],
): Promise<void> {
  const count = batches.reduce((sum, batch) => sum + batch.count, 0)
  if (count < processor.settings.fileRecordsMin) {
    await insertSmall(processor, segment, batch, batches, count)
    return
  }
  const failure = await insertParsed(processor, segment, batch, batches, false)
  if (failure === null) return
  processor.onLinesReadAgain(failure)
  const again = await insertParsed(processor, segment, batch, batches, true)
  if (again !== null) throw new Error(`Records were lost on the way into DuckDB: ${again}`)
}

/** Without a table of lines and with a statement that stays planned: planning is most of the cost. */
async function insertSmall(
  processor: Processor,
  segment: Segment,
  batch: number,
  batches: readonly RecordBatch[],
  count: number,
): Promise<void> {
  segment.parseStatement ??= new ColumnStatement(lineColumns, (lines) =>
    insertSql(processor, segment, lines, 'CAST($1 AS INTEGER)'),
  )
  const values = lineTableValues(batches, processor.settings.recordBytesMax)
  await segment.parseStatement.run(processor.session, batch, count, values)
}

function insertSql(
  { loaded, parse }: Pick<Processor, 'loaded' | 'parse'>,
  segment: Segment,
  lines: string,
  batch: string,
): string {
  const columns = [...parsedColumns, ...loaded.pipeline.schema].map(({ name }) =>
    quoteIdentifier(name),
  )
  return (
    `INSERT INTO ${segment.parsedTable} ` +
    `SELECT ${columns.join(', ')}, ${batch} FROM (${parse(lines)})`
  )
}

/** @returns what went wrong with lines in a file, after which nothing was added; or null. */
async function insertParsed(
  { session, loaded, parse, settings, directory }: Processor,
  segment: Segment,
  batch: number,
  batches: readonly RecordBatch[],
  isSingly: boolean,
): Promise<string | null> {
  let lines: LineRelation
  try {
    lines = await lineRelation(session, batches, {
      name: loaded.pipeline.name,
      directory,
      recordBytesMax: settings.recordBytesMax,
      fileRecordsMin: isSingly ? Number.POSITIVE_INFINITY : settings.fileRecordsMin,
    })
  } catch (error) {
    // No room for the file, say; without it the records need none.
    if (isSingly) throw error
    return (error as Error).message
  }
  const insert = insertSql({ loaded, parse }, segment, lines.sql, `${batch}`)
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
    `SELECT count(*) AS records, count(_value) AS lines FROM ${segment.parsedTable} WHERE _batch = ${batch}`,
  )
  if (Number(found?.records) === lines.count && Number(found?.lines) === lines.count) return null
  await session.run(`DELETE FROM ${segment.parsedTable} WHERE _batch = ${batch}`)
  return `${lines.count} records became ${found?.lines} lines.`
}

/** Adds the curated rows of the micro-batch and tells what became of its records. */
export async function enrichRecords(
  { session, loaded, enrich }: Processor,
  segment: Segment,
  batch: number,
): Promise<ReadonlyMap<number, ReadonlyMap<string | null, number>>> {
  await enrichRows(session, {
    segment,
    batch,
    sql: enrich,
    inputColumns: enrichmentInput(loaded.pipeline.schema),
  })
  const groups = await session.rows<{ partition: number; reason: string | null; count: bigint }>(
    `SELECT _partition AS partition, _reason AS reason, count(*) AS count ` +
      `FROM ${segment.parsedTable} WHERE _batch = ${batch} GROUP BY ALL`,
  )
  const counts = new Map<number, Map<string | null, number>>()
  for (const { partition, reason, count } of groups) {
    const reasons = counts.get(partition) ?? new Map<string | null, number>()
    counts.set(partition, reasons.set(reason, Number(count)))
  }
  return counts
}

/** The rows of one partition that the hot store does not have, as it takes them. */
export async function hotRangeOf(
  { session, loaded, directory }: Processor,
  segment: Segment,
  batch: number,
  range: Omit<HotRange, 'rows' | 'rowCount'>,
): Promise<HotRange> {
  const path = join(directory, `${loaded.pipeline.name}.parquet`)
  const columns = loaded.curatedColumns.map(({ name }) => quoteIdentifier(name)).join(', ')
  const copy =
    `COPY (SELECT ${columns} FROM ${segment.curatedTable} WHERE _batch = ${batch} ` +
    `AND _partition = ${range.partition} AND _offset >= ${range.from}) ` +
    `TO ${quoteLiteral(path)} (FORMAT parquet, USE_TMP_FILE false)`
  const [copied] = await session.rows<{ Count: bigint }>(copy).catch(async (error: unknown) => {
    if (!(await restoreScratch(directory))) throw error
    return await session.rows<{ Count: bigint }>(copy)
  })
  const rowCount = Number(copied?.Count ?? 0n)
  return { ...range, rowCount, rows: rowCount === 0 ? noRows : await readFile(path) }
}

const noRows = Buffer.alloc(0)

/** Per partition, from where it was to behind the last record. */
export function rangesOf(
  batches: readonly RecordBatch[],
  positions: Offsets,
): Omit<HotRange, 'rows' | 'rowCount'>[] {
  const ranges = new Map<number, Omit<HotRange, 'rows' | 'rowCount'>>()
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

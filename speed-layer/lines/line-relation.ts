/**
 * Record batches as one relation of lines. Batches whose values are lines of text go to DuckDB as a
 * file in memory, whose blocks are written as they are: three times cheaper than a value at a time.
 * The rest, and anything small, goes through a table.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteIdentifier, quoteLiteral } from '../../core/sql.ts'
import { lineColumns } from '../../core/transform/parse-sql.ts'
import { type ColumnValues, createTableOf } from '../../stores/engine/append-columns.ts'
import type { Session } from '../../stores/engine/duckdb.ts'
import type { RecordBatch } from '../../stores/event-log/port.ts'
import { coordinateValues } from './coordinates.ts'
import { isShort, lineTableValues } from './line-table.ts'

export interface LineOptions {
  /** Begins the names of the tables. */
  readonly name: string
  /** Where the file goes. */
  readonly directory: string
  readonly recordBytesMax: number
  /** With fewer records in it a file costs more than it saves. */
  readonly fileRecordsMin: number
}

export interface LineRelation {
  /** SQL with the columns `lineColumns`. */
  readonly sql: string
  readonly count: number
  /** Some values come from the file: its line count must be checked against the records. */
  readonly usesFile: boolean
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** Makes the relation; it holds until the next one of the same name is made. */
export async function lineRelation(
  session: Session,
  batches: readonly RecordBatch[],
  options: LineOptions,
): Promise<LineRelation> {
  const { asFile, asTable } = split(batches, options)
  const parts: string[] = []
  if (asFile.length > 0) parts.push(await fileLines(session, asFile, options))
  if (asTable.length > 0) {
    const table = `${options.name}/lines`
    const values = lineTableValues(asTable, options.recordBytesMax)
    await createTableOf(session, table, values)
    parts.push(selectLines(quoteIdentifier(table), Object.keys(values)))
  }
  return {
    sql: `(${parts.join(' UNION ALL ')})`,
    count: batches.reduce((sum, { count }) => sum + count, 0),
    usesFile: asFile.length > 0,
  }
}

function split(batches: readonly RecordBatch[], options: LineOptions) {
  const filled = batches.filter(({ count }) => count > 0)
  const asFile = filled.filter(
    (batch) =>
      batch.isLineSafe &&
      isShort(batch, options.recordBytesMax) &&
      // A reader of CSV drops the mark where it begins a file.
      !batch.block.subarray(0, 3).equals(byteOrderMark),
  )
  const count = asFile.reduce((sum, batch) => sum + batch.count, 0)
  if (count < options.fileRecordsMin) return { asFile: [], asTable: filled }
  const isInFile = new Set(asFile)
  return { asFile, asTable: filled.filter((batch) => !isInFile.has(batch)) }
}

async function fileLines(
  session: Session,
  batches: readonly RecordBatch[],
  options: LineOptions,
): Promise<string> {
  const path = join(options.directory, `${options.name}.lines`)
  const file = await open(path, 'w')
  try {
    const blocks = batches.map(({ block, ends, count }) =>
      block.subarray(0, (ends[count - 1] ?? 0) + 1),
    )
    const { bytesWritten } = await file.writev(blocks)
    // Memory that is full takes a part without an error, and a line cut short would still be a line.
    const bytes = blocks.reduce((sum, block) => sum + block.length, 0)
    if (bytesWritten !== bytes) throw new Error(`${bytesWritten} of ${bytes} bytes were written.`)
  } finally {
    await file.close()
  }
  const table = `${options.name}/coordinates`
  const values = coordinateValues(batches)
  await createTableOf(session, table, values)
  const reader =
    `read_csv(${quoteLiteral(path)}, columns = {'_value': 'VARCHAR'}, delim = chr(1), quote = '', ` +
    `escape = '', header = false, auto_detect = false, max_line_size = ${options.recordBytesMax + 1})`
  const columns: Record<string, ColumnValues | null> = { ...values, _value: null }
  return selectLines(`${quoteIdentifier(table)} POSITIONAL JOIN ${reader}`, Object.keys(columns))
}

function selectLines(relation: string, present: readonly string[]): string {
  const columns = lineColumns.map(({ name, type }) =>
    present.includes(name) ? name : `CAST(NULL AS ${type}) AS ${name}`,
  )
  return `SELECT ${columns.join(', ')} FROM ${relation}`
}

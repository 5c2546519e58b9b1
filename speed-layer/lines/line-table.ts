/**
 * Lines as a DuckDB table, record by record: for small micro-batches, where a file would cost more,
 * and for records that cannot be lines of a file. What is wrong with a record's bytes is found here.
 */
import type { ColumnValues } from '../../stores/engine/append-columns.ts'
import type { RecordBatch } from '../../stores/event-log/port.ts'
import { recordProblem, recordText } from '../../stores/record-text.ts'
import { coordinateValues } from './coordinates.ts'

interface LineTexts {
  readonly texts: string[]
  readonly bytes: (Uint8Array | null)[]
  readonly problems: (string | null)[]
  hasProblems: boolean
}

/** The columns of a table that holds every record of the batches, in order. */
export function lineTableValues(
  batches: readonly RecordBatch[],
  recordBytesMax: number,
): Record<string, ColumnValues> {
  const lines: LineTexts = { texts: [], bytes: [], problems: [], hasProblems: false }
  for (const batch of batches) {
    if (batch.isLineSafe && isShort(batch, recordBytesMax)) addLines(lines, batch)
    else addRecords(lines, batch, recordBytesMax)
  }
  return {
    ...coordinateValues(batches),
    _value: { type: 'VARCHAR', values: lines.texts },
    ...(lines.hasProblems
      ? {
          _bytes: { type: 'BLOB', values: lines.bytes } as const,
          _problem: { type: 'VARCHAR', values: lines.problems } as const,
        }
      : {}),
  }
}

/** No record of the batch is longer than this. */
export function isShort({ ends, count }: RecordBatch, recordBytesMax: number): boolean {
  if ((ends[count - 1] ?? 0) <= recordBytesMax) return true
  let start = 0
  for (let i = 0; i < count; i++) {
    const end = ends[i] ?? start
    if (end - start > recordBytesMax) return false
    start = end + 1
  }
  return true
}

function addLines(lines: LineTexts, { block, ends, count }: RecordBatch): void {
  if (count === 0) return
  const texts = block.toString('utf8', 0, ends[count - 1]).split('\n')
  for (const text of texts) {
    lines.texts.push(text)
    lines.bytes.push(null)
    lines.problems.push(null)
  }
}

function addRecords(lines: LineTexts, batch: RecordBatch, recordBytesMax: number): void {
  let start = 0
  for (let i = 0; i < batch.count; i++) {
    const end = batch.ends[i] ?? start
    const value = batch.block.subarray(start, end)
    const problem = recordProblem(value, recordBytesMax)
    const isExact = problem === null || problem === 'empty'
    lines.texts.push(recordText(value, problem))
    // A view of the batch's memory would do, but it would keep the whole batch alive.
    lines.bytes.push(isExact ? null : Buffer.from(value))
    lines.problems.push(problem)
    if (problem !== null) lines.hasProblems = true
    start = end + 1
  }
}

/** Where each record came from, as columns: the part of a line that is not its value. */
import type { ColumnValues } from '../../stores/engine/append-columns.ts'
import type { RecordBatch } from '../../stores/event-log/port.ts'

/** `_key` and `_headers` are there only when some record has any. */
export function coordinateValues(batches: readonly RecordBatch[]): Record<string, ColumnValues> {
  const count = batches.reduce((sum, batch) => sum + batch.count, 0)
  const partitions = new Int32Array(count)
  const offsets = new BigInt64Array(count)
  const timestampsUs = new BigInt64Array(count)
  let row = 0
  for (const batch of batches) {
    partitions.fill(batch.partition, row, row + batch.count)
    fillOffsets(offsets, row, batch)
    fillTimestamps(timestampsUs, row, batch)
    row += batch.count
  }
  return {
    _partition: { type: 'INTEGER', values: partitions },
    _offset: { type: 'BIGINT', values: offsets },
    _timestamp: { type: 'TIMESTAMPTZ', values: timestampsUs },
    ...keyValues(batches),
    ...headerValues(batches),
  }
}

function fillOffsets(target: BigInt64Array, start: number, batch: RecordBatch): void {
  if (batch.offsets !== null) {
    target.set(batch.offsets.subarray(0, batch.count), start)
    return
  }
  let offset = batch.from
  for (let i = start; i < start + batch.count; i++) target[i] = offset++
}

function fillTimestamps(target: BigInt64Array, start: number, batch: RecordBatch): void {
  const { timestampsMs, count } = batch
  if (typeof timestampsMs === 'number') {
    target.fill(microseconds(timestampsMs), start, start + count)
    return
  }
  let lastMs = Number.NaN
  let last = 0n
  for (let i = 0; i < count; i++) {
    const ms = timestampsMs[i] ?? 0
    // Neighbours mostly share their millisecond.
    if (ms !== lastMs) {
      lastMs = ms
      last = microseconds(ms)
    }
    target[start + i] = last
  }
}

function microseconds(ms: number): bigint {
  return BigInt(Math.round(ms)) * 1000n
}

function keyValues(batches: readonly RecordBatch[]): Record<string, ColumnValues> {
  if (batches.every(({ keys }) => keys === null)) return {}
  const values = batches.flatMap(({ keys, count }) => keys ?? nulls(count))
  return { _key: { type: 'BLOB', values } }
}

function headerValues(batches: readonly RecordBatch[]): Record<string, ColumnValues> {
  if (batches.every(({ headers }) => headers === null)) return {}
  const values = batches.flatMap(
    ({ headers, count }) =>
      headers?.map((header) => (header === null ? null : JSON.stringify(header))) ?? nulls(count),
  )
  return { _headers: { type: 'VARCHAR', values } }
}

function nulls(count: number): null[] {
  return new Array<null>(count).fill(null)
}

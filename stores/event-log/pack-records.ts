/** Records side by side become one block: the only place where the log works per record. */
import { isUtf8 } from 'node:buffer'
import { MillraceError } from '../../core/errors.ts'
import type { ProducedRecord, RecordBatch } from './port.ts'

const newline = 0x0a
/** Bytes that a line must not hold to be read as a line: NUL, \x01 (the column quote of readers), \r. */
const unsafeBytes = [0x00, 0x01, 0x0d] as const

export type PackedRecords = Pick<
  RecordBatch,
  'count' | 'block' | 'ends' | 'isLineSafe' | 'timestampsMs' | 'keys' | 'headers'
>

export interface PackLimits {
  /** Largest value of one record. */
  readonly recordBytesMax: number
  /** Largest block of one append. */
  readonly batchBytesMax: number
}

/**
 * Packs at least one record. `nowMs` is the timestamp of those that have none. Throws
 * RECORD_TOO_LARGE when a value or the whole is larger than the limits.
 */
export function packRecords(
  records: readonly ProducedRecord[],
  nowMs: number,
  limits: PackLimits,
): PackedRecords {
  const { ends, bytes, hasEmpty } = layOut(records, limits)
  const block = copyValues(records, ends, bytes)
  return {
    count: records.length,
    block,
    ends,
    isLineSafe: !hasEmpty && isLineSafeBlock(block, ends),
    timestampsMs: timestampsOf(records, nowMs),
    keys: records.some((record) => record.key !== undefined)
      ? records.map((record) => record.key ?? null)
      : null,
    headers: records.some((record) => record.headers !== undefined)
      ? records.map((record) => record.headers ?? null)
      : null,
  }
}

function layOut(records: readonly ProducedRecord[], limits: PackLimits) {
  const ends = new Uint32Array(records.length)
  let bytes = 0
  let hasEmpty = false
  for (let index = 0; index < records.length; index += 1) {
    const length = records[index]?.value.length ?? 0
    if (length > limits.recordBytesMax) throw tooLarge('record', length, limits.recordBytesMax)
    if (length === 0) hasEmpty = true
    bytes += length
    ends[index] = bytes
    bytes += 1
    // Checked inside the loop: the sum must not outgrow what `ends` can hold.
    if (bytes > limits.batchBytesMax) throw tooLarge('batch', bytes, limits.batchBytesMax)
  }
  return { ends, bytes, hasEmpty }
}

function tooLarge(what: 'record' | 'batch', bytes: number, bytesMax: number): MillraceError {
  const remedy = what === 'record' ? 'Raise eventLog.recordBytesMax or cut it.' : 'Append less.'
  return new MillraceError(
    'RECORD_TOO_LARGE',
    `Append refused: a ${what} has ${bytes} bytes, at most ${bytesMax} are allowed. ${remedy}`,
    { details: { bytes, bytesMax } },
  )
}

/**
 * Values that already lie side by side in memory with a newline between them (lines cut from one
 * chunk of a file) are copied in one piece: the call per record is what costs, not the bytes.
 */
function copyValues(records: readonly ProducedRecord[], ends: Uint32Array, bytes: number): Buffer {
  const block = Buffer.allocUnsafeSlow(bytes)
  let target = 0
  let index = 0
  while (index < records.length) {
    const last = lastAdjacent(records, index)
    const until = ends[last] ?? 0
    const first = records[index]?.value
    if (first !== undefined) {
      const source =
        last === index ? first : Buffer.from(first.buffer, first.byteOffset, until - target)
      block.set(source, target)
    }
    block[until] = newline
    target = until + 1
    index = last + 1
  }
  return block
}

function lastAdjacent(records: readonly ProducedRecord[], from: number): number {
  let last = from
  let value = records[from]?.value
  let memory: Uint8Array | null = null
  while (value !== undefined) {
    const next = records[last + 1]?.value
    const end = value.byteOffset + value.length
    if (next === undefined || next.byteOffset !== end + 1 || next.buffer !== value.buffer) break
    memory ??= new Uint8Array(value.buffer)
    if (memory[end] !== newline) break
    last += 1
    value = next
  }
  return last
}

/** The block can be read as `ends.length` lines. Values are known not to be empty. */
function isLineSafeBlock(block: Buffer, ends: Uint32Array): boolean {
  if (!isUtf8(block)) return false
  if (unsafeBytes.some((byte) => block.includes(byte))) return false
  let position = 0
  for (const end of ends) {
    if (block.indexOf(newline, position) !== end) return false
    position = end + 1
  }
  return true
}

function timestampsOf(records: readonly ProducedRecord[], nowMs: number): Float64Array | number {
  const first = records[0]?.timestampMs ?? nowMs
  if (records.every((record) => (record.timestampMs ?? nowMs) === first)) return first
  return Float64Array.from(records, (record) => record.timestampMs ?? nowMs)
}

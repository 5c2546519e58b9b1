/**
 * The stored form of a produced batch, one value in the database. Little-endian:
 *
 *    0 u32 crc32 of every byte after it
 *    4 u8  version (2)      5 u8 flags: 1 line safe, 2 a timestamp per record, 4 keys, 8 headers
 *    6 u16 bytes of the producer id
 *    8 u32 count           12 u32 bytes of the block
 *   16 f64 timestamp of all records, or the highest one
 *   24 f64 time of the append, epoch ms: what retention goes by
 *   32 u64 sequence        40 u64 base offset
 *   48 u32 bytes of the keys       52 u32 bytes of the headers
 *   56 u32 crc32 of the bytes 4 to 56: what retention goes by without reading the rest
 *   60 u32 0
 *   64 count × u32 ends, [padding to 8, count × f64 timestamps], block, producer id,
 *      [keys: u32 length or 0xffffffff for none, bytes …], [headers: a JSON array of objects or null]
 */
import { crc32 } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import type { PackedRecords } from './pack-records.ts'
import type { RecordBatch } from './port.ts'

const version = 2
const headerBytes = 64
const baseOffsetAt = 40
const headChecksumAt = 56
const noKey = 0xffffffff
const flag = { lineSafe: 1, timestamps: 2, keys: 4, headers: 8 } as const

export interface BatchOrigin {
  readonly producerId: string
  readonly sequence: number
  readonly appendedAtMs: number
}

/** Everything but the base offset and the checksums, which only the append transaction knows. */
export function encodeBatch(packed: PackedRecords, origin: BatchOrigin): Buffer {
  const { count, block, ends, timestampsMs } = packed
  const producerId = Buffer.from(origin.producerId)
  const keys = packed.keys === null ? null : encodeKeys(packed.keys)
  const headers = packed.headers === null ? null : Buffer.from(JSON.stringify(packed.headers))
  const perRecord = typeof timestampsMs !== 'number'
  const places = placesOf(count, perRecord, block.length)
  const stored = Buffer.allocUnsafeSlow(
    places.producerId + producerId.length + (keys?.length ?? 0) + (headers?.length ?? 0),
  )
  stored[4] = version
  stored[5] =
    (packed.isLineSafe ? flag.lineSafe : 0) |
    (perRecord ? flag.timestamps : 0) |
    (keys === null ? 0 : flag.keys) |
    (headers === null ? 0 : flag.headers)
  stored.writeUInt16LE(producerId.length, 6)
  stored.writeUInt32LE(count, 8)
  stored.writeUInt32LE(block.length, 12)
  stored.writeDoubleLE(perRecord ? maxOf(timestampsMs) : timestampsMs, 16)
  stored.writeDoubleLE(origin.appendedAtMs, 24)
  stored.writeBigUInt64LE(BigInt(origin.sequence), 32)
  stored.writeUInt32LE(keys?.length ?? 0, 48)
  stored.writeUInt32LE(headers?.length ?? 0, 52)
  stored.fill(0, headChecksumAt, headerBytes)
  stored.fill(0, places.ends + count * 4, places.timestamps)
  stored.set(new Uint8Array(ends.buffer, ends.byteOffset, ends.byteLength), places.ends)
  if (perRecord) new Float64Array(stored.buffer, places.timestamps, count).set(timestampsMs)
  stored.set(block, places.block)
  stored.set(producerId, places.producerId)
  const tail = places.producerId + producerId.length
  if (keys !== null) stored.set(keys, tail)
  if (headers !== null) stored.set(headers, tail + (keys?.length ?? 0))
  return stored
}

/** Checksum of the part that does not depend on the base offset; computed outside the transaction. */
export function bodyChecksum(stored: Buffer): number {
  return crc32(stored.subarray(headerBytes))
}

/** Completes a stored batch: gives it its place in the partition and its checksums. */
export function sealBatch(stored: Buffer, baseOffset: bigint, bodyCrc: number): void {
  stored.writeBigUInt64LE(baseOffset, baseOffsetAt)
  stored.writeUInt32LE(headChecksumOf(stored), headChecksumAt)
  stored.writeUInt32LE(checksumOf(stored, bodyCrc), 0)
}

/** Body first, then the head: so the long part is summed before the base offset is known. */
function checksumOf(stored: Buffer, bodyCrc: number): number {
  return crc32(stored.subarray(4, headerBytes), bodyCrc)
}

function headChecksumOf(stored: Buffer): number {
  return crc32(stored.subarray(4, headChecksumAt))
}

/** Checks the head of a stored batch, not the rest. Throws EVENT_LOG_CORRUPT. */
export function batchSummary(
  stored: Buffer,
  partition: number,
  baseOffset: bigint,
): { count: number; appendedAtMs: number } {
  if (stored.length < headerBytes) throw corrupt(partition, baseOffset, 'it is cut short')
  if (stored.readUInt32LE(headChecksumAt) !== headChecksumOf(stored))
    throw corrupt(partition, baseOffset, 'the checksum of its head does not agree with its bytes')
  checkPlace(stored, partition, baseOffset)
  return { count: stored.readUInt32LE(8), appendedAtMs: stored.readDoubleLE(24) }
}

/** Throws EVENT_LOG_CORRUPT when the checksum or the place does not agree. */
export function decodeBatch(stored: Buffer, partition: number, baseOffset: bigint): RecordBatch {
  if (stored.length < headerBytes) throw corrupt(partition, baseOffset, 'it is cut short')
  if (stored.readUInt32LE(0) !== checksumOf(stored, bodyChecksum(stored)))
    throw corrupt(partition, baseOffset, 'its checksum does not agree with its bytes')
  checkPlace(stored, partition, baseOffset)
  return new StoredBatch(stored, partition, baseOffset)
}

function checkPlace(stored: Buffer, partition: number, baseOffset: bigint): void {
  if (stored[4] !== version)
    throw corrupt(partition, baseOffset, `it has version ${stored[4]}, expected ${version}`)
  if (stored.readBigUInt64LE(baseOffsetAt) !== baseOffset)
    throw corrupt(partition, baseOffset, 'it names another offset')
}

function corrupt(partition: number, offset: bigint, what: string): MillraceError {
  return new MillraceError(
    'EVENT_LOG_CORRUPT',
    `Read refused: the batch at offset ${offset} of partition ${partition} is damaged: ${what}. Check the disk; restore the event log from a copy.`,
    { details: { partition, offset } },
  )
}

/** Keys and headers are decoded when somebody looks at them: most readers never do. */
class StoredBatch implements RecordBatch {
  readonly partition: number
  readonly from: bigint
  readonly until: bigint
  readonly count: number
  readonly offsets = null
  readonly timestampsMs: Float64Array | number
  readonly block: Buffer
  readonly ends: Uint32Array
  readonly isLineSafe: boolean
  readonly #keyBytes: Buffer | null
  readonly #headerBytes: Buffer | null
  #keys: readonly (Buffer | null)[] | undefined
  #headers: RecordBatch['headers'] | undefined

  constructor(bytes: Buffer, partition: number, from: bigint) {
    const stored = aligned(bytes)
    const flags = stored[5] ?? 0
    const count = stored.readUInt32LE(8)
    const perRecord = (flags & flag.timestamps) !== 0
    const places = placesOf(count, perRecord, stored.readUInt32LE(12))
    const keysAt = places.producerId + stored.readUInt16LE(6)
    const headersAt = keysAt + stored.readUInt32LE(48)
    this.partition = partition
    this.from = from
    this.until = from + BigInt(count)
    this.count = count
    this.timestampsMs = perRecord
      ? new Float64Array(stored.buffer, stored.byteOffset + places.timestamps, count)
      : stored.readDoubleLE(16)
    this.block = stored.subarray(places.block, places.producerId)
    this.ends = new Uint32Array(stored.buffer, stored.byteOffset + places.ends, count)
    this.isLineSafe = (flags & flag.lineSafe) !== 0
    this.#keyBytes = (flags & flag.keys) === 0 ? null : stored.subarray(keysAt, headersAt)
    this.#headerBytes =
      (flags & flag.headers) === 0
        ? null
        : stored.subarray(headersAt, headersAt + stored.readUInt32LE(52))
  }

  get keys(): RecordBatch['keys'] {
    if (this.#keyBytes === null) return null
    this.#keys ??= decodeKeys(this.#keyBytes, this.count)
    return this.#keys
  }

  get headers(): RecordBatch['headers'] {
    if (this.#headerBytes === null) return null
    // The bytes are ours and their checksum held, so their shape is what `encodeBatch` wrote.
    this.#headers ??= JSON.parse(this.#headerBytes.toString()) as RecordBatch['headers']
    return this.#headers ?? null
  }
}

/** The same batch without the records below `from`, which lies inside it. */
export function cutBatch(batch: RecordBatch, from: bigint): RecordBatch {
  const skipped = Number(from - batch.from)
  if (skipped <= 0) return batch
  const start = (batch.ends[skipped - 1] ?? 0) + 1
  return {
    partition: batch.partition,
    from,
    until: batch.until,
    count: batch.count - skipped,
    offsets: null,
    timestampsMs:
      typeof batch.timestampsMs === 'number'
        ? batch.timestampsMs
        : batch.timestampsMs.subarray(skipped),
    block: batch.block.subarray(start),
    ends: batch.ends.subarray(skipped).map((end) => end - start),
    isLineSafe: batch.isLineSafe,
    keys: batch.keys?.slice(skipped) ?? null,
    headers: batch.headers?.slice(skipped) ?? null,
  }
}

function placesOf(count: number, hasTimestamps: boolean, blockBytes: number) {
  const ends = headerBytes
  const endsUntil = ends + count * 4
  const timestamps = hasTimestamps ? endsUntil + (endsUntil % 8) : endsUntil
  const block = hasTimestamps ? timestamps + count * 8 : endsUntil
  return { ends, timestamps, block, producerId: block + blockBytes }
}

/** Typed arrays over the bytes need them to start at a multiple of 8. */
function aligned(bytes: Buffer): Buffer {
  if (bytes.byteOffset % 8 === 0) return bytes
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

function maxOf(values: Float64Array): number {
  return values.reduce((highest, value) => (value > highest ? value : highest), -Infinity)
}

function encodeKeys(keys: readonly (Buffer | null)[]): Buffer {
  return Buffer.concat(
    keys.flatMap((key) => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(key === null ? noKey : key.length)
      return key === null ? [length] : [length, key]
    }),
  )
}

function decodeKeys(bytes: Buffer, count: number): (Buffer | null)[] {
  const keys: (Buffer | null)[] = []
  let position = 0
  for (let index = 0; index < count; index += 1) {
    const length = bytes.readUInt32LE(position)
    position += 4
    if (length === noKey) {
      keys.push(null)
      continue
    }
    keys.push(bytes.subarray(position, position + length))
    position += length
  }
  return keys
}

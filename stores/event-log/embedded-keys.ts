/**
 * What is in the embedded log's database: keys, and small values with a checksum.
 *
 *   [kind, …]                                  value
 *   0 meta                                     format
 *   0 meta, 1                                  number of the transaction that wrote last
 *   1 topic, name                              id and partitions
 *   2 partition, topic id, partition           earliest offset, end, bytes
 *   3 producer, topic id, partition, name      last outcomes
 *   4 batch, topic id, partition, base offset  a produced batch (`batch-codec.ts`)
 *   5 lease, topic id, 0, group                who works on the partitions
 *   6 group, topic id, 0, group                published progress
 *
 * Every value but the format and the batches, which have their own, is followed by a CRC-32 of key
 * and value: bytes that were damaged are refused, not believed.
 */
import { crc32 } from 'node:zlib'
import type { RootDatabase } from 'lmdb'
import { MillraceError } from '../../core/errors.ts'

export type LogStore = RootDatabase<Buffer, Buffer>

const kinds = {
  meta: 0,
  topic: 1,
  partition: 2,
  producer: 3,
  batch: 4,
  lease: 5,
  group: 6,
} as const

export const formatVersion = '2'
export const formatKey = Buffer.from([kinds.meta])
export const commitKey = Buffer.from([kinds.meta, 1])
const checksumBytes = 4

export function topicKey(topic: string): Buffer {
  return Buffer.concat([Buffer.from([kinds.topic]), Buffer.from(topic)])
}

/** End, earliest offset and bytes of a partition. */
export function partitionKey(topicId: number, partition: number): Buffer {
  return numbersKey(kinds.partition, topicId, partition, 0)
}

export function batchKey(topicId: number, partition: number, baseOffset: bigint): Buffer {
  const key = numbersKey(kinds.batch, topicId, partition, 8)
  key.writeBigUInt64BE(baseOffset, 9)
  return key
}

/** What {@link batchKey} was given as base offset. */
export function baseOffsetOf(key: Buffer): bigint {
  return key.readBigUInt64BE(9)
}

export function producerKey(topicId: number, partition: number, producerId: string): Buffer {
  return Buffer.concat([numbersKey(kinds.producer, topicId, partition, 0), Buffer.from(producerId)])
}

export function leaseKey(topicId: number, group: string): Buffer {
  return Buffer.concat([numbersKey(kinds.lease, topicId, 0, 0), Buffer.from(group)])
}

export function groupKey(topicId: number, group: string): Buffer {
  return Buffer.concat([numbersKey(kinds.group, topicId, 0, 0), Buffer.from(group)])
}

function numbersKey(kind: number, topicId: number, partition: number, spareBytes: number): Buffer {
  const key = Buffer.alloc(9 + spareBytes)
  key[0] = kind
  key.writeUInt32BE(topicId, 1)
  key.writeUInt32BE(partition, 5)
  return key
}

/** Whether the value of a key that begins with this byte ends with the checksum of `putSealed`. */
export function isSealedKind(kind: number | undefined, keyBytes: number): boolean {
  return kind !== kinds.batch && !(kind === kinds.meta && keyBytes === formatKey.length)
}

/** Only inside a transaction. */
export function putSealed(store: LogStore, key: Buffer, value: Buffer): void {
  const stored = Buffer.allocUnsafeSlow(value.length + checksumBytes)
  stored.set(value)
  stored.writeUInt32LE(checksumOf(key, value), value.length)
  void store.put(key, stored)
}

/** Throws EVENT_LOG_CORRUPT. */
export function getSealed(store: LogStore, key: Buffer): Buffer | undefined {
  const stored = store.get(key)
  return stored === undefined ? undefined : unsealed(key, stored)
}

/** The value that was given to `putSealed`. Throws EVENT_LOG_CORRUPT. */
export function unsealed(key: Uint8Array, stored: Buffer): Buffer {
  const until = stored.length - checksumBytes
  const value = stored.subarray(0, Math.max(until, 0))
  if (until >= 0 && stored.readUInt32LE(until) === checksumOf(key, value)) return value
  throw new MillraceError(
    'EVENT_LOG_CORRUPT',
    `Read refused: the record '${Buffer.from(key)
      .toString('latin1')
      .replaceAll(
        /[^ -~]/g,
        '.',
      )}' of the event log is damaged: its checksum does not agree with its bytes. Check the disk; restore the event log from a copy.`,
  )
}

function checksumOf(key: Uint8Array, value: Uint8Array): number {
  return crc32(value, crc32(key))
}

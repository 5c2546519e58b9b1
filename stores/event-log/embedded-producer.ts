/**
 * Appending to the embedded log. One transaction reads the end of the partition, looks into the table
 * of (producer, sequence), writes the batch and the new end: all of it or nothing, whichever process
 * dies when.
 */
import { MillraceError } from '../../core/errors.ts'
import type { OffsetRange } from '../../core/offsets.ts'
import type { Clock } from '../clock.ts'
import { type BatchOrigin, bodyChecksum, encodeBatch, sealBatch } from './batch-codec.ts'
import type { LogDatabase } from './embedded-database.ts'
import { batchKey, getSealed, type LogStore, producerKey, putSealed } from './embedded-keys.ts'
import {
  partitionState,
  putPartitionState,
  requirePartition,
  type Topic,
} from './embedded-topics.ts'
import type { WakeUp } from './embedded-wake.ts'
import { packRecords } from './pack-records.ts'
import type { ProducedRecord, Producer } from './port.ts'

const batchBytesMax = 512 * 1024 * 1024
/** How many of a producer's last outcomes per partition are kept for repeated calls. */
const outcomesMax = 8

interface Outcome {
  readonly sequence: number
  readonly from: bigint
  readonly until: bigint
}

export interface ProducerParts {
  readonly database: LogDatabase
  readonly wakeUp: WakeUp
  readonly clock: Clock
  readonly recordBytesMax: number
}

export function createProducer(parts: ProducerParts, topic: Topic, producerId: string): Producer {
  const append = async (
    partition: number,
    sequence: number,
    records: readonly ProducedRecord[],
  ): Promise<OffsetRange> => {
    requirePartition(topic, partition)
    const nowMs = parts.clock.now()
    const batch = prepareBatch(parts, records, { producerId, sequence, appendedAtMs: nowMs })
    const outcome = await parts.database.write(batch?.stored.length ?? 0, (store) => {
      const outcomes = readOutcomes(store, topic, partition, producerId)
      const earlier = outcomeOf(outcomes, sequence, { producerId, partition })
      if (earlier !== undefined) return earlier
      const from = partitionState(store, topic, partition).end
      const until = batch === null ? from : putBatch(store, topic, partition, batch)
      const added = { sequence, from, until }
      const kept = [added, ...outcomes].slice(0, outcomesMax)
      putSealed(store, producerKey(topic.id, partition, producerId), encodeOutcomes(kept, nowMs))
      return added
    })
    // Commit point: the records are durable and visible to every process.
    parts.wakeUp.appended()
    return { partition, from: outcome.from, until: outcome.until }
  }
  return { append, [Symbol.asyncDispose]: async () => {} }
}

interface PreparedBatch {
  readonly stored: Buffer
  readonly count: number
  readonly bodyCrc: number
}

/** What does not depend on the place in the log. Null: no records. */
function prepareBatch(
  { recordBytesMax }: ProducerParts,
  records: readonly ProducedRecord[],
  origin: BatchOrigin,
): PreparedBatch | null {
  if (records.length === 0) return null
  const packed = packRecords(records, origin.appendedAtMs, { recordBytesMax, batchBytesMax })
  const stored = encodeBatch(packed, origin)
  return { stored, count: packed.count, bodyCrc: bodyChecksum(stored) }
}

/** Only inside a transaction. Returns the new end of the partition. */
function putBatch(
  store: LogStore,
  topic: Topic,
  partition: number,
  { stored, count, bodyCrc }: PreparedBatch,
): bigint {
  const state = partitionState(store, topic, partition)
  sealBatch(stored, state.end, bodyCrc)
  void store.put(batchKey(topic.id, partition, state.end), stored)
  const end = state.end + BigInt(count)
  const bytes = state.bytes + BigInt(stored.length)
  putPartitionState(store, topic, partition, { ...state, end, bytes })
  return end
}

/** What a repeated call gets; undefined for the next sequence. */
function outcomeOf(
  outcomes: readonly Outcome[],
  sequence: number,
  who: { readonly producerId: string; readonly partition: number },
): Outcome | undefined {
  const newest = outcomes[0]
  // A producer that was idle for the retention time is forgotten and may go on where it was.
  if (newest === undefined || sequence === newest.sequence + 1) return undefined
  const found = outcomes.find((outcome) => outcome.sequence === sequence)
  if (found !== undefined) return found
  const what = `producer '${who.producerId}' has appended sequence ${newest.sequence} to partition ${who.partition}, and`
  throw new MillraceError(
    'LEASE_LOST',
    sequence > newest.sequence
      ? `Append refused: ${what} ${sequence} does not follow it. Append what lies between first, or take a fresh name.`
      : `Append refused: ${what} the outcome of ${sequence} is no longer kept. Another process uses this name, or this one counts anew: go on after the last sequence or take a fresh name.`,
  )
}

/** f64 time of the last append, then per outcome f64 sequence, u64 from, u64 until; newest first. */
function encodeOutcomes(outcomes: readonly Outcome[], nowMs: number): Buffer {
  const stored = Buffer.alloc(8 + outcomes.length * 24)
  stored.writeDoubleLE(nowMs, 0)
  for (const [index, { sequence, from, until }] of outcomes.entries()) {
    stored.writeDoubleLE(sequence, 8 + index * 24)
    stored.writeBigUInt64LE(from, 16 + index * 24)
    stored.writeBigUInt64LE(until, 24 + index * 24)
  }
  return stored
}

function readOutcomes(
  store: LogStore,
  topic: Topic,
  partition: number,
  producerId: string,
): Outcome[] {
  const stored = getSealed(store, producerKey(topic.id, partition, producerId))
  if (stored === undefined) return []
  const outcomes: Outcome[] = []
  for (let position = 8; position < stored.length; position += 24) {
    outcomes.push({
      sequence: stored.readDoubleLE(position),
      from: stored.readBigUInt64LE(position + 8),
      until: stored.readBigUInt64LE(position + 16),
    })
  }
  return outcomes
}

/** When a producer's record in the table was last touched, epoch ms. */
export function producerUsedAtMs(stored: Buffer): number {
  return stored.readDoubleLE(0)
}

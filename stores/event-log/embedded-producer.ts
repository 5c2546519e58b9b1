/**
 * Appending to the embedded log. One transaction reads the end of the partition, looks into the table
 * of (producer, sequence), writes the batch and the new end: all of it or nothing, whichever process
 * dies when.
 */
import { MillraceError } from '../../core/errors.ts'
import type { OffsetRange } from '../../core/offsets.ts'
import type { Clock } from '../clock.ts'
import { bodyChecksum, encodeBatch, sealBatch } from './batch-codec.ts'
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
    const { database, clock } = parts
    if (records.length === 0) {
      const { end } = await database.view((store) => partitionState(store, topic, partition))
      return { partition, from: end, until: end }
    }
    const nowMs = clock.now()
    const limits = { recordBytesMax: parts.recordBytesMax, batchBytesMax }
    const packed = packRecords(records, nowMs, limits)
    const stored = encodeBatch(packed, { producerId, sequence, appendedAtMs: nowMs })
    const bodyCrc = bodyChecksum(stored)
    const outcome = await database.write(stored.length, (store) => {
      const outcomes = readOutcomes(store, topic, partition, producerId)
      const earlier = outcomeOf(outcomes, sequence, { producerId, partition })
      if (earlier !== undefined) return earlier
      const state = partitionState(store, topic, partition)
      sealBatch(stored, state.end, bodyCrc)
      const until = state.end + BigInt(packed.count)
      void store.put(batchKey(topic.id, partition, state.end), stored)
      const bytes = state.bytes + BigInt(stored.length)
      putPartitionState(store, topic, partition, { ...state, end: until, bytes })
      const added = { sequence, from: state.end, until }
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

/** What a repeated call gets; undefined for a new sequence. */
function outcomeOf(
  outcomes: readonly Outcome[],
  sequence: number,
  who: { readonly producerId: string; readonly partition: number },
): Outcome | undefined {
  const newest = outcomes[0]
  if (newest === undefined || sequence > newest.sequence) return undefined
  const found = outcomes.find((outcome) => outcome.sequence === sequence)
  if (found !== undefined) return found
  throw new MillraceError(
    'LEASE_LOST',
    `Append refused: producer '${who.producerId}' has appended sequence ${newest.sequence} to partition ${who.partition}, and the outcome of ${sequence} is no longer kept. Another process uses this name, or this one counts anew: go on after the last sequence or take a fresh name.`,
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

/** Deletes whole old batches, a bounded number per transaction, and forgets producers of that age. */
import { MillraceError } from '../../core/errors.ts'
import { batchSummary } from './batch-codec.ts'
import type { LogDatabase } from './embedded-database.ts'
import { checkValues } from './embedded-file-check.ts'
import { batchKey, getSealed, type LogStore, producerKey, unsealed } from './embedded-keys.ts'
import { producerUsedAtMs } from './embedded-producer.ts'
import {
  type PartitionState,
  partitionState,
  putPartitionState,
  type Topic,
} from './embedded-topics.ts'

const batchesPerTransactionMax = 256
const producersPerTransactionMax = 1024

export interface RetentionLimits {
  readonly retentionMs: number
  readonly retentionBytes: number
}

interface Cut {
  readonly topic: Topic
  readonly partition: number
  readonly nowMs: number
  readonly limits: RetentionLimits
}

/** Returns how many batches went. The newest batch of a partition always stays. */
export async function enforceRetention(
  database: LogDatabase,
  topic: Topic,
  nowMs: number,
  limits: RetentionLimits,
): Promise<number> {
  let deleted = 0
  for (let partition = 0; partition < topic.partitions; partition += 1) {
    const cut = { topic, partition, nowMs, limits }
    for (;;) {
      const due = await database.view((store) => {
        const found = dueBatches(store, cut)
        // LMDB frees as many pages as the first page of a value says.
        if (found.keys.length > 0) checkValues(database.directory, found.keys)
        return found
      })
      if (due.keys.length === 0) break
      deleted += await database.write(0, (store) => deleteBelow(store, cut, due.until))
    }
    await forgetProducers(database, topic, partition, nowMs - limits.retentionMs)
  }
  return deleted
}

function dueBatches(store: LogStore, cut: Cut): { keys: Buffer[]; until: bigint } {
  const keys: Buffer[] = []
  let state = partitionState(store, cut.topic, cut.partition)
  while (keys.length < batchesPerTransactionMax) {
    const next = stateWithoutOldest(store, cut, state)
    if (next === null) break
    keys.push(batchKey(cut.topic.id, cut.partition, state.earliest))
    state = next
  }
  return { keys, until: state.earliest }
}

/** Those that are still due below an offset: what was not checked stays. */
function deleteBelow(store: LogStore, cut: Cut, until: bigint): number {
  const { topic, partition } = cut
  let deleted = 0
  let state = partitionState(store, topic, partition)
  while (state.earliest < until) {
    const next = stateWithoutOldest(store, cut, state)
    if (next === null) break
    void store.remove(batchKey(topic.id, partition, state.earliest))
    state = next
    deleted += 1
  }
  if (deleted > 0) putPartitionState(store, topic, partition, state)
  return deleted
}

/** Null: the oldest batch is not due, or the last one. Throws EVENT_LOG_CORRUPT. */
function stateWithoutOldest(store: LogStore, cut: Cut, state: PartitionState) {
  const { topic, partition, nowMs, limits } = cut
  const { earliest, end, bytes } = state
  if (earliest === end) return null
  const stored = store.get(batchKey(topic.id, partition, earliest))
  if (stored === undefined) throw missing(topic, partition, earliest)
  const { count, appendedAtMs } = batchSummary(stored, partition, earliest)
  const next = earliest + BigInt(count)
  if (next >= end) return null
  if (nowMs - appendedAtMs <= limits.retentionMs && bytes <= BigInt(limits.retentionBytes))
    return null
  return { earliest: next, end, bytes: bytes - BigInt(stored.length) }
}

function missing(topic: Topic, partition: number, offset: bigint): MillraceError {
  return new MillraceError(
    'EVENT_LOG_CORRUPT',
    `Retention refused: the batch at offset ${offset} of partition ${partition} of '${topic.name}' should be in the event log, but is not there. Check the disk; restore the event log from a copy.`,
    { details: { partition, offset } },
  )
}

async function forgetProducers(
  database: LogDatabase,
  topic: Topic,
  partition: number,
  beforeMs: number,
): Promise<void> {
  const end = producerKey(topic.id, partition + 1, '')
  let start = producerKey(topic.id, partition, '')
  for (;;) {
    const page = await database.view((store) =>
      [...store.getRange({ start, end, limit: producersPerTransactionMax })].map(
        ({ key, value }) => ({
          key: Buffer.from(key),
          usedAtMs: producerUsedAtMs(unsealed(key, value)),
        }),
      ),
    )
    const old = page.filter(({ usedAtMs }) => usedAtMs < beforeMs)
    if (old.length > 0) {
      await database.write(0, (store) => {
        for (const { key } of old) {
          // Looked at again: it may have appended since.
          const stored = getSealed(store, key)
          if (stored !== undefined && producerUsedAtMs(stored) < beforeMs) void store.remove(key)
        }
      })
    }
    const last = page.at(-1)
    if (last === undefined || page.length < producersPerTransactionMax) return
    start = Buffer.concat([last.key, Buffer.from([0])])
  }
}

/** Deletes whole old batches, a bounded number per transaction, and forgets producers of that age. */
import { batchSummary } from './batch-codec.ts'
import { batchKey, type LogDatabase, type LogStore, producerKey } from './embedded-database.ts'
import { producerUsedAtMs } from './embedded-producer.ts'
import { partitionState, putPartitionState, type Topic } from './embedded-topics.ts'

const batchesPerTransactionMax = 256
const producersPerTransactionMax = 1024

export interface RetentionLimits {
  readonly retentionMs: number
  readonly retentionBytes: number
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
    for (;;) {
      const due = await database.view((store) => isDue(store, topic, partition, nowMs, limits))
      if (!due) break
      deleted += await database.write(0, (store) =>
        deleteOldest(store, topic, partition, nowMs, limits),
      )
    }
    await forgetProducers(database, topic, partition, nowMs - limits.retentionMs)
  }
  return deleted
}

function isDue(
  store: LogStore,
  topic: Topic,
  partition: number,
  nowMs: number,
  limits: RetentionLimits,
): boolean {
  const { earliest, end, bytes } = partitionState(store, topic, partition)
  const stored = store.get(batchKey(topic.id, partition, earliest))
  if (stored === undefined) return false
  const { count, appendedAtMs } = batchSummary(stored)
  if (earliest + BigInt(count) >= end) return false
  return nowMs - appendedAtMs > limits.retentionMs || bytes > BigInt(limits.retentionBytes)
}

function deleteOldest(
  store: LogStore,
  topic: Topic,
  partition: number,
  nowMs: number,
  limits: RetentionLimits,
): number {
  let deleted = 0
  while (deleted < batchesPerTransactionMax && isDue(store, topic, partition, nowMs, limits)) {
    const state = partitionState(store, topic, partition)
    const key = batchKey(topic.id, partition, state.earliest)
    const stored = store.get(key)
    if (stored === undefined) break
    void store.remove(key)
    putPartitionState(store, topic, partition, {
      earliest: state.earliest + BigInt(batchSummary(stored).count),
      end: state.end,
      bytes: state.bytes - BigInt(stored.length),
    })
    deleted += 1
  }
  return deleted
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
        ({ key, value }) => ({ key: Buffer.from(key), usedAtMs: producerUsedAtMs(value) }),
      ),
    )
    const old = page.filter(({ usedAtMs }) => usedAtMs < beforeMs)
    if (old.length > 0) {
      await database.write(0, (store) => {
        for (const { key } of old) {
          // Looked at again: it may have appended since.
          const stored = store.get(key)
          if (stored !== undefined && producerUsedAtMs(stored) < beforeMs) void store.remove(key)
        }
      })
    }
    const last = page.at(-1)
    if (last === undefined || page.length < producersPerTransactionMax) return
    start = Buffer.concat([last.key, Buffer.from([0])])
  }
}

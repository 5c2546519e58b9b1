/** Topics and partitions of the embedded log: who they are and how far they reach. */
import { MillraceError } from '../../core/errors.ts'
import type { LogDatabase } from './embedded-database.ts'
import { getSealed, type LogStore, partitionKey, putSealed, topicKey } from './embedded-keys.ts'

export interface Topic {
  readonly name: string
  readonly id: number
  readonly partitions: number
}

export interface PartitionState {
  readonly earliest: bigint
  readonly end: bigint
  /** Of the batches that are kept. */
  readonly bytes: bigint
}

/** Topics are never removed, so what was read once holds. */
export class Topics {
  readonly #database: LogDatabase
  readonly #known = new Map<string, Topic>()

  constructor(database: LogDatabase) {
    this.#database = database
  }

  async ensure(name: string, partitions: number): Promise<void> {
    const found = await this.#find(name)
    const topic = found ?? (await this.#create(name, partitions))
    if (topic.partitions === partitions) return
    throw new MillraceError(
      'TOPIC_MISMATCH',
      `Topic refused: '${name}' has ${topic.partitions} partitions in the event log, expected ${partitions}. Partitions cannot be changed: use another topic or the number that is there.`,
    )
  }

  /** Throws TOPIC_UNKNOWN. */
  async get(name: string): Promise<Topic> {
    const topic = await this.#find(name)
    if (topic !== undefined) return topic
    throw new MillraceError(
      'TOPIC_UNKNOWN',
      `Topic refused: '${name}' is not in the event log. It is created when the layer that reads it starts.`,
    )
  }

  /** Those that this process has used. */
  known(): readonly Topic[] {
    return [...this.#known.values()]
  }

  async #find(name: string): Promise<Topic | undefined> {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const topic = await this.#database.view((store) => readTopic(store, name))
    if (topic !== undefined) this.#known.set(name, topic)
    return topic
  }

  async #create(name: string, partitions: number): Promise<Topic> {
    const topic = await this.#database.write(0, (store) => {
      const winner = readTopic(store, name)
      if (winner !== undefined) return winner
      const id = [...store.getKeys(rangeOfTopics)].length
      putSealed(store, topicKey(name), Buffer.from(JSON.stringify({ id, partitions })))
      return { name, id, partitions }
    })
    this.#known.set(name, topic)
    return topic
  }
}

const topicKind = topicKey('')
const rangeOfTopics = { start: topicKind, end: Buffer.from([(topicKind[0] ?? 0) + 1]) }

function readTopic(store: LogStore, name: string): Topic | undefined {
  const stored = getSealed(store, topicKey(name))
  if (stored === undefined) return undefined
  // Written by `#create` only.
  const { id, partitions } = JSON.parse(stored.toString()) as { id: number; partitions: number }
  return { name, id, partitions }
}

export function partitionState(store: LogStore, topic: Topic, partition: number): PartitionState {
  const stored = getSealed(store, partitionKey(topic.id, partition))
  if (stored === undefined) return { earliest: 0n, end: 0n, bytes: 0n }
  return {
    earliest: stored.readBigUInt64LE(0),
    end: stored.readBigUInt64LE(8),
    bytes: stored.readBigUInt64LE(16),
  }
}

/** Only inside a transaction. */
export function putPartitionState(
  store: LogStore,
  topic: Topic,
  partition: number,
  state: PartitionState,
): void {
  const stored = Buffer.alloc(24)
  stored.writeBigUInt64LE(state.earliest, 0)
  stored.writeBigUInt64LE(state.end, 8)
  stored.writeBigUInt64LE(state.bytes, 16)
  putSealed(store, partitionKey(topic.id, partition), stored)
}

/** Throws TOPIC_UNKNOWN for a partition that the topic does not have. */
export function requirePartition(topic: Topic, partition: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < topic.partitions) return
  throw new MillraceError(
    'TOPIC_UNKNOWN',
    `Partition refused: '${topic.name}' has no partition ${partition}, only 0 to ${topic.partitions - 1}.`,
  )
}

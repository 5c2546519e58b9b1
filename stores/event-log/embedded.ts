/** The event log in a directory: LMDB, used by several processes at once. */
import type { Offsets } from '../../core/offsets.ts'
import { offsetsToJson } from '../../core/offsets.ts'
import { type Clock, systemClock } from '../clock.ts'
import { type EventLogSettings, eventLogSettings } from './config.ts'
import { LogDatabase } from './embedded-database.ts'
import { groupKey, putSealed } from './embedded-keys.ts'
import { joinGroup } from './embedded-lease.ts'
import { createProducer } from './embedded-producer.ts'
import { LogReader } from './embedded-reader.ts'
import { enforceRetention } from './embedded-retention.ts'
import { partitionState, Topics } from './embedded-topics.ts'
import { WakeUp } from './embedded-wake.ts'
import type { Assignment, EventLog, Producer, ReadLimits, RecordBatch } from './port.ts'

export interface EmbeddedEventLogOptions extends Partial<EventLogSettings> {
  /** Created when absent. Several processes may open it at the same time. */
  readonly directory: string
  readonly clock?: Clock
}

export interface EmbeddedEventLog extends EventLog {
  /** Applies the retention limits now; returns how many batches went. Also done periodically. */
  enforceRetention(): Promise<number>
}

/** Throws DATA_DIRECTORY_UNUSABLE, EVENT_LOG_CORRUPT, DISK_FULL. */
export async function openEmbeddedEventLog(
  options: EmbeddedEventLogOptions,
): Promise<EmbeddedEventLog> {
  const { directory, clock = systemClock, ...given } = options
  const settings = eventLogSettings.parse(given)
  const database = await LogDatabase.open(directory, settings.diskReserveBytes)
  return new LmdbEventLog(database, clock, settings)
}

class LmdbEventLog implements EmbeddedEventLog {
  readonly #database: LogDatabase
  readonly #clock: Clock
  readonly #settings: EventLogSettings
  readonly #topics: Topics
  readonly #wakeUp: WakeUp
  readonly #reader: LogReader
  readonly #closing = new AbortController()
  readonly #retention: Promise<void>
  /** Calls of `join`: the lease must be released before the database closes. */
  readonly #members = new Set<Promise<void>>()

  constructor(database: LogDatabase, clock: Clock, settings: EventLogSettings) {
    this.#database = database
    this.#clock = clock
    this.#settings = settings
    this.#topics = new Topics(database)
    this.#wakeUp = new WakeUp(database.directory, settings.idlePollMs)
    this.#reader = new LogReader(database, this.#wakeUp, this.#closing.signal)
    this.#retention = this.#enforceRetentionPeriodically()
  }

  ensureTopic(topic: string, partitions: number): Promise<void> {
    return this.#topics.ensure(topic, partitions)
  }

  async partitionCount(topic: string): Promise<number> {
    return (await this.#topics.get(topic)).partitions
  }

  async producer(topic: string, producerId: string): Promise<Producer> {
    const parts = {
      database: this.#database,
      wakeUp: this.#wakeUp,
      clock: this.#clock,
      recordBytesMax: this.#settings.recordBytesMax,
    }
    return createProducer(parts, await this.#topics.get(topic), producerId)
  }

  async bounds(topic: string): Promise<{ earliest: Offsets; latest: Offsets }> {
    const found = await this.#topics.get(topic)
    return this.#database.view((store) => {
      const earliest = new Map<number, bigint>()
      const latest = new Map<number, bigint>()
      for (let partition = 0; partition < found.partitions; partition += 1) {
        const state = partitionState(store, found, partition)
        earliest.set(partition, state.earliest)
        latest.set(partition, state.end)
      }
      return { earliest, latest }
    })
  }

  async read(topic: string, positions: Offsets, limits: ReadLimits): Promise<RecordBatch[]> {
    const found = await this.#topics.get(topic)
    return this.#reader.read(found, positions, limits)
  }

  async join(
    topic: string,
    group: string,
    signal: AbortSignal,
    work: (assignment: Assignment) => Promise<void>,
  ): Promise<void> {
    const member = { topic: await this.#topics.get(topic), group }
    const parts = {
      database: this.#database,
      clock: this.#clock,
      leaseMs: this.#settings.leaseMs,
    }
    const ended = AbortSignal.any([signal, this.#closing.signal])
    const joined = joinGroup(parts, member, ended, work)
    this.#members.add(joined)
    try {
      await joined
    } finally {
      this.#members.delete(joined)
    }
  }

  async commitAdvisory(topic: string, group: string, offsets: Offsets): Promise<void> {
    const key = groupKey((await this.#topics.get(topic)).id, group)
    await this.#database.write(0, (store) => {
      putSealed(store, key, Buffer.from(JSON.stringify(offsetsToJson(offsets))))
    })
  }

  async enforceRetention(): Promise<number> {
    let deleted = 0
    for (const topic of this.#topics.known()) {
      deleted += await enforceRetention(this.#database, topic, this.#clock.now(), this.#settings)
    }
    return deleted
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#wakeUp.wakeAll()
    await Promise.allSettled([...this.#members, this.#retention])
    await this.#database[Symbol.asyncDispose]()
    this.#wakeUp[Symbol.dispose]()
  }

  async #enforceRetentionPeriodically(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(this.#settings.retentionCheckMs, this.#closing.signal)
      if (this.#closing.signal.aborted) return
      try {
        await this.enforceRetention()
      } catch {
        // A full disk or a writer that holds the log: the next check does it.
      }
    }
  }
}

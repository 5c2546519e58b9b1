/** HTTP events in an embedded event log, for benchmarks. */
import { randomUUID } from 'node:crypto'
import { createHttpTraffic } from '../cli/generate/http-traffic.ts'
import { lineValues } from '../cli/generate/line-block.ts'
import type { Traffic } from '../cli/generate/traffic.ts'
import type { EventLog, Producer } from '../stores/event-log/port.ts'

export const topic = 'logs_raw'
export const partitions = 3
const batchSize = 5_000

export class TrafficLog {
  readonly #producer: Producer
  readonly #traffic: Traffic
  readonly #sequences = Array.from({ length: partitions }, () => 0)
  #turn = 0

  private constructor(producer: Producer, traffic: Traffic) {
    this.#producer = producer
    this.#traffic = traffic
  }

  static async open(eventLog: EventLog, rate = 5_000): Promise<TrafficLog> {
    await eventLog.ensureTopic(topic, partitions)
    const producer = await eventLog.producer(topic, `bench-${randomUUID()}`)
    const traffic = createHttpTraffic({ seed: 1, startMs: Date.UTC(2026, 10, 20), rate })
    return new TrafficLog(producer, traffic)
  }

  /** Appends one batch to the next partition; returns where it ends and its lines. */
  async append(count: number): Promise<{ partition: number; until: bigint; block: Buffer }> {
    const partition = this.#turn % partitions
    this.#turn += 1
    const sequence = this.#sequences[partition] ?? 0
    this.#sequences[partition] = sequence + 1
    const lines = this.#traffic.take(count)
    const records = lineValues(lines).map((value) => ({ value }))
    const { until } = await this.#producer.append(partition, sequence, records)
    return { partition, until, block: lines.block }
  }

  /** Appends `count` events as fast as it can. */
  async fill(count: number, onBlock: (block: Buffer) => Promise<void> | void = () => {}) {
    for (let sent = 0; sent < count; sent += batchSize) {
      const { block } = await this.append(Math.min(batchSize, count - sent))
      await onBlock(block)
    }
  }
}

/** What the sides of the event log's benchmark have in common. */
import { bodyChecksum, encodeBatch, sealBatch } from '../stores/event-log/batch-codec.ts'
import { packRecords } from '../stores/event-log/pack-records.ts'
import type { ProducedRecord } from '../stores/event-log/port.ts'

export interface EventLogInput {
  readonly directory: string
  readonly batches: number
  readonly batchRecords: number
  /** Appends under way at a time. */
  readonly concurrency: number
  /** The folder of the package classic-level. */
  readonly levelFolder?: string
}

export interface Timing {
  readonly seconds: number
  readonly cpuSeconds: number
}

export interface EventLogTimes {
  readonly append: Timing
  readonly read: Timing
}

const valueBytes = 180

/** Values in memory of their own each, as they come from a network or a parser. */
export function benchRecords(count: number): ProducedRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    value: Buffer.from(`${index}`.padEnd(valueBytes, 'x')),
  }))
}

/** The bytes that our log would store, for the peers. */
export function storedBatch(records: readonly ProducedRecord[], sequence: number): Buffer {
  const limits = { recordBytesMax: 1 << 20, batchBytesMax: 1 << 28 }
  const origin = { producerId: 'bench', sequence, appendedAtMs: 0 }
  const stored = encodeBatch(packRecords(records, 0, limits), origin)
  sealBatch(stored, BigInt(sequence * records.length), bodyChecksum(stored))
  return stored
}

export async function timed(work: () => Promise<void>): Promise<Timing> {
  const startMs = performance.now()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return { seconds: (performance.now() - startMs) / 1000, cpuSeconds: (user + system) / 1e6 }
}

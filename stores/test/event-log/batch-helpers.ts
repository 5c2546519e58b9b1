import { expect } from 'vitest'
import type { Offsets } from '../../../core/offsets.ts'
import type { EventLog, ProducedRecord, RecordBatch } from '../../event-log/port.ts'

export interface ReadRecord {
  readonly partition: number
  readonly offset: bigint
  readonly value: Buffer
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly headers: Readonly<Record<string, string>> | null
}

/** Takes batches apart the slow and obvious way, and checks what the contract says about each. */
export function recordsOf(batches: readonly RecordBatch[]): ReadRecord[] {
  return batches.flatMap((batch) => {
    expect(batch.ends).toHaveLength(batch.count)
    expect(batch.block).toHaveLength((batch.ends.at(-1) ?? -1) + 1)
    if (batch.offsets === null) expect(batch.until - batch.from).toBe(BigInt(batch.count))
    else expect(batch.offsets).toHaveLength(batch.count)
    return Array.from({ length: batch.count }, (_, index) => {
      const start = index === 0 ? 0 : (batch.ends[index - 1] ?? 0) + 1
      const end = batch.ends[index] ?? 0
      const offset = batch.offsets?.[index] ?? batch.from + BigInt(index)
      expect(batch.block[end]).toBe(0x0a)
      expect(offset >= batch.from && offset < batch.until).toBe(true)
      return {
        partition: batch.partition,
        offset,
        value: batch.block.subarray(start, end),
        timestampMs:
          typeof batch.timestampsMs === 'number'
            ? batch.timestampsMs
            : (batch.timestampsMs[index] ?? Number.NaN),
        key: batch.keys?.[index] ?? null,
        headers: batch.headers?.[index] ?? null,
      }
    })
  })
}

/** Everything from the positions to the end, by as many reads as it takes. */
export async function readAll(
  log: EventLog,
  topic: string,
  from: Offsets,
  bytesMax = 1 << 20,
): Promise<ReadRecord[]> {
  const positions = new Map(from)
  const records: ReadRecord[] = []
  for (;;) {
    const batches = await log.read(topic, positions, { bytesMax, waitMs: 0 })
    if (batches.length === 0) return records
    for (const batch of batches) {
      // Nothing is missing between two batches of a partition.
      expect(batch.from).toBe(positions.get(batch.partition))
      positions.set(batch.partition, batch.until)
    }
    records.push(...recordsOf(batches))
  }
}

export function textRecords(...values: string[]): ProducedRecord[] {
  return values.map((value) => ({ value: Buffer.from(value) }))
}

export function textsOf(records: readonly ReadRecord[]): string[] {
  return records.map(({ value }) => value.toString())
}

/** The producing half of an event log in memory, which keeps records as they were handed over. */
import { MillraceError } from '../../core/errors.ts'
import type { EventLog, ProducedRecord, Producer } from '../../stores/event-log/port.ts'

export interface StoredRecord extends ProducedRecord {
  readonly topic: string
  readonly partition: number
}

export class FakeEventLog implements EventLog {
  readonly records: StoredRecord[] = []
  readonly #partitions: number
  /** Runs before each append: throws to refuse it, waits to slow it down. */
  beforeAppend: (records: readonly ProducedRecord[]) => Promise<void> = async () => {}
  recordBytesMax = 64 * 1024 * 1024

  constructor(partitions = 1) {
    this.#partitions = partitions
  }

  lines(): string[] {
    return this.records.map(({ value }) => value.toString('utf8'))
  }

  async producer(topic: string): Promise<Producer> {
    const sequences = new Map<number, number>()
    return {
      append: async (partition, sequence, records) => {
        await this.beforeAppend(records)
        if (records.some(({ value }) => value.length > this.recordBytesMax)) {
          throw new MillraceError('RECORD_TOO_LARGE', 'A record is too large.')
        }
        const expected = sequences.get(partition) ?? 0
        if (sequence !== expected) throw new Error(`sequence ${sequence}, expected ${expected}`)
        sequences.set(partition, sequence + 1)
        const from = BigInt(this.records.length)
        for (const record of records) {
          this.records.push({ ...record, value: Buffer.from(record.value), topic, partition })
        }
        return { partition, from, until: from + BigInt(records.length) }
      },
      [Symbol.asyncDispose]: async () => {},
    }
  }

  async partitionCount(): Promise<number> {
    return this.#partitions
  }
  async ensureTopic(): Promise<void> {}
  async bounds(): Promise<never> {
    throw new Error('not part of this fake')
  }
  async read(): Promise<never> {
    throw new Error('not part of this fake')
  }
  async join(): Promise<never> {
    throw new Error('not part of this fake')
  }
  async commitAdvisory(): Promise<never> {
    throw new Error('not part of this fake')
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The same values in LevelDB by classic-level, one synced put each; the package's folder comes in the input. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { decodeBatch } from '../../stores/event-log/batch-codec.ts'
import {
  benchRecords,
  type EventLogInput,
  type EventLogTimes,
  storedBatch,
  timed,
} from '../event-log-shared.ts'

interface Level {
  open(): Promise<void>
  put(key: Buffer, value: Buffer, options: { sync: boolean }): Promise<void>
  get(key: Buffer): Promise<Buffer>
  close(): Promise<void>
}

export async function run(input: EventLogInput): Promise<EventLogTimes> {
  const folder = input.levelFolder ?? ''
  const { main } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    main: string
  }
  const module = (await import(pathToFileURL(join(folder, main)).href)) as {
    ClassicLevel: new (directory: string, options: object) => Level
  }
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
  const level = new module.ClassicLevel(input.directory, encodings)
  await level.open()
  const records = benchRecords(input.batchRecords)
  const keyOf = (sequence: number) => {
    const key = Buffer.alloc(8)
    key.writeBigUInt64BE(BigInt(sequence * input.batchRecords))
    return key
  }
  const append = await timed(async () => {
    const underWay: Promise<unknown>[] = []
    for (let sequence = 0; sequence < input.batches; sequence += 1) {
      const value = storedBatch(records, sequence)
      underWay.push(level.put(keyOf(sequence), value, { sync: true }))
      if (underWay.length === input.concurrency) await Promise.all(underWay.splice(0))
    }
    await Promise.all(underWay)
  })
  const read = await timed(async () => {
    for (let sequence = 0; sequence < input.batches; sequence += 1) {
      const stored = await level.get(keyOf(sequence))
      decodeBatch(stored, 0, BigInt(sequence * input.batchRecords))
    }
  })
  await level.close()
  return { append, read }
}

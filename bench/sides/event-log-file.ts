/** The bound: the same values appended to a bare file, `fdatasync` after each group, and read again. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import {
  benchRecords,
  type EventLogInput,
  type EventLogTimes,
  storedBatch,
  timed,
} from '../event-log-shared.ts'

export async function run(input: EventLogInput): Promise<EventLogTimes> {
  const file = await open(join(input.directory, 'log'), 'w+')
  const records = benchRecords(input.batchRecords)
  let bytes = 0
  const append = await timed(async () => {
    for (let sequence = 0; sequence < input.batches; sequence += 1) {
      const value = storedBatch(records, sequence)
      await file.write(value)
      bytes += value.length
      if ((sequence + 1) % input.concurrency === 0) await file.datasync()
    }
    await file.datasync()
  })
  const read = await timed(async () => {
    for (let position = 0; position < bytes; ) {
      const { bytesRead } = await file.read(Buffer.allocUnsafe(8 << 20), 0, 8 << 20, position)
      position += bytesRead
    }
  })
  await file.close()
  return { append, read }
}

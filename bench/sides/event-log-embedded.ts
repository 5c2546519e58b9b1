/** Our event log: appends of whole batches, each durable, then everything read again. */
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import { benchRecords, type EventLogInput, type EventLogTimes, timed } from '../event-log-shared.ts'

export async function run(input: EventLogInput): Promise<EventLogTimes> {
  await using log = await openEmbeddedEventLog({ directory: input.directory })
  await log.ensureTopic('bench', 1)
  const producer = await log.producer('bench', 'bench')
  const records = benchRecords(input.batchRecords)
  const append = await timed(async () => {
    const underWay: Promise<unknown>[] = []
    for (let sequence = 0; sequence < input.batches; sequence += 1) {
      underWay.push(producer.append(0, sequence, records))
      if (underWay.length === input.concurrency) await Promise.all(underWay.splice(0))
    }
    await Promise.all(underWay)
  })
  let position = 0n
  const end = BigInt(input.batches * input.batchRecords)
  const read = await timed(async () => {
    while (position < end) {
      const limits = { bytesMax: 8 << 20, waitMs: 0 }
      const batches = await log.read('bench', new Map([[0, position]]), limits)
      position = batches.at(-1)?.until ?? position
    }
  })
  return { append, read }
}

/**
 * A process that produces until it is killed: `producer-child.ts <directory> <producerId> <next sequence of
 * partition 0> <of partition 1>`. Each acknowledged append is one line on stdout.
 */
import { writeSync } from 'node:fs'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'

const [directory = '', producerId = '', first = '0', second = '0'] = process.argv.slice(2)
const log = await openEmbeddedEventLog({ directory })
const producer = await log.producer('topic', producerId)

async function produce(partition: number, nextSequence: number): Promise<void> {
  for (let sequence = nextSequence; ; sequence += 1) {
    const count = 1 + (sequence % 5)
    const records = Array.from({ length: count }, (_, index) => ({
      value: Buffer.from(
        `${producerId} ${sequence} ${index} ${'x'.repeat((sequence * 37) % 3000)}`,
      ),
    }))
    const { from, until } = await producer.append(partition, sequence, records)
    writeSync(1, `${partition} ${sequence} ${from} ${until}\n`)
  }
}

await Promise.all([produce(0, Number(first)), produce(1, Number(second))])

/**
 * A process whose files may not grow beyond a limit: `full-disk-child.ts <directory>`. Appends until that
 * has failed three times, prints the last code, how many records were acknowledged and the log's end.
 */
import { writeSync } from 'node:fs'
import { MillraceError } from '../../../core/errors.ts'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'

const [directory = ''] = process.argv.slice(2)
const log = await openEmbeddedEventLog({ directory })
await log.ensureTopic('topic', 1)
const producer = await log.producer('topic', 'me')
let acknowledged = 0n
let code = ''
for (let sequence = 0, failed = 0; failed < 3; ) {
  try {
    const records = Array.from({ length: 100 }, () => ({ value: Buffer.alloc(1000, 'x') }))
    acknowledged = (await producer.append(0, sequence, records)).until
    sequence += 1
  } catch (error) {
    failed += 1
    code = error instanceof MillraceError ? error.code : String(error)
  }
}
const { latest } = await log.bounds('topic')
writeSync(1, `${code} ${acknowledged} ${latest.get(0)}\n`)
await log[Symbol.asyncDispose]()

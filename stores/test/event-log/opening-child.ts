/** A process that opens the event log of a directory and keeps it open until it is killed, half a minute at most. */
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'

await openEmbeddedEventLog({ directory: process.argv[2] ?? '' })
process.stdout.write('open\n')
setTimeout(() => process.exit(), 30_000)

/** A process that joins the group and stays: `member-child.ts <directory>`. Prints each generation. */
import { writeSync } from 'node:fs'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'

const [directory = ''] = process.argv.slice(2)
const log = await openEmbeddedEventLog({ directory })
await log.join('topic', 'group', new AbortController().signal, async (assignment) => {
  writeSync(1, `${assignment.generation}\n`)
  await new Promise((resolve) => assignment.signal.addEventListener('abort', resolve))
})

/**
 * Our side of the pipeline benchmark: from an event log that holds all records to raw, rejected and
 * curated commits in the lake and six views that answer live, in one process as `millrace up` runs them.
 */
import { sameOffsets } from '../../core/offsets.ts'
import { openStack, type Places } from './stack.ts'

export async function run(places: Places): Promise<{ rows: number }> {
  await using stack = await openStack(places)
  const mirror = await stack.mirror()
  stack.speed()
  const committed = Promise.withResolvers<void>()
  mirror.onChange('http_logs', () => {
    const [status] = mirror.status()
    if (status !== undefined && sameOffsets(status.lake, stack.latest)) committed.resolve()
  })
  await committed.promise
  for (const { name, kind } of mirror.objects) {
    if (kind === 'view') await mirror.database.rows(`SELECT * FROM "default".${name}`)
  }
  const [counted] = await mirror.database.rows<{ n: number }>(
    'SELECT count(*)::INTEGER AS n FROM "default".logs',
  )
  return { rows: counted?.n ?? 0 }
}

/**
 * Our side of the pipeline benchmark: from an event log that holds all records to raw, rejected and
 * curated commits in the lake and six views that answer live, in one process as `millrace up` runs them.
 */
import { sameOffsets } from '../../core/offsets.ts'
import type { Mirror, PipelineStatus } from '../../serving-layer/mirror/contract.ts'
import { openStack, type Places } from './stack.ts'

export async function run(places: Places): Promise<{ rows: number }> {
  await using stack = await openStack(places)
  const mirror = await stack.mirror()
  const endSpeed = stack.speed()
  await reached(mirror, ({ realtime }) => sameOffsets(realtime, stack.latest))
  // All rows are visible; what the lake does not have yet is committed now, not when the interval is over.
  await endSpeed()
  await reached(mirror, ({ lake }) => sameOffsets(lake, stack.latest))
  for (const { name, kind } of mirror.objects) {
    if (kind === 'view') await mirror.database.rows(`SELECT * FROM "default".${name}`)
  }
  const [counted] = await mirror.database.rows<{ n: number }>(
    'SELECT count(*)::INTEGER AS n FROM "default".logs',
  )
  return { rows: counted?.n ?? 0 }
}

async function reached(
  mirror: Mirror,
  isThere: (status: PipelineStatus) => boolean,
): Promise<void> {
  const there = Promise.withResolvers<void>()
  const look = () => {
    if (mirror.status().every(isThere)) there.resolve()
  }
  const unsubscribe = mirror.onChange('http_logs', look)
  look()
  await there.promise
  unsubscribe()
}

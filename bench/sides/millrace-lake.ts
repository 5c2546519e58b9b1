/** Brings everything in the event log to the lake, and publishes the views if asked. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { batchSettings } from '../../batch-layer/config.ts'
import { openBatch } from '../../batch-layer/main.ts'
import { runBatch } from '../../batch-layer/run.ts'
import { sameOffsets } from '../../core/offsets.ts'
import { Database } from '../../stores/engine/duckdb.ts'
import { openPipelineTables } from '../../stores/lake/pipeline-tables.ts'
import { openStack, type Places } from './stack.ts'

interface Input extends Places {
  readonly lockDirectory: string
  readonly publishes: boolean
}

export async function run({ lockDirectory, publishes, ...places }: Input): Promise<object> {
  await using stack = await openStack(places)
  await using database = await Database.open({ threads: 2, memoryBytesMax: 2 ** 30 })
  const [loaded] = stack.pipelines
  if (loaded === undefined) throw new Error('sql/http_logs is missing.')
  const { curated } = await openPipelineTables(stack.storage, loaded, { database })
  stack.speed()
  while (!sameOffsets((await curated.refresh()).offsets, stack.latest)) await sleep(100)
  if (publishes) {
    await using batch = await openBatch({
      ...stack,
      settings: batchSettings.parse({}),
      lockDirectory,
      spillDirectory: join(lockDirectory, 'spill'),
      setupSql: [],
    })
    await runBatch(batch.context, {})
  }
  return {}
}

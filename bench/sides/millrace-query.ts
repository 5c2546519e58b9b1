/** Asks every view and the rows, over a lake with a tail, and recent rows that the lake does not have. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { offsetsBetween } from '../../core/offsets.ts'
import { quoteList } from '../../core/sql.ts'
import { servingSettings } from '../../serving-layer/config.ts'
import { QueryService } from '../../serving-layer/query/query-service.ts'
import { querySignals } from '../../serving-layer/telemetry.ts'
import { Database } from '../../stores/engine/duckdb.ts'
import { openPipelineTables } from '../../stores/lake/pipeline-tables.ts'
import { quantile } from '../harness.ts'
import { openStack, type Places } from './stack.ts'

const asksPerView = 200
const rounds = 7
const groupBy =
  'SELECT host, count(*) AS n, sum(bytes) AS b, avg(rt_ms) AS a FROM rows GROUP BY host'

export async function run(places: Places): Promise<object> {
  await using stack = await openStack(places)
  const mirror = await stack.mirror()
  // The rows stay recent: no commit comes before the measurement ends.
  stack.speed({ lakeCommitIntervalMs: 3_600_000, shutdownCommitMs: 0 })
  while (mirror.status().some(({ realtime }) => offsetsBetween(realtime, stack.latest) > 0n)) {
    await sleep(50)
  }
  await using service = await QueryService.create({
    mirror,
    settings: servingSettings.parse({}),
    signals: querySignals(stack.telemetry),
    clock: stack.clock,
  })
  const views: object[] = []
  for (const { name } of mirror.objects.filter(({ kind }) => kind === 'view')) {
    const times: number[] = []
    for (let ask = 0; ask < asksPerView; ask += 1) {
      times.push(await timed(() => service.execute({ sql: `SELECT * FROM ${name}`, limit: 1_000 })))
    }
    // The first ones compile and warm up.
    const warm = times.slice(10)
    views.push({ name, p50Ms: quantile(warm, 0.5), p99Ms: quantile(warm, 0.99) })
  }
  return { views, rows: await compareRows(stack, service) }
}

async function compareRows(stack: Awaited<ReturnType<typeof openStack>>, service: QueryService) {
  const [loaded] = stack.pipelines
  if (loaded === undefined) throw new Error('sql/http_logs is missing.')
  await using database = await Database.open({ threads: 1, memoryBytesMax: 2 ** 28 })
  const { curated } = await openPipelineTables(stack.storage, loaded, { database })
  const files = quoteList(await curated.readablePaths(curated.current().files))
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const results: object[] = []
  for (let round = 0; round < rounds; round += 1) {
    const theirsMs = await timed(() =>
      connection.run(groupBy.replace('FROM rows', `FROM read_parquet(${files})`)),
    )
    const oursMs = await timed(() =>
      service.execute({ sql: groupBy.replace('FROM rows', 'FROM logs') }),
    )
    results.push({ oursMs, theirsMs })
  }
  return results
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

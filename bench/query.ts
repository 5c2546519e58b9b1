/**
 * `npm run bench -- query`: merged answers over ten million events in the lake, a tail of a minute and 100,000
 * recent rows; and a GROUP BY over the rows beside bare DuckDB on the same files.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedEventLog } from '../stores/event-log/embedded.ts'
import { type BenchResult, median, report, runSide } from './harness.ts'
import { TrafficLog } from './traffic-log.ts'

const lakeCount = Number(process.env['BENCH_EVENTS'] ?? 10_000_000)
const tailCount = 60_000
const recentCount = 100_000

interface Measured {
  readonly views: readonly {
    readonly name: string
    readonly p50Ms: number
    readonly p99Ms: number
  }[]
  readonly rows: readonly { readonly oursMs: number; readonly theirsMs: number }[]
}

export async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const places = {
    eventLogDirectory: join(directory, 'event-log'),
    lakeDirectory: join(directory, 'lake'),
  }
  const fill = async (count: number) => {
    await using eventLog = await openEmbeddedEventLog({ directory: places.eventLogDirectory })
    await (await TrafficLog.open(eventLog)).fill(count)
  }
  try {
    await fill(lakeCount)
    await runSide('millrace-lake', { ...places, lockDirectory: directory, publishes: true })
    await fill(tailCount)
    await runSide('millrace-lake', { ...places, lockDirectory: directory, publishes: false })
    await fill(recentCount)
    const measured = await runSide<Measured>('millrace-query', places)
    report('query', [...measured.views.map(viewResult), rowResult(measured)])
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function viewResult({ name, p50Ms, p99Ms }: Measured['views'][number]): BenchResult {
  console.log(`${name}: p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`)
  return { name: `p99_${name}`, unit: 'ms', ours: p99Ms, ratio: 50 / p99Ms, goal: 1 }
}

function rowResult({ rows }: Measured): BenchResult {
  const ours = median(rows.map(({ oursMs }) => oursMs))
  const theirs = median(rows.map(({ theirsMs }) => theirsMs))
  const name = 'group_by_over_rows'
  return { name, unit: 'ms', ours, peer: 'duckdb', theirs, ratio: theirs / ours, goal: 1 / 1.5 }
}

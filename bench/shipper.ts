/**
 * The tailer into the embedded event log: one file at full speed, appends at a fixed rate, idle. The
 * peers (Filebeat, rsyslog) need Kafka: they are measured beside it by the benchmark `ship`.
 */
import { type BenchResult, median, report, runSide, type Side } from './harness.ts'

interface Outcome {
  readonly p50Ms: number
  readonly p99Ms: number
}

const bulkLines = Number(process.env['BENCH_LINES'] ?? 2_000_000)
const runs = Number(process.env['BENCH_RUNS'] ?? 3)

export async function run(): Promise<void> {
  const bulk: Side<Outcome>[] = []
  for (let index = 0; index < runs; index += 1) {
    bulk.push(await side({ kind: 'bulk', lines: bulkLines, linesPerSecond: 0 }))
  }
  const results: BenchResult[] = [
    {
      name: 'lines_per_second',
      unit: '1/s',
      ours: median(bulk.map(({ wallSeconds }) => bulkLines / wallSeconds)),
      goal: 300_000,
    },
    {
      name: 'cpu_seconds_per_million_lines',
      unit: 's',
      ours: median(bulk.map(({ cpuSeconds }) => (cpuSeconds * 1e6) / bulkLines)),
    },
    {
      name: 'memory_max',
      unit: 'MB',
      ours: median(bulk.map(({ rssBytesMax }) => rssBytesMax / 1e6)),
    },
  ]
  for (const linesPerSecond of [150, 1000]) {
    const lines = linesPerSecond * 10
    const paced = await side({ kind: 'paced', lines, linesPerSecond })
    const name = `append_to_log_at_${linesPerSecond}`
    results.push({ name: `${name}_p50`, unit: 'ms', ours: paced.p50Ms, goal: 20 })
    results.push({ name: `${name}_p99`, unit: 'ms', ours: paced.p99Ms })
    const share = (paced.cpuSeconds / paced.wallSeconds) * 100
    results.push({ name: `${name}_cpu`, unit: '% of a core', ours: share })
  }
  const idle = await side({ kind: 'idle', lines: 0, linesPerSecond: 0 })
  const idleShare = (idle.cpuSeconds / idle.wallSeconds) * 100
  results.push({ name: 'idle_cpu', unit: '% of a core', ours: idleShare, goal: 3 })
  report('shipper', results)
}

async function side(input: {
  readonly kind: 'bulk' | 'paced' | 'idle'
  readonly lines: number
  readonly linesPerSecond: number
}): Promise<Side<Outcome>> {
  return await runSide('millrace-shipper', input)
}

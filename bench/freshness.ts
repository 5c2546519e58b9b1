/**
 * `npm run bench -- freshness`: `millrace up` at steady rates. Freshness is the time from just before the append of
 * a batch of records to the log until a GraphQL answer states offsets beyond it. CPU is measured while
 * nobody asks, since asking a hundred times a second costs more than the work itself.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbeddedEventLog } from '../stores/event-log/embedded.ts'
import { MillraceProcess } from '../test/support/millrace-process.ts'
import { type BenchResult, quantile, report } from './harness.ts'
import { TrafficLog } from './traffic-log.ts'

const phaseSeconds = Number(process.env['BENCH_SECONDS'] ?? 20)
const tickMs = 10
const probeIntervalMs = 10
/** Clock ticks of /proc/<pid>/stat per second. */
const ticksPerSecond = 100

interface Pending {
  readonly until: bigint
  readonly startMs: number
}

export async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await using eventLog = await openEmbeddedEventLog({ directory: join(directory, 'event-log') })
    const log = await TrafficLog.open(eventLog)
    await using millrace = await MillraceProcess.create({
      dataDirectory: directory,
      pipelines: 'http_logs',
      environment: { MILLRACE_LOG_LEVEL: 'warn' },
    })
    millrace.start()
    await millrace.ready()
    await produceAt(log, 1_000, 5, new Map())
    await sleep(6_000)
    const idle = await usageWhile(millrace, () => sleep(phaseSeconds * 500))
    const results: BenchResult[] = [
      within('idle_cpu', 'cores', idle.cores, 0.03),
      within('idle_memory', 'MiB', idle.rssMib, 300),
    ]
    for (const { rate, p50, p99, cores } of [
      { rate: 1_000, p50: 100, p99: 250, cores: 0.25 },
      { rate: 20_000, p50: undefined, p99: 500, cores: undefined },
    ]) {
      const used = await usageWhile(millrace, () => produceAt(log, rate, phaseSeconds, new Map()))
      const latencies = await freshnessAt(millrace, log, rate)
      const name = `at_${rate}_per_s`
      results.push(within(`cpu_${name}`, 'cores', used.cores, cores))
      results.push(within(`freshness_p50_${name}`, 'ms', quantile(latencies, 0.5), p50))
      results.push(within(`freshness_p99_${name}`, 'ms', quantile(latencies, 0.99), p99))
    }
    report('freshness', results)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function within(name: string, unit: string, ours: number, bound: number | undefined): BenchResult {
  return { name, unit, ours, ...(bound === undefined ? {} : { ratio: bound / ours, goal: 1 }) }
}

async function produceAt(
  log: TrafficLog,
  rate: number,
  seconds: number,
  pending: Map<number, Pending[]>,
): Promise<void> {
  const startMs = performance.now()
  let sent = 0
  while (performance.now() - startMs < seconds * 1_000) {
    const due = Math.floor(((performance.now() - startMs) * rate) / 1_000) - sent
    if (due > 0) {
      const appendMs = performance.now()
      const { partition, until } = await log.append(due)
      const waiting = pending.get(partition) ?? []
      pending.set(partition, waiting)
      waiting.push({ until, startMs: appendMs })
      sent += due
    }
    await sleep(tickMs)
  }
}

async function freshnessAt(millrace: MillraceProcess, log: TrafficLog, rate: number) {
  const pending = new Map<number, Pending[]>()
  const latencies: number[] = []
  let isProducing = true
  const probe = async () => {
    while (isProducing || [...pending.values()].some((waiting) => waiting.length > 0)) {
      const { status_counts } = await millrace.graphql<{
        status_counts: { coverage: { realtime: Record<string, string> } }
      }>('{ status_counts(limit: 1) { coverage { realtime } } }')
      const nowMs = performance.now()
      for (const [partition, waiting] of pending) {
        const end = BigInt(status_counts.coverage.realtime[partition] ?? 0)
        while (waiting[0] !== undefined && waiting[0].until <= end) {
          latencies.push(nowMs - (waiting.shift()?.startMs ?? nowMs))
        }
      }
      await sleep(probeIntervalMs)
    }
  }
  const probing = probe()
  await produceAt(log, rate, phaseSeconds, pending)
  isProducing = false
  await probing
  return latencies
}

async function usageWhile(millrace: MillraceProcess, work: () => Promise<unknown>) {
  const startMs = performance.now()
  const before = await cpuSeconds(millrace.pid)
  await work()
  const cores =
    ((await cpuSeconds(millrace.pid)) - before) / ((performance.now() - startMs) / 1_000)
  const status = await readFile(`/proc/${millrace.pid}/status`, 'utf8')
  return { cores, rssMib: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024 }
}

async function cpuSeconds(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/**
 * `npm run bench -- event-log`: durable appends and reads of 180-byte records in batches of 1,000, beside the
 * same bytes in a bare file. With `BENCH_CLASSIC_LEVEL=<folder of the package>` LevelDB is measured too
 * (docs/decisions/0001-embedded-event-log.md).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventLogTimes } from './event-log-shared.ts'
import { type BenchResult, median, report, runSide, type Side } from './harness.ts'

const batches = Number(process.env['BENCH_BATCHES'] ?? 2_000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)
const levelFolder = process.env['BENCH_CLASSIC_LEVEL']
const batchRecords = 1_000
const concurrency = 8
const appendGoal = 1_000_000
const readGoal = 3_000_000

export async function run(): Promise<void> {
  const peers = ['event-log-file', ...(levelFolder === undefined ? [] : ['event-log-level'])]
  const times = new Map<string, Side<EventLogTimes>[]>()
  for (let round = 0; round < rounds; round += 1) {
    for (const side of ['event-log-embedded', ...peers]) {
      times.set(side, [...(times.get(side) ?? []), await runInFreshDirectory(side)])
    }
  }
  const ours = times.get('event-log-embedded') ?? []
  const results = peers.flatMap((peer) => compare(peer, ours, times.get(peer) ?? []))
  report('event-log', [...results, ...absolutes(ours)])
}

async function runInFreshDirectory(side: string): Promise<Side<EventLogTimes>> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    return await runSide(side, { directory, batches, batchRecords, concurrency, levelFolder })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

type Rate = (times: EventLogTimes) => number

const records = batches * batchRecords
const rates: Readonly<Record<string, Rate>> = {
  append_records_per_second: ({ append }) => records / append.seconds,
  append_records_per_cpu_second: ({ append }) => records / append.cpuSeconds,
  read_records_per_second: ({ read }) => records / read.seconds,
  read_records_per_cpu_second: ({ read }) => records / read.cpuSeconds,
}

function compare(
  peer: string,
  ours: readonly EventLogTimes[],
  theirs: readonly EventLogTimes[],
): BenchResult[] {
  return Object.entries(rates).map(([name, rate]) => {
    const mine = median(ours.map(rate))
    const other = median(theirs.map(rate))
    const shortName = peer.replace('event-log-', '')
    return { name, unit: '1/s', ours: mine, peer: shortName, theirs: other, ratio: mine / other }
  })
}

/** The goals, by CPU time: what a flush takes is the disk's affair. */
function absolutes(ours: readonly Side<EventLogTimes>[]): BenchResult[] {
  const append = median(ours.map(({ append: { cpuSeconds } }) => records / cpuSeconds))
  const read = median(ours.map(({ read: { cpuSeconds } }) => records / cpuSeconds))
  const rss = median(ours.map(({ rssBytesMax }) => rssBytesMax)) / 2 ** 20
  return [
    { name: 'append_goal', unit: '1/cpu-s', ours: append, ratio: append / appendGoal, goal: 1 },
    { name: 'read_goal', unit: '1/cpu-s', ours: read, ratio: read / readGoal, goal: 1 },
    { name: 'rss_max', unit: 'MiB', ours: rss },
  ]
}

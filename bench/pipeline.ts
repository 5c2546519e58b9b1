/**
 * `npm run bench -- pipeline`: HTTP events from the log through parse, checks, hot rows, raw and curated commits, with
 * six views answering live at the end, beside bare DuckDB doing the same from one NDJSON file.
 */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { openEmbeddedEventLog } from '../stores/event-log/embedded.ts'
import { median, report, runSide, type Side } from './harness.ts'
import { TrafficLog } from './traffic-log.ts'

const eventCount = Number(process.env['BENCH_EVENTS'] ?? 5_000_000)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)

export async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    const eventLogDirectory = join(directory, 'event-log')
    const file = join(directory, 'events.ndjson')
    await produce(eventLogDirectory, file)
    const ours: Side<{ rows: number }>[] = []
    const theirs: Side<{ rows: number }>[] = []
    for (let round = 0; round < rounds; round += 1) {
      const lakeDirectory = join(directory, `lake-${round}`)
      ours.push(await runSide('millrace-pipeline', { eventLogDirectory, lakeDirectory }))
      const outputDirectory = join(directory, `duckdb-${round}`)
      theirs.push(await runSide('duckdb-pipeline', { file, outputDirectory }))
      await rm(lakeDirectory, { recursive: true })
      await rm(outputDirectory, { recursive: true })
      console.log(`round ${round + 1}: ours ${text(ours.at(-1))}; duckdb ${text(theirs.at(-1))}`)
    }
    reportSides(ours, theirs)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function reportSides(ours: readonly Side<object>[], theirs: readonly Side<object>[]): void {
  const perCpu = (side: Side<object>) => eventCount / side.cpuSeconds
  const perWall = (side: Side<object>) => eventCount / side.wallSeconds
  const compare = (name: string, unit: string, measure: (side: Side<object>) => number) => {
    const mine = median(ours.map(measure))
    const peers = median(theirs.map(measure))
    return { name, unit, ours: mine, peer: 'duckdb', theirs: peers, ratio: mine / peers }
  }
  const rss = median(ours.map(({ rssBytesMax }) => rssBytesMax)) / 2 ** 20
  report('pipeline', [
    { ...compare('events_per_cpu_second', '1/s', perCpu), goal: 0.5 },
    compare('events_per_second', '1/s', perWall),
    {
      name: 'events_per_second_absolute',
      unit: '1/s',
      ours: median(ours.map(perWall)),
      ratio: median(ours.map(perWall)) / 250_000,
      goal: 1,
    },
    { name: 'peak_memory', unit: 'MiB', ours: rss, ratio: 1_024 / rss, goal: 1 },
  ])
}

/** The same lines, once into the log and once into a file. */
async function produce(eventLogDirectory: string, file: string): Promise<void> {
  const stream = createWriteStream(file)
  await using eventLog = await openEmbeddedEventLog({ directory: eventLogDirectory })
  const log = await TrafficLog.open(eventLog)
  await log.fill(eventCount, async (block) => {
    if (!stream.write(block)) await once(stream, 'drain')
  })
  stream.end()
  await finished(stream)
}

function text(side: Side<object> | undefined): string {
  if (side === undefined) return 'nothing'
  const { wallSeconds, cpuSeconds, rssBytesMax } = side
  return `${wallSeconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} CPU-s, ${Math.round(rssBytesMax / 2 ** 20)} MiB`
}

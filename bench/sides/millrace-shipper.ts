/** Tails one file into an embedded event log until every line is acknowledged, or at a fixed rate. */
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseFilebeatConfig } from '../../filebeat-shim/config.ts'
import { runShipper } from '../../filebeat-shim/run.ts'
import { systemClock } from '../../stores/clock.ts'
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import { silentTelemetry } from '../../stores/telemetry.ts'
import { quantile } from '../harness.ts'

const topic = 'logs'
const line = `${JSON.stringify({
  ts: '2026-01-01T00:00:00.000Z',
  host: 'web-1.example.org',
  method: 'GET',
  path: '/products/12345',
  status: 200,
  bytes: 51234,
  ip: '203.0.113.7',
  ua: 'Mozilla/5.0 (X11)',
  rt_ms: 17,
})}\n`

interface Input {
  readonly kind: 'bulk' | 'paced' | 'idle'
  readonly lines: number
  readonly linesPerSecond: number
}

export async function run(input: unknown): Promise<object> {
  // Safe: the benchmark's own other half sends it.
  const { kind, lines, linesPerSecond } = input as Input
  const directory = await mkdtemp(join(tmpdir(), 'bench-shipper-'))
  const path = join(directory, 'app.log')
  const bulk = Buffer.from(line.repeat(10_000))
  await writeFile(path, '')
  if (kind === 'bulk') {
    for (let written = 0; written < lines; written += 10_000) await appendFile(path, bulk)
  }
  await using eventLog = await openEmbeddedEventLog({ directory: join(directory, 'log') })
  await eventLog.ensureTopic(topic, 1)
  const stopping = new AbortController()
  let acknowledged = 0
  let wake: () => void = () => {}
  const config = parseFilebeatConfig(
    `
filebeat.inputs:
  - { type: filestream, id: bench, paths: ['${path}'] }
output.kafka: { topic: ${topic}, codec.format.string: '%{[message]}' }
`,
    { file: 'bench', environment: {} },
  )
  const before = process.cpuUsage()
  const startMs = performance.now()
  const shipping = runShipper(
    {
      config,
      eventLog,
      registryPath: join(directory, 'registry.json'),
      telemetry: silentTelemetry(),
      clock: systemClock,
      onProgress: ({ recordsAcknowledged }) => {
        acknowledged = recordsAcknowledged
        wake()
      },
    },
    stopping.signal,
  )
  const reached = async (count: number) => {
    while (acknowledged < count) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const latenciesMs: number[] = []
  if (kind === 'bulk') await reached(lines)
  else if (kind === 'idle') await systemClock.sleep(10_000)
  else {
    // Ten lines a write at the higher rates, so that the writer is not what is measured.
    const perWrite = linesPerSecond > 200 ? 5 : 1
    await systemClock.sleep(500)
    for (let sent = perWrite; sent <= lines; sent += perWrite) {
      const dueMs = startMs + 500 + (sent / linesPerSecond) * 1000
      const waitMs = dueMs - performance.now()
      if (waitMs > 1) await systemClock.sleep(waitMs)
      const writtenMs = performance.now()
      await appendFile(path, line.repeat(perWrite))
      void reached(sent).then(() => latenciesMs.push(performance.now() - writtenMs))
    }
    await reached(lines)
  }
  const seconds = (performance.now() - startMs) / 1000
  const cpu = process.cpuUsage(before)
  stopping.abort()
  await shipping
  await rm(directory, { recursive: true, force: true })
  return {
    wallSeconds: seconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  }
}

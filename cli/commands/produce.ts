/** `millrace produce`: generated traffic into the event log or into files. */
import { systemClock } from '../../stores/clock.ts'
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import { loadPipelines } from '../../stores/pipelines.ts'
import { dataPlaces } from '../data-places.ts'
import { type ProduceRequest, runProduce } from '../generate/produce.ts'
import { createProgressBar } from '../progress-bar.ts'
import { readSettings } from '../settings.ts'
import { stopOnSignals } from '../stop-signal.ts'

export interface ProduceCommandOptions {
  readonly rate: number
  readonly count?: number
  readonly seed: number
  readonly late: number
  readonly malformed: number
  readonly burst?: number
  readonly to: 'log' | 'files'
  readonly dir?: string
  readonly config?: string
}

export async function runProduceCommand(
  name: string,
  options: ProduceCommandOptions,
): Promise<void> {
  const settings = readSettings(options.config)
  const places = dataPlaces(settings.dataDirectory)
  const [loaded] = await loadPipelines(settings.pipelinesDirectory, { only: [name] })
  if (loaded === undefined) return
  await using stack = new AsyncDisposableStack()
  const target =
    options.to === 'files'
      ? ({ to: 'files', directory: options.dir ?? places.logs } as const)
      : ({
          to: 'log',
          eventLog: stack.use(
            await openEmbeddedEventLog({ directory: places.eventLog, ...settings.eventLog }),
          ),
        } as const)
  const bar = createProgressBar()
  const total = options.count ?? 0
  const startMs = performance.now()
  const request: ProduceRequest = {
    ...target,
    pipeline: loaded.pipeline,
    rate: options.rate,
    seed: options.seed,
    lateShare: options.late,
    malformedShare: options.malformed,
    ...(options.count === undefined ? {} : { count: options.count }),
    ...(options.burst === undefined ? {} : { burst: minutelyBurst(options.burst) }),
    clock: systemClock,
    signal: stopOnSignals(),
    onProgress: ({ events }) => bar.show({ done: events, total, label: `${events} events` }),
  }
  const { events, bytes } = await runProduce(request)
  bar.end()
  const seconds = (performance.now() - startMs) / 1000
  const rate = Math.round(events / Math.max(seconds, 0.001))
  process.stdout.write(
    `Wrote ${events} events (${bytes} bytes) for '${name}' in ${seconds.toFixed(1)} s, ${rate} a second.\n`,
  )
}

function minutelyBurst(factor: number) {
  return { everyMs: 60_000, forMs: 5000, factor }
}

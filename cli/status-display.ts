/** The face of a running `up`: live lines on a terminal, plain lines elsewhere, and the log beside them. */
import type { SpeedProgress } from '../speed-layer/progress.ts'
import { createTelemetry, type LogLevel, type Telemetry } from '../stores/telemetry.ts'
import { LiveScreen, type PipelineLine, Rates, statusLine } from './live-status.ts'
import { readableLogLine } from './log-lines.ts'

/** What the serving layer knows of a pipeline. */
interface ServedPipeline {
  readonly name: string
  readonly lagRecords: bigint
  readonly freshnessMs: number | null
  readonly batchAgeMs: number | null
  readonly rejectedCount: bigint
}

interface RunningAs {
  readonly url: string
  readonly dataDirectory: string
  readonly pipelines: readonly string[]
}

const liveIntervalMs = 500
const plainIntervalMs = 10_000

export class StatusDisplay {
  readonly telemetry: Telemetry
  readonly intervalMs: number
  readonly #screen: LiveScreen | null
  readonly #rates = new Rates()
  #heading: readonly string[] = []

  constructor(logLevel: LogLevel) {
    const isTerminal = process.stdout.isTTY === true
    this.#screen = isTerminal ? new LiveScreen(process.stdout) : null
    this.intervalMs = isTerminal ? liveIntervalMs : plainIntervalMs
    // On a terminal the lines below say what usual log lines would, so only trouble is shown; elsewhere the
    // log is for programs, as JSON.
    const shown = logLevel === 'info' ? 'warn' : logLevel
    this.telemetry = isTerminal
      ? createTelemetry(shown, { write: (line) => this.say(readableLogLine(line)) })
      : createTelemetry(logLevel)
  }

  start({ url, dataDirectory, pipelines }: RunningAs): void {
    const query = 'SELECT * FROM kpi_by_host'
    this.#heading = [
      '',
      `millrace is up. Data in ${dataDirectory}. Ctrl-C ends.`,
      `  GraphQL  ${url}/graphql   health ${url}/healthz   metrics ${url}/metrics`,
      `  SQL      npm run -s millrace -- sql -e "${query}"`,
    ]
    if (this.#screen === null) this.say(this.#heading.join('\n').trimStart())
    for (const name of pipelines) this.#rates.of(name, 0, performance.now())
  }

  show(progress: SpeedProgress, served: readonly ServedPipeline[]): void {
    const nowMs = performance.now()
    const lines = served.map((pipeline) => {
      const { records, failure } = progress.of(pipeline.name)
      const line: PipelineLine = { ...pipeline, records, failure }
      return statusLine(line, this.#rates.of(pipeline.name, records, nowMs))
    })
    if (this.#screen === null) this.say(lines.join('\n'))
    else this.#screen.show([...this.#heading, ...lines])
  }

  /** One or more lines that stay. */
  say(text: string): void {
    if (this.#screen === null) process.stdout.write(`${text}\n`)
    else this.#screen.print(text)
  }
}

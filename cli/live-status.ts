/** What `up` shows while it runs: a few lines that are redrawn, or plain lines where nobody watches. */

export interface PipelineLine {
  readonly name: string
  /** Records processed since the process started. */
  readonly records: number
  readonly lagRecords: bigint
  readonly freshnessMs: number | null
  readonly batchAgeMs: number | null
  readonly rejectedCount: bigint
  /** What fails, for good or until it is tried again; null when nothing does. */
  readonly failure: string | null
}

/** Turns counts into rates between two looks. */
export class Rates {
  readonly #last = new Map<string, { readonly records: number; readonly atMs: number }>()

  /** Records a second since the last call for this pipeline; 0 at the first. */
  of(name: string, records: number, nowMs: number): number {
    const last = this.#last.get(name)
    this.#last.set(name, { records, atMs: nowMs })
    if (last === undefined || nowMs <= last.atMs) return 0
    return ((records - last.records) * 1000) / (nowMs - last.atMs)
  }
}

export function statusLine(line: PipelineLine, rate: number): string {
  if (line.failure !== null) return `${line.name}: failing: ${line.failure}`
  const parts = [
    `${line.name.padEnd(12)} ${rate.toFixed(0).padStart(7)} events/s`,
    `lag ${line.lagRecords}`,
    `newest ${duration(line.freshnessMs)} old`,
    `batch ${line.batchAgeMs === null ? 'not yet' : `${duration(line.batchAgeMs)} ago`}`,
    `rejected ${line.rejectedCount}`,
  ]
  return parts.join(' · ')
}

function duration(ms: number | null): string {
  if (ms === null) return '-'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return `${Math.round(ms / 3_600_000)} h`
}

/** Lines at the bottom of a terminal that are drawn over each time; other output goes above them. */
export class LiveScreen {
  readonly #stream: NodeJS.WriteStream
  #shown: readonly string[] = []

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  show(lines: readonly string[]): void {
    const width = Math.max(20, this.#stream.columns ?? 80)
    // A line that wraps would be counted wrong at the next drawing.
    const cut = lines.map((line) => (line.length < width ? line : `${line.slice(0, width - 2)}…`))
    this.#stream.write(`${this.#erasure()}${cut.join('\n')}\n`)
    this.#shown = cut
  }

  /** Writes text that stays, above the lines. */
  print(text: string): void {
    const redrawn = this.#shown.length === 0 ? '' : `${this.#shown.join('\n')}\n`
    this.#stream.write(`${this.#erasure()}${text.trimEnd()}\n${redrawn}`)
  }

  #erasure(): string {
    return this.#shown.length === 0 ? '' : `\x1b[${this.#shown.length}A\x1b[J`
  }
}

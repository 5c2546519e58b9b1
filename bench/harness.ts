/**
 * What every benchmark shares: both sides measured in turn, medians, a table for people and one JSON
 * line for programs. Each side runs in a process of its own, so that CPU time and memory are its own.
 */
import { fork } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface BenchResult {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly peer?: string
  readonly theirs?: number
  /** How many times better than the peer (or than the goal's bound where there is no peer). */
  readonly ratio?: number
  readonly goal?: number
}

/** What a measured process reports about itself when its work is done. */
export interface ProcessUsage {
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly rssBytesMax: number
}

export type Side<T> = T & ProcessUsage

/**
 * Runs `bench/sides/<name>.ts` in a process of its own with `input` and returns its report. The module exports
 * `run(input)`; `bench/side.ts` measures it.
 */
export async function runSide<T>(name: string, input: unknown): Promise<Side<T>> {
  const child = fork(fileURLToPath(new URL('side.ts', import.meta.url)), [name], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return await new Promise((resolve, reject) => {
    child.once('message', (report) => resolve(report as Side<T>))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`Side '${name}' ended with code ${code}.`)))
    child.send({ input })
  })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export function report(bench: string, results: readonly BenchResult[]): void {
  const rows = results.map((result) => ({
    measure: result.name,
    unit: result.unit,
    ours: round(result.ours),
    peer: result.peer ?? '',
    theirs: result.theirs === undefined ? '' : round(result.theirs),
    ratio: result.ratio === undefined ? '' : round(result.ratio),
    goal: result.goal ?? '',
  }))
  console.log(`\n${bench}: ${cpus().length} cores, ${cpus()[0]?.model}, Node ${process.version}`)
  console.table(rows)
  console.log(JSON.stringify({ bench, results: results.map(rounded) }))
}

function rounded(result: BenchResult): BenchResult {
  const { ours, theirs, ratio } = result
  return {
    ...result,
    ours: round(ours),
    ...(theirs === undefined ? {} : { theirs: round(theirs) }),
    ...(ratio === undefined ? {} : { ratio: round(ratio) }),
  }
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}

/**
 * An independent recompute of the HTTP views over the produced records: plain TypeScript, bigint
 * arithmetic, no code shared with the views. It moves forward record by record and starts again when it
 * is asked about the past, for a restarted server may state lower offsets for a while.
 *
 * The sketches follow their definitions: DDSketch with one percent accuracy; HyperLogLog with 2^11
 * registers over the lower 64 bits of MD5.
 */
import { createHash } from 'node:crypto'

export interface HttpEvent {
  readonly tsMs: number
  readonly host: string
  readonly path: string | null
  readonly status: number
  readonly bytes: bigint | null
  readonly ip: string | null
  readonly rtMs: number | null
}

/** Null when the record must be rejected. */
function parseHttpRecord(value: Buffer): HttpEvent | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
  } catch {
    return null
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return null
  const fields = parsed as Record<string, unknown>
  const tsMs = typeof fields['ts'] === 'string' ? Date.parse(fields['ts']) : Number.NaN
  const status = integerOf(fields['status'], 31n)
  const bytes = integerOf(fields['bytes'], 63n)
  const rtMs = integerOf(fields['rt_ms'], 31n)
  const host = textOf(fields['host'])
  if (Number.isNaN(tsMs) || host === null || host === '') return null
  if (status === 'misfit' || bytes === 'misfit' || rtMs === 'misfit') return null
  if (status === null || status < 100n || status > 599n) return null
  if ((bytes !== null && bytes < 0n) || (rtMs !== null && rtMs < 0n)) return null
  return {
    tsMs,
    host,
    path: textOf(fields['path']),
    status: Number(status),
    bytes,
    ip: textOf(fields['ip']),
    rtMs: rtMs === null ? null : Number(rtMs),
  }
}

function integerOf(value: unknown, bits: bigint): bigint | null | 'misfit' {
  if (value === undefined || value === null) return null
  const text = typeof value === 'number' || typeof value === 'string' ? `${value}` : ''
  if (!/^[+-]?\d+(\.0*)?$/.test(text)) return 'misfit'
  const number = BigInt(text.replace(/\..*/, ''))
  return number >= -(1n << bits) && number < 1n << bits ? number : 'misfit'
}

function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const gamma = 1.01 / 0.99
const registerBits = 11n
const registers = 2 ** 11

class Quantiles {
  readonly #counts = new Map<number, number>()
  #total = 0
  #least = Number.POSITIVE_INFINITY
  #greatest = Number.NEGATIVE_INFINITY

  add(value: number | null): void {
    if (value === null) return
    const bucket =
      value > 0 ? Math.ceil(Math.log(value) / Math.log(gamma)) : Number.NEGATIVE_INFINITY
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
    this.#total += 1
    this.#least = Math.min(this.#least, value)
    this.#greatest = Math.max(this.#greatest, value)
  }

  /** Rounded to an integer, halves to even, and kept between the extremes. */
  at(q: number): number | null {
    let below = 0
    for (const [bucket, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      below += count
      if (below > q * (this.#total - 1)) {
        const estimate = (2 / (gamma + 1)) * gamma ** bucket
        return Math.min(this.#greatest, Math.max(this.#least, roundHalfToEven(estimate)))
      }
    }
    return null
  }
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1
  return Math.round(value)
}

interface Register {
  readonly index: number
  readonly rank: number
}

const registersOfTexts = new Map<string, Register>()

function registerOf(text: string): Register {
  const known = registersOfTexts.get(text)
  if (known !== undefined) return known
  const hash = createHash('md5').update(text).digest().readBigUInt64LE(0)
  let rest = hash >> registerBits
  let rank = 1
  while (rank < 40 && (rest & 1n) === 0n) {
    rest >>= 1n
    rank += 1
  }
  const register = { index: Number(hash & (BigInt(registers) - 1n)), rank }
  registersOfTexts.set(text, register)
  return register
}

class Distinct {
  readonly #ranks = new Uint8Array(registers)

  add(text: string | null): void {
    if (text === null) return
    const { index, rank } = registerOf(text)
    if (rank > (this.#ranks[index] ?? 0)) this.#ranks[index] = rank
  }

  estimate(): number {
    let sum = 0
    let empty = 0
    for (const rank of this.#ranks) {
      sum += 2 ** -rank
      if (rank === 0) empty += 1
    }
    const raw = ((0.7213 / (1 + 1.079 / registers)) * registers * registers) / sum
    const isSmall = raw <= 2.5 * registers && empty > 0
    return Math.round(isSmall ? registers * Math.log(registers / empty) : raw)
  }
}

/** Everything that any of the views says about one key. */
class Group {
  requests = 0n
  serverErrors = 0n
  clientErrors = 0n
  bytes: bigint | null = null
  rtSum = 0n
  rtCount = 0n
  rtMax: number | null = null
  readonly quantiles: Quantiles | null
  readonly visitors: Distinct | null

  constructor(kind: string) {
    this.quantiles = kind === 'host' || kind === 'path' ? new Quantiles() : null
    this.visitors = kind === 'hour' ? new Distinct() : null
  }

  add(event: HttpEvent): void {
    this.requests += 1n
    if (event.status >= 500) this.serverErrors += 1n
    else if (event.status >= 400) this.clientErrors += 1n
    if (event.bytes !== null) this.bytes = (this.bytes ?? 0n) + event.bytes
    if (event.rtMs !== null) {
      this.rtSum += BigInt(event.rtMs)
      this.rtCount += 1n
      this.rtMax = Math.max(this.rtMax ?? event.rtMs, event.rtMs)
    }
    this.quantiles?.add(event.rtMs)
    this.visitors?.add(event.ip)
  }

  get rtAverage(): number | null {
    return this.rtCount === 0n ? null : Number(this.rtSum) / Number(this.rtCount)
  }
}

function quantile({ quantiles }: Group, q: number): number | null {
  return quantiles?.at(q) ?? null
}

type Cell = string | number | null
type Table = Record<string, Cell>[]

export class HttpOracle {
  readonly #events: (HttpEvent | null)[][] = []
  #positions: number[] = []
  #groups = new Map<string, Group>()

  /** The next record of a partition, in order of its offset. */
  produced(partition: number, value: Buffer): void {
    const events = this.#events[partition] ?? []
    this.#events[partition] = events
    events.push(parseHttpRecord(value))
  }

  get eventCount(): number {
    return this.#events.flat().filter((event) => event !== null).length
  }

  get recordCount(): number {
    return this.#events.reduce((sum, events) => sum + events.length, 0)
  }

  /** What a view must answer for the records below these offsets. */
  answer(view: string, offsets: ReadonlyMap<number, bigint>): Table {
    this.#moveTo(offsets)
    const tableOf = this.#views[view]
    if (tableOf === undefined) throw new Error(`The oracle knows no view '${view}'.`)
    return tableOf()
  }

  readonly #views: Readonly<Record<string, () => Table>> = {
    status_counts: () =>
      this.#table('minute status', ([minute, status], { requests }) => ({
        minute: minute ?? '',
        status: Number(status),
        requests: `${requests}`,
      })),
    kpi_by_host: () =>
      this.#table('host', ([host], group) => ({
        host: host ?? '',
        requests: `${group.requests}`,
        server_errors: `${group.serverErrors}`,
        bytes: text(group.bytes),
        avg_rt_ms: group.rtAverage,
        max_rt_ms: group.rtMax,
        p95_rt_ms: quantile(group, 0.95),
      })),
    kpi_by_hour: () =>
      this.#table('hour', ([hour], group) => ({
        hour: hour ?? '',
        requests: `${group.requests}`,
        client_errors: `${group.clientErrors}`,
        server_errors: `${group.serverErrors}`,
        server_error_percent: thousandths(
          (100 * Number(group.serverErrors)) / Number(group.requests),
        ),
        bytes: text(group.bytes),
        avg_rt_ms: group.rtAverage,
        max_rt_ms: group.rtMax,
      })),
    top_paths: () => this.#topPaths(),
    latency_by_path: () =>
      this.#table('path', ([path], group) => ({
        path: path ?? '',
        requests: `${group.rtCount}`,
        p50_rt_ms: quantile(group, 0.5),
        p95_rt_ms: quantile(group, 0.95),
        p99_rt_ms: quantile(group, 0.99),
      })),
    visitors_by_hour: () =>
      this.#table('hour', ([hour], group) => ({
        hour: hour ?? '',
        visitors: `${group.visitors?.estimate()}`,
        requests: `${group.requests}`,
      })),
  }

  #topPaths(): Table {
    const rows = this.#table('path', ([path], group) => ({
      path: path ?? '',
      requests: `${group.requests}`,
      bytes: text(group.bytes),
      errors: `${group.serverErrors + group.clientErrors}`,
    }))
    return rows
      .sort((a, b) => Number(b['requests']) - Number(a['requests']) || order(a['path'], b['path']))
      .slice(0, 100)
  }

  #moveTo(offsets: ReadonlyMap<number, bigint>): void {
    const targets = this.#events.map((_, partition) => Number(offsets.get(partition) ?? 0n))
    if (targets.some((target, partition) => target < (this.#positions[partition] ?? 0))) {
      this.#positions = []
      this.#groups = new Map()
    }
    for (const [partition, target] of targets.entries()) {
      const events = this.#events[partition] ?? []
      if (target > events.length) {
        throw new Error(
          `Offset ${target} of partition ${partition} is stated, ${events.length} were produced.`,
        )
      }
      for (let offset = this.#positions[partition] ?? 0; offset < target; offset += 1) {
        const event = events[offset]
        if (event !== null && event !== undefined) this.#add(event)
      }
      this.#positions[partition] = target
    }
  }

  #add(event: HttpEvent): void {
    const minute = instant(event.tsMs - (((event.tsMs % 60_000) + 60_000) % 60_000))
    const hour = instant(event.tsMs - (((event.tsMs % 3_600_000) + 3_600_000) % 3_600_000))
    this.#group('minute status', [minute, `${event.status}`]).add(event)
    this.#group('host', [event.host]).add(event)
    this.#group('hour', [hour]).add(event)
    this.#group('path', [event.path ?? '']).add(event)
  }

  #group(kind: string, key: readonly string[]): Group {
    const id = [kind, ...key].join('\u0000')
    const group = this.#groups.get(id) ?? new Group(kind)
    this.#groups.set(id, group)
    return group
  }

  #table(kind: string, row: (key: readonly string[], group: Group) => Record<string, Cell>): Table {
    return [...this.#groups]
      .filter(([id]) => id.startsWith(`${kind}\u0000`))
      .map(([id, group]) => row(id.split('\u0000').slice(1), group))
  }
}

/** The way that comparisons write a time: ISO-8601 in UTC with milliseconds. */
function instant(ms: number): string {
  return new Date(ms).toISOString()
}

function thousandths(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

function text(value: bigint | null): string | null {
  return value === null ? null : `${value}`
}

function order(a: Cell | undefined, b: Cell | undefined): number {
  return Buffer.compare(Buffer.from(`${a}`), Buffer.from(`${b}`))
}

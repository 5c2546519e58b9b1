import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createHttpTraffic } from '../../cli/generate/http-traffic.ts'
import { lineValues } from '../../cli/generate/line-block.ts'
import { malformedKinds } from '../../cli/generate/malformed-lines.ts'
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import type { EventLog, Producer } from '../../stores/event-log/port.ts'
import { GraphqlFailure, MillraceProcess } from '../support/millrace-process.ts'
import { HttpOracle } from './http-oracle.ts'

/**
 * Strategy: the real process (`millrace up`) works on an event log into which this process writes HTTP records at
 * a steady rate, with late and malformed ones; batches publish every few seconds; the process is killed with
 * SIGKILL at random moments and started again at once. Meanwhile every view is asked for over GraphQL.
 * Invariants: every answer equals the oracle's at the offsets that the answer states, sketches included;
 * in the end each record is in raw, and in exactly one of curated and rejected.
 */
const seconds = Number(process.env['SEAM_SECONDS'] ?? 60)
const rate = Number(process.env['SEAM_RATE'] ?? 5_000)
const kills = Number(process.env['SEAM_KILLS'] ?? 5)
const seed = Number(process.env['SEAM_SEED'] ?? Date.now() % 1_000_000)
const partitions = 3

const columns: Readonly<Record<string, string>> = {
  status_counts: 'minute status requests',
  kpi_by_host: 'host requests server_errors bytes avg_rt_ms max_rt_ms p95_rt_ms',
  kpi_by_hour:
    'hour requests client_errors server_errors server_error_percent bytes avg_rt_ms max_rt_ms',
  top_paths: 'path requests bytes errors',
  latency_by_path: 'path requests p50_rt_ms p95_rt_ms p99_rt_ms',
  visitors_by_hour: 'hour visitors requests',
}

it(
  `merged answers equal an independent recompute through ${kills} kills in ${seconds} s (seed ${seed})`,
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-seam-'))
    try {
      await using eventLog = await openEmbeddedEventLog({ directory: join(directory, 'event-log') })
      await eventLog.ensureTopic('logs_raw', partitions)
      await using millrace = await MillraceProcess.create({
        dataDirectory: directory,
        pipelines: 'http_logs',
        environment: {
          MILLRACE_BATCH_INTERVAL_MS: '5000',
          MILLRACE_SPEED_LAKE_COMMIT_INTERVAL_MS: '2000',
          MILLRACE_LOG_LEVEL: 'warn',
        },
      })
      millrace.start()
      await millrace.ready()
      const oracle = new HttpOracle()
      const ended = new AbortController()
      const [checks] = await Promise.all([
        checkUntil(millrace, oracle, ended.signal),
        produce(eventLog, oracle, seconds).finally(() => ended.abort()),
        killNowAndThen(millrace, ended.signal),
      ])
      await everythingIsServed(millrace, oracle)
      for (const view of Object.keys(columns)) await checkView(millrace, oracle, view)
      await checkConservation(millrace, oracle)
      console.info(
        `seam: seed ${seed}, ${oracle.recordCount} records, ${checks} answers checked under load`,
      )
      // How many there are depends on the machine; that every view was among them does not.
      expect(checks).toBeGreaterThanOrEqual(2 * Object.keys(columns).length)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
  (seconds + 120) * 1_000,
)

async function produce(eventLog: EventLog, oracle: HttpOracle, forSeconds: number): Promise<void> {
  const kinds = malformedKinds.filter((kind) => kind !== 'over_long')
  const options = { seed, startMs: Date.now(), rate, lateShare: 0.05, malformedShare: 0.01 }
  const traffic = createHttpTraffic({ ...options, malformed: kinds })
  await using producer: Producer = await eventLog.producer('logs_raw', `seam-${seed}`)
  const startMs = performance.now()
  let sent = 0
  for (let turn = 0; performance.now() - startMs < forSeconds * 1_000; turn += 1) {
    const due = Math.floor(((performance.now() - startMs) * rate) / 1_000) - sent
    if (due > 0) {
      const values = lineValues(traffic.take(Math.min(due, 5_000)))
      const partition = turn % partitions
      // Before the append: an answer may show the records before this process hears of their being durable.
      for (const value of values) oracle.produced(partition, value)
      const records = values.map((value) => ({ value }))
      await producer.append(partition, Math.floor(turn / partitions), records)
      sent += values.length
    }
    await sleep(20)
  }
}

async function checkUntil(
  millrace: MillraceProcess,
  oracle: HttpOracle,
  signal: AbortSignal,
): Promise<number> {
  let checks = 0
  const views = Object.keys(columns)
  for (let turn = 0; !signal.aborted; turn += 1) {
    try {
      await checkView(millrace, oracle, views[turn % views.length] ?? '')
      checks += 1
    } catch (error) {
      // No answer while the process is down; a wrong answer is another kind of error.
      if (!isOutage(error)) throw error
    }
    await sleep(50)
  }
  return checks
}

function isOutage(error: unknown): boolean {
  if (error instanceof GraphqlFailure) return error.message.includes('NOT_READY')
  return error instanceof TypeError || error instanceof SyntaxError
}

interface Answer {
  readonly rows: readonly Record<string, unknown>[]
  readonly coverage: { readonly realtime: Record<string, string> }
}

async function checkView(millrace: MillraceProcess, oracle: HttpOracle, view: string) {
  const fields = `rows { ${columns[view]} } coverage { realtime }`
  const data = await millrace.graphql<Record<string, Answer>>(
    `{ ${view}(limit: 100000) { ${fields} } }`,
  )
  const answer = data[view]
  if (answer === undefined) throw new Error(`No answer for ${view}.`)
  const offsets = Object.entries(answer.coverage.realtime).map(
    ([partition, offset]): [number, bigint] => [Number(partition), BigInt(offset)],
  )
  const expected = oracle.answer(view, new Map(offsets))
  expect(canonical(answer.rows), `${view} at ${JSON.stringify(answer.coverage.realtime)}`).toEqual(
    canonical(expected),
  )
}

/** One line a row, sorted: times to the millisecond, whole numbers as text. */
function canonical(rows: readonly Record<string, unknown>[]): string[] {
  const plain = (value: unknown) => {
    if (typeof value === 'string' && /^\d{4,}-.*Z$/.test(value))
      return new Date(value).toISOString()
    return value === null ? null : `${value}`
  }
  return rows
    .map((row) =>
      JSON.stringify(
        Object.keys(row)
          .toSorted((a, b) => a.localeCompare(b))
          .map((name) => [name, plain(row[name])]),
      ),
    )
    .sort()
}

async function killNowAndThen(millrace: MillraceProcess, signal: AbortSignal): Promise<void> {
  const random = mulberry(seed)
  for (let kill = 0; kill < kills && !signal.aborted; kill += 1) {
    await sleep((0.3 + 0.7 * random()) * ((seconds * 900) / kills), undefined, { signal }).catch(
      () => {},
    )
    if (signal.aborted) return
    await millrace.kill('SIGKILL')
    millrace.start()
    await millrace.ready()
  }
}

/** A small seeded generator, so that a failing run can be repeated. */
function mulberry(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function everythingIsServed(millrace: MillraceProcess, oracle: HttpOracle): Promise<void> {
  const counted = () => sqlNumber(millrace, 'SELECT count(*) FROM logs_raw')
  await expect.poll(counted, { timeout: 60_000, interval: 200 }).toBe(oracle.recordCount)
  const shown = () => sqlNumber(millrace, 'SELECT count(*) FROM batch.logs')
  await expect.poll(shown, { timeout: 60_000, interval: 200 }).toBe(oracle.eventCount)
}

async function checkConservation(millrace: MillraceProcess, oracle: HttpOracle): Promise<void> {
  const total = oracle.recordCount
  const distinct = (from: string) =>
    sqlNumber(millrace, `SELECT count(*) FROM (SELECT DISTINCT _partition, _offset FROM ${from})`)
  const either =
    '(SELECT _partition, _offset FROM logs UNION ALL SELECT _partition, _offset FROM logs_rejected)'
  expect(await sqlNumber(millrace, 'SELECT count(*) FROM logs_raw')).toBe(total)
  expect(await distinct('logs_raw')).toBe(total)
  expect(await sqlNumber(millrace, 'SELECT count(*) FROM logs')).toBe(oracle.eventCount)
  expect(await sqlNumber(millrace, `SELECT count(*) FROM ${either}`)).toBe(total)
  expect(await distinct(either)).toBe(total)
}

async function sqlNumber(millrace: MillraceProcess, statement: string): Promise<number> {
  const { sql } = await millrace.graphql<{ sql: { rows: unknown[][] } }>(
    'query ($statement: String!) { sql(statement: $statement) { rows } }',
    { statement },
  )
  return Number(sql.rows[0]?.[0])
}

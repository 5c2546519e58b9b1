import { expect, test } from 'vitest'
import { createAccessLogTraffic } from '../../generate/access-log-lines.ts'
import { createHttpTraffic } from '../../generate/http-traffic.ts'
import { lineValues } from '../../generate/line-block.ts'
import { malformedKinds } from '../../generate/malformed-lines.ts'
import type { Traffic } from '../../generate/traffic.ts'

const startMs = Date.UTC(2026, 10, 20, 12)
const everything = { seed: 7, startMs, lateShare: 0.1, malformedShare: 0.1 }

function textsOf(traffic: Traffic, count: number): string[] {
  return lineValues(traffic.take(count)).map(String)
}

test.each([
  ['http_logs', createHttpTraffic],
  ['access_log', createAccessLogTraffic],
])('%s: the same seed gives the same bytes, in whatever portions', (_name, create) => {
  const whole = create(everything).take(600).block
  const traffic = create(everything)
  const portions = [1, 99, 0, 500].map((count) => traffic.take(count).block)
  expect(Buffer.concat(portions).equals(whole)).toBe(true)
  expect(
    create({ ...everything, seed: 8 })
      .take(600)
      .block.equals(whole),
  ).toBe(false)
})

test('http_logs has the fields of the pipeline with their types', () => {
  const types = {
    ts: expect.stringMatching(/^2026-11-20T12:\d\d:\d\d\.\d{3}Z$/),
    host: expect.stringMatching(/^web-\d\d$/),
    method: expect.any(String),
    path: expect.stringMatching(/^\//),
    status: expect.any(Number),
    bytes: expect.any(Number),
    ip: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
    ua: expect.any(String),
    rt_ms: expect.any(Number),
  }
  for (const line of textsOf(createHttpTraffic({ seed: 1, startMs }), 2_000)) {
    expect(JSON.parse(line)).toEqual(types)
  }
})

test('access_log lines have the combined or the common form', () => {
  const common =
    /^\d+\.\d+\.\d+\.\d+ - - \[20\/Nov\/2026:12:\d\d:\d\d \+0000\] "[A-Z]+ \/\S* HTTP\/1\.1" \d{3} (\d+|-)/
  const combined = new RegExp(`${common.source} "https://web-\\d\\d/" "[^"]+"$`)
  const take = (style: 'common' | 'combined') =>
    textsOf(createAccessLogTraffic({ seed: 1, startMs, style }), 500)
  for (const line of take('combined')) expect(line).toMatch(combined)
  for (const line of take('common')) expect(line).toMatch(new RegExp(`${common.source}$`))
})

test('the traffic is skewed as real traffic is', () => {
  const events = textsOf(createHttpTraffic({ seed: 1, startMs }), 50_000).map((line) =>
    JSON.parse(line),
  )
  const countsOf = (field: string) => {
    const counts = new Map<unknown, number>()
    for (const event of events) counts.set(event[field], (counts.get(event[field]) ?? 0) + 1)
    return [...counts.values()].sort((a, b) => b - a)
  }
  expect(countsOf('host')).toHaveLength(20)
  expect(countsOf('path').length).toBeGreaterThan(50)
  expect(countsOf('ip').length).toBeGreaterThan(1_000)
  for (const field of ['path', 'ip']) {
    const counts = countsOf(field)
    expect(counts[0] ?? 0).toBeGreaterThan(20 * (counts.at(-1) ?? 0))
  }
  const errors = events.filter(({ status }) => status >= 500).length
  expect(errors / events.length).toBeGreaterThan(0.005)
  expect(errors / events.length).toBeLessThan(0.05)
  const times = events.map(({ rt_ms }) => rt_ms).sort((a, b) => a - b)
  expect(times[49_500]).toBeGreaterThan(10 * times[25_000])
})

test('events follow the rate, and a burst is denser', () => {
  const steady = createHttpTraffic({ seed: 1, startMs, rate: 100 })
  steady.take(1_000)
  expect(steady.nextAtMs()).toBeCloseTo(startMs + 10_000, 3)
  const burst = { everyMs: 10_000, forMs: 1_000, factor: 10 }
  const bursting = createHttpTraffic({ seed: 1, startMs, rate: 100, burst })
  bursting.take(1_000)
  expect(bursting.nextAtMs()).toBeCloseTo(startMs + 1_000, 0)
  bursting.take(900)
  expect(bursting.nextAtMs()).toBeCloseTo(startMs + 10_000, 0)
})

test('the share of late events is as asked for, from minutes to hours', () => {
  const rate = 1_000
  const lines = textsOf(createHttpTraffic({ seed: 1, startMs, rate, lateShare: 0.05 }), 20_000)
  const delaysMs = lines.map((line, index) => startMs + index - Date.parse(JSON.parse(line).ts))
  const late = delaysMs.filter((delayMs) => delayMs > 1)
  expect(late.length / lines.length).toBeGreaterThan(0.04)
  expect(late.length / lines.length).toBeLessThan(0.06)
  expect(Math.min(...late)).toBeGreaterThanOrEqual(60_000)
  expect(Math.max(...late)).toBeGreaterThan(3 * 3_600_000)
  expect(Math.max(...late)).toBeLessThanOrEqual(6 * 3_600_000 + 1)
})

test('the share of malformed lines is as asked for', () => {
  const malformed = ['not_a_record'] as const
  const options = { seed: 1, startMs, malformedShare: 0.02, malformed }
  const lines = textsOf(createHttpTraffic(options), 20_000)
  const spoiled = lines.filter((line) => !line.startsWith('{')).length
  expect(spoiled / lines.length).toBeGreaterThan(0.015)
  expect(spoiled / lines.length).toBeLessThan(0.025)
})

test.each([
  ['http_logs', createHttpTraffic],
  ['access_log', createAccessLogTraffic],
])('%s: each kind of malformed line is what it says', (_name, create) => {
  const one = (kind: (typeof malformedKinds)[number]) =>
    lineValues(create({ seed: 1, startMs, malformedShare: 1, malformed: [kind] }).take(1))[0]
  const [good] = textsOf(create({ seed: 1, startMs }), 1)
  const lines = new Map(malformedKinds.map((kind) => [kind, one(kind) ?? Buffer.alloc(0)]))
  for (const [kind, line] of lines) expect(line.toString(), kind).not.toBe(good)
  expect(lines.get('empty')).toHaveLength(0)
  expect(lines.get('over_long')?.length).toBeGreaterThan(1024 * 1024)
  expect(lines.get('nul_byte')?.includes(0)).toBe(true)
  expect(lines.get('invalid_utf8')?.toString()).toContain('\ufffd')
  expect(lines.get('far_past')?.toString()).toContain('1998')
  expect(lines.get('far_future')?.toString()).toContain('2098')
  expect(lines.get('out_of_range')?.toString()).toContain('999')
  expect(lines.get('cut_short')?.length).toBeLessThan(good?.length ?? 0)
  for (const line of lines.values()) expect(line.includes(0x0a)).toBe(false)
})

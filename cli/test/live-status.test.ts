import { describe, expect, it } from 'vitest'
import { LiveScreen, Rates, statusLine } from '../live-status.ts'
import { readableLogLine } from '../log-lines.ts'

describe('statusLine', () => {
  const line = {
    name: 'http_logs',
    records: 10,
    lagRecords: 3n,
    freshnessMs: 87.4,
    batchAgeMs: 12_345,
    rejectedCount: 2n,
    failure: null,
  }

  it('says rate, lag, freshness, batch age and rejected rows', () => {
    expect(statusLine(line, 149.7)).toBe(
      'http_logs        150 events/s · lag 3 · newest 87 ms old · batch 12 s ago · rejected 2',
    )
  })

  it('says why a pipeline does not move', () => {
    expect(statusLine({ ...line, failure: 'The disk is full.' }, 0)).toBe(
      'http_logs: failing: The disk is full.',
    )
  })
})

describe('Rates', () => {
  it('counts a second from one look to the next, each pipeline for itself', () => {
    const rates = new Rates()
    expect(rates.of('a', 100, 1000)).toBe(0)
    expect(rates.of('b', 5, 1000)).toBe(0)
    expect(rates.of('a', 400, 3000)).toBe(150)
    expect(rates.of('b', 5, 3000)).toBe(0)
  })
})

describe('LiveScreen', () => {
  it('draws over its lines, cuts long ones, and keeps other text above', () => {
    let written = ''
    const stream = {
      columns: 20,
      write: (text: string) => {
        written += text
        return true
      },
    } as unknown as NodeJS.WriteStream
    const screen = new LiveScreen(stream)
    screen.show(['one', 'x'.repeat(50)])
    screen.print('a log line\n')
    const shown = `one\n${'x'.repeat(18)}…\n`
    expect(written).toBe(`${shown}\x1b[2A\x1b[Ja log line\n${shown}`)
  })
})

describe('readableLogLine', () => {
  it('shows time, level, sentence, reason and fields', () => {
    const json =
      '{"level":40,"time":"2026-01-01T12:00:01.000Z","pipeline":"p","err":{"message":"Why."},"msg":"What."}'
    expect(readableLogLine(json)).toBe('12:00:01 warn  What. Why. pipeline=p')
  })

  it('leaves other text as it is', () => {
    expect(readableLogLine('no JSON\n')).toBe('no JSON')
  })
})

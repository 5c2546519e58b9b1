import { describe, expect, it } from 'vitest'
import { type Answer, formatAnswer } from '../format-answer.ts'

const coverage = { pipeline: 'http_logs', mode: 'merged', freshnessMs: 41.7 }
const answer: Answer = {
  columns: [
    { name: 'host', type: 'VARCHAR' },
    { name: 'requests', type: 'BIGINT' },
  ],
  rows: [
    ['a,"b"', 12],
    ['line\nbreak', null],
  ],
  coverage: [coverage],
  isTruncated: false,
}

describe('formatAnswer', () => {
  it('aligns a table, numbers to the right, one line per row', () => {
    expect(formatAnswer(answer, 'table').split('\n')).toEqual([
      'host        requests',
      '────────────────────',
      'a,"b"             12',
      'line break      NULL',
      '2 rows · http_logs merged, 42 ms old',
    ])
  })

  it('prints one JSON object with columns, rows and coverage', () => {
    expect(JSON.parse(formatAnswer(answer, 'json'))).toEqual({
      columns: answer.columns,
      rows: answer.rows,
      coverage,
    })
  })

  it('lists the parts when an answer has several', () => {
    const joined = { ...answer, coverage: [coverage, coverage], isTruncated: true }
    expect(JSON.parse(formatAnswer(joined, 'json'))).toMatchObject({
      coverage: { parts: [coverage, coverage] },
      isTruncated: true,
    })
  })

  it('quotes CSV as RFC 4180 says', () => {
    expect(formatAnswer(answer, 'csv')).toBe('host,requests\n"a,""b""",12\n"line\nbreak",')
  })
})

import { describe, expect, it } from 'vitest'
import { fileStatsOf, statsFromJson, statsToJson } from '../../lake/file-stats.ts'

function boundsOf(type: string, min: string, max: string, more: Record<string, string> = {}) {
  const entries = Object.entries({ min, max, null_count: '1', ...more })
  const stats = fileStatsOf(new Map([['"a"', new Map(entries)]]), [{ name: 'a', type }])
  expect(stats.nullCount).toEqual({ a: 1 })
  return 'a' in stats.min ? [stats.min['a'], stats.max['a']] : null
}

describe('file statistics', () => {
  it('hold numbers, booleans and dates as they are', () => {
    expect(boundsOf('BIGINT', '-3', '9007199254740991')).toEqual([-3, 9007199254740991])
    expect(boundsOf('DOUBLE', '-0.5', '1e300')).toEqual([-0.5, 1e300])
    expect(boundsOf('BOOLEAN', '0', '1')).toEqual([false, true])
    expect(boundsOf('DATE', '1999-12-31', '2026-01-01')).toEqual(['1999-12-31', '2026-01-01'])
    expect(boundsOf('DECIMAL(18,2)', '-12.50', '99999.99')).toEqual([-12.5, 99999.99])
  })

  it('leave out what JSON cannot hold exactly', () => {
    expect(boundsOf('BIGINT', '0', '9007199254740993')).toBeNull()
    expect(boundsOf('DECIMAL(38,0)', '0', '12345678901234567890')).toBeNull()
    expect(boundsOf('DOUBLE', '-inf', '1')).toBeNull()
    expect(boundsOf('DOUBLE', '0', '1', { has_nan: 'true' })).toBeNull()
    expect(boundsOf('DATE', '2026-01-01', '12000-01-01')).toBeNull()
    expect(boundsOf('TIMESTAMPTZ', '2026-01-01 00:00:00+00', 'infinity')).toBeNull()
    expect(boundsOf('BLOB', '00', 'FF')).toBeNull()
  })

  it('round times to milliseconds outwards', () => {
    expect(
      boundsOf('TIMESTAMPTZ', '2026-01-01 00:00:00.123456+00', '2026-12-31 23:59:59.999001+00'),
    ).toEqual(['2026-01-01T00:00:00.123Z', '2027-01-01T00:00:00.000Z'])
    expect(
      boundsOf('TIMESTAMPTZ', '1960-01-01 00:00:00.000001+00', '1960-01-01 00:00:00.5+00'),
    ).toEqual(['1960-01-01T00:00:00.000Z', '1960-01-01T00:00:00.500Z'])
  })

  it('cut long strings outwards, never inside a character', () => {
    const [min, max] = boundsOf('VARCHAR', 'ä'.repeat(40), '😀'.repeat(40)) as [string, string]
    expect(min).toBe('ä'.repeat(32))
    expect(max).toBe(`${'😀'.repeat(32)}\u{10ffff}`)
    expect(boundsOf('VARCHAR', '', 'short')).toEqual(['', 'short'])
  })

  it('come back from JSON as they went', () => {
    const stats = { min: { a: 1, b: 'x' }, max: { a: 2, b: 'y' }, nullCount: { a: 0, b: 3 } }
    expect(statsFromJson(statsToJson(7, stats))).toEqual({ rowCount: 7, stats })
  })

  it('of other writers are dropped where a number lost digits', () => {
    const text =
      '{"numRecords":2,"minValues":{"a":1,"b":9007199254740993},"maxValues":{"a":2,"b":9007199254740995}}'
    const { stats } = statsFromJson(text)
    expect(stats).toEqual({ min: { a: 1 }, max: { a: 2 }, nullCount: {} })
    expect(statsFromJson(null).stats).toEqual({ min: {}, max: {}, nullCount: {} })
  })
})

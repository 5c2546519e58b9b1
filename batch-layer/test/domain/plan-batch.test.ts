import { describe, expect, it } from 'vitest'
import { type PlanRequest, planView } from '../../domain/plan-batch.ts'

const base: PlanRequest = {
  definitionHash: 'a',
  curatedRebuild: null,
  published: { definitionHash: 'a', offsets: new Map([[0, 5n]]), fullAtMs: 1000, rebuild: null },
  curatedOffsets: new Map([
    [0, 9n],
    [1, 3n],
  ]),
  isFullAsked: false,
  nowMs: 2000,
  fullIntervalMs: 10_000,
}

const everything = [
  { partition: 0, from: 0n, until: 9n },
  { partition: 1, from: 0n, until: 3n },
]
const newRows = [
  { partition: 0, from: 5n, until: 9n },
  { partition: 1, from: 0n, until: 3n },
]

describe('planView', () => {
  it('reads only the rows after the published offsets', () => {
    expect(planView(base)).toEqual({ kind: 'incremental', ranges: newRows })
  })

  it('does nothing when the published offsets are those of the curated table', () => {
    expect(planView({ ...base, curatedOffsets: base.published.offsets })).toEqual({
      kind: 'current',
    })
  })

  it.each([
    ['an hour', 3_600_000, 'incremental'],
    ['longer than the interval', 20_000_000, 'full'],
  ])('with the last full recompute %s in the future is %s', (_, aheadMs, kind) => {
    const published = { ...base.published, fullAtMs: base.nowMs + aheadMs }
    expect(planView({ ...base, published, fullIntervalMs: 10_000_000 }).kind).toBe(kind)
  })

  it('recomputes a view that was never published', () => {
    const published = { definitionHash: null, offsets: new Map(), fullAtMs: null, rebuild: null }
    expect(planView({ ...base, published })).toEqual({
      kind: 'full',
      reason: 'first',
      ranges: everything,
      compareRanges: null,
    })
  })

  it('recomputes without comparing when the definition changed', () => {
    expect(planView({ ...base, definitionHash: 'b' })).toEqual({
      kind: 'full',
      reason: 'definition changed',
      ranges: everything,
      compareRanges: null,
    })
  })

  it('recomputes without comparing when the rows were rebuilt since, asked or not', () => {
    const full = { kind: 'full', ranges: everything, compareRanges: null }
    const rebuilt = { ...base, curatedRebuild: 'r1' }
    expect(planView(rebuilt)).toEqual({ ...full, reason: 'rebuilt' })
    expect(planView({ ...rebuilt, isFullAsked: true })).toEqual({ ...full, reason: 'asked' })
    const published = { ...base.published, rebuild: 'r1' }
    expect(planView({ ...rebuilt, published }).kind).toBe('incremental')
  })

  it('recomputes and compares when asked and when the last full recompute is old', () => {
    const full = { kind: 'full', ranges: everything, compareRanges: newRows }
    expect(planView({ ...base, isFullAsked: true })).toEqual({ ...full, reason: 'asked' })
    expect(planView({ ...base, nowMs: 11_000 })).toEqual({ ...full, reason: 'scheduled' })
    expect(planView({ ...base, nowMs: 10_999 }).kind).toBe('incremental')
    expect(planView({ ...base, nowMs: 11_000, fullIntervalMs: 0 }).kind).toBe('incremental')
  })

  it('refuses a curated table that ends below what is published, unless a full one is asked', () => {
    const curatedOffsets = new Map([[0, 4n]])
    expect(planView({ ...base, curatedOffsets })).toEqual({ kind: 'hole', partition: 0 })
    expect(planView({ ...base, curatedOffsets, isFullAsked: true })).toEqual({
      kind: 'full',
      reason: 'asked',
      ranges: [{ partition: 0, from: 0n, until: 4n }],
      compareRanges: null,
    })
  })
})

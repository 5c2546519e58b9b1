import fc from 'fast-check'
import { expect, it } from 'vitest'
import { noOffsets, type Offsets, sameOffsets } from '../../../core/offsets.ts'
import { cutTail, joinSegments, joinThrough, type Tail } from '../../domain/tail.ts'

const at = (a: number, b: number): Offsets =>
  new Map([
    [0, BigInt(a)],
    [1, BigInt(b)],
  ])

const tail: Tail = {
  from: at(10, 0),
  segments: [
    { id: 3, until: at(20, 5) },
    { id: 4, until: at(30, 5) },
    { id: 7, until: at(30, 9) },
  ],
}

it('drops exactly the segments that a batch ending between two of them covers', () => {
  expect(cutTail(tail, at(30, 5))).toEqual({
    kind: 'cut',
    dropThrough: 4,
    tail: { from: at(30, 5), segments: [{ id: 7, until: at(30, 9) }] },
  })
})

it('keeps every segment when the batch ends where the tail begins', () => {
  expect(cutTail(tail, at(10, 0))).toEqual({ kind: 'cut', dropThrough: null, tail })
})

it('is rebuilt when the batch ends inside a segment, went back, or is ahead of the lake', () => {
  for (const batch of [at(25, 5), at(9, 0), noOffsets, at(31, 9)]) {
    expect(cutTail(tail, batch)).toEqual({ kind: 'rebuild' })
  }
})

it('is empty after a batch that covers the lake offsets', () => {
  expect(cutTail(tail, at(30, 9))).toMatchObject({ kind: 'cut', tail: { segments: [] } })
})

it('joins older segments without moving where the tail ends', () => {
  const property = fc.property(
    fc.array(fc.nat(20), { minLength: 1, maxLength: 40 }),
    fc.integer({ min: 1, max: 20 }),
    (steps, segmentsMax) => {
      let offset = 0
      const segments = steps.map((step, id) => {
        offset += step
        return { id, until: at(offset, 0) }
      })
      const long: Tail = { from: noOffsets, segments }
      const id = joinThrough(long, segmentsMax)
      const joined = id === null ? long : joinSegments(long, id)
      expect(sameOffsets(tailEnd(joined), tailEnd(long))).toBe(true)
      if (id !== null) expect(joined.segments.length).toBeLessThan(segments.length + 1)
    },
  )
  fc.assert(property)
})

/** Where the tail ends: the lake offsets that the view's answers include. */
function tailEnd(tail: Tail): Offsets {
  const last = tail.segments.at(-1)
  return last === undefined ? tail.from : last.until
}

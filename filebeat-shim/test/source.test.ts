import fc from 'fast-check'
import { expect, test } from 'vitest'
import { markerOf } from '../domain/content-marker.ts'
import { Source } from '../source.ts'

const tail = markerOf(Buffer.alloc(0))

test('the offset is that of the longest run of acknowledged chunks from the start', () => {
  const order = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.record({
      pieces: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: count, maxLength: count }),
      shuffle: fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
    }),
  )
  fc.assert(
    fc.property(order, ({ pieces, shuffle }) => {
      const source = Source.fresh({ inputId: 'a', identity: '1-2', path: '/x' })
      const waiting = [...pieces]
      const acknowledgements = pieces.flatMap((count, chunk) => {
        const acknowledge = source.sent(chunk + 1, tail, count)
        return Array.from({ length: count }, () => ({ chunk, acknowledge }))
      })
      const check = () => {
        const firstOpen = waiting.findIndex((count) => count > 0)
        expect(source.acknowledgedOffset).toBe(firstOpen === -1 ? pieces.length : firstOpen)
      }
      check()
      for (const step of shuffle) {
        if (acknowledgements.length === 0) break
        const [next] = acknowledgements.splice(step % acknowledgements.length, 1)
        next?.acknowledge()
        if (next !== undefined) waiting[next.chunk] = (waiting[next.chunk] ?? 0) - 1
        check()
      }
    }),
  )
})

test('the head marker grows with the file until it has its full length', () => {
  const source = Source.fresh({ inputId: 'a', identity: '1-2', path: '/x' })
  source.sawBytes(0, Buffer.from('ab'))
  source.sawBytes(2, Buffer.alloc(300, 'c'))
  expect(source.entry(0).head).toEqual(markerOf(Buffer.from(`ab${'c'.repeat(254)}`)))
  expect(source.contradicts(0, Buffer.from('ab'))).toBe(false)
  expect(source.contradicts(1, Buffer.from('x'))).toBe(true)
})

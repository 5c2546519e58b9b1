import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunksOf, remainingMs } from '../../domain/plan-rebuild.ts'

describe('chunksOf', () => {
  it('keeps every file in order, within the bound unless a file alone is larger', () => {
    const file = fc.record({ bytes: fc.integer({ min: 1, max: 100 }) })
    fc.assert(
      fc.property(fc.array(file), fc.integer({ min: 1, max: 200 }), (files, bytesMax) => {
        const chunks = chunksOf(files, bytesMax)
        expect(chunks.flat()).toEqual(files)
        for (const chunk of chunks) {
          const bytes = chunk.reduce((sum, one) => sum + one.bytes, 0)
          expect(chunk.length === 1 || bytes <= bytesMax).toBe(true)
        }
      }),
    )
  })

  it('puts files together as long as they fit', () => {
    const files = [3, 3, 4, 1, 20, 2].map((bytes) => ({ bytes }))
    expect(chunksOf(files, 10).map((chunk) => chunk.length)).toEqual([3, 1, 1, 1])
  })
})

describe('remainingMs', () => {
  it('goes by the pace so far and is unknown before there is one', () => {
    expect(remainingMs(0, 100, 50)).toBeNull()
    expect(remainingMs(25, 100, 1000)).toBe(3000)
    expect(remainingMs(100, 100, 1000)).toBe(0)
  })
})

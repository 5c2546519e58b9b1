import { describe, expect, it } from 'vitest'
import { planCompaction } from '../../domain/plan-compaction.ts'

const limits = { compactionFileBytesMax: 100, compactionFilesMin: 3, compactionBytesMax: 1000 }
const settled = new Map([
  [0, 50n],
  [1, 50n],
])

function file(path: string, options: { dt?: string; bytes?: number; offsetMax?: unknown } = {}) {
  const { dt = 'monday', bytes = 10, offsetMax = 49 } = options
  return {
    path,
    bytes,
    partitionValues: { dt },
    stats: { min: { _partition: 0, _offset: 0 }, max: { _partition: 1, _offset: offsetMax } },
  }
}

const pathsOf = (groups: { path: string }[][]) => groups.map((group) => group.map((f) => f.path))

describe('planCompaction', () => {
  it('merges the small settled files of a folder', () => {
    const files = [file('a'), file('b'), file('big', { bytes: 100 }), file('c')]
    expect(pathsOf(planCompaction(files, settled, limits))).toEqual([['a', 'b', 'c']])
  })

  it('leaves folders with few small files alone', () => {
    const files = [file('a'), file('b'), file('c', { dt: 'tuesday' })]
    expect(planCompaction(files, settled, limits)).toEqual([])
  })

  it('never mixes folders, and takes the fullest first', () => {
    const monday = ['a', 'b', 'c'].map((path) => file(path))
    const tuesday = ['d', 'e', 'f', 'g'].map((path) => file(path, { dt: 'tuesday' }))
    expect(pathsOf(planCompaction([...monday, ...tuesday], settled, limits))).toEqual([
      ['d', 'e', 'f', 'g'],
      ['a', 'b', 'c'],
    ])
  })

  it('leaves rows alone that a view does not cover yet, and files without statistics', () => {
    const fresh = [file('a'), file('b'), file('c', { offsetMax: 50 })]
    expect(planCompaction(fresh, settled, limits)).toEqual([])
    const unknown = [file('a'), file('b'), file('c', { offsetMax: null })]
    expect(planCompaction(unknown, settled, limits)).toEqual([])
    const oneBehind = new Map([[0, 50n]])
    expect(planCompaction([file('a'), file('b'), file('c')], oneBehind, limits)).toEqual([])
  })

  it('stops at the limit of bytes', () => {
    const files = Array.from({ length: 20 }, (_, index) => file(`${index}`, { bytes: 99 }))
    expect(planCompaction(files, settled, limits).flat()).toHaveLength(10)
  })
})

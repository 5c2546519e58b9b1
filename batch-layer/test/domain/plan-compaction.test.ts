import { describe, expect, it } from 'vitest'
import { planCompaction } from '../../domain/plan-compaction.ts'

const limits = { compactionFileBytesMax: 100, compactionFilesMin: 3, compactionBytesMax: 1000 }

function file(path: string, options: { dt?: string; bytes?: number } = {}) {
  const { dt = 'monday', bytes = 10 } = options
  return {
    path,
    bytes,
    partitionValues: { dt },
  }
}

const pathsOf = (groups: { path: string }[][]) => groups.map((group) => group.map((f) => f.path))

describe('planCompaction', () => {
  it('merges the small settled files of a folder', () => {
    const files = [file('a'), file('b'), file('big', { bytes: 100 }), file('c')]
    expect(pathsOf(planCompaction(files, limits))).toEqual([['a', 'b', 'c']])
  })

  it('leaves folders with few small files alone', () => {
    const files = [file('a'), file('b'), file('c', { dt: 'tuesday' })]
    expect(planCompaction(files, limits)).toEqual([])
  })

  it('never mixes folders, and takes the fullest first', () => {
    const monday = ['a', 'b', 'c'].map((path) => file(path))
    const tuesday = ['d', 'e', 'f', 'g'].map((path) => file(path, { dt: 'tuesday' }))
    expect(pathsOf(planCompaction([...monday, ...tuesday], limits))).toEqual([
      ['d', 'e', 'f', 'g'],
      ['a', 'b', 'c'],
    ])
  })

  it('stops at the limit of bytes', () => {
    const files = Array.from({ length: 20 }, (_, index) => file(`${index}`, { bytes: 99 }))
    expect(planCompaction(files, limits).flat()).toHaveLength(10)
  })
})

/** How large the model is. Each scope is visited completely. */
import type { Scope } from './state.ts'

const smallest: Scope = {
  name: 'everything',
  recordCounts: [1],
  workers: [[0], [0]],
  batchCount: 1,
  hasReader: true,
  tailSegmentsMax: 1,
  hotStoreDies: 'with the workers',
}

const writers: Scope = {
  ...smallest,
  name: 'two workers',
  recordCounts: [2],
  batchCount: 0,
  hasReader: false,
}

const reader: Scope = { ...smallest, name: 'reader', recordCounts: [2], workers: [[0]] }

export const scopes: readonly Scope[] = [
  smallest,
  writers,
  {
    ...writers,
    name: 'two workers, the hot store on its own',
    recordCounts: [1],
    hotStoreDies: 'alone',
  },
  { ...writers, name: 'two partitions', recordCounts: [1, 1], workers: [[0, 1], [1]] },
  reader,
  { ...reader, name: 'reader, the hot store on its own', batchCount: 0, hotStoreDies: 'alone' },
  { ...reader, name: 'reader of two partitions', recordCounts: [1, 1], workers: [[0, 1]] },
  { ...reader, name: 'two batches', batchCount: 2, hasReader: false },
]

import { describe, expect, test } from 'vitest'
import { createMemoryHotStore } from '../../hot-store/memory.ts'
import { describeHotStore, hotRange } from './conformance.ts'

describeHotStore('memory', async () => {
  const store = createMemoryHotStore({ bytesMax: 1 << 24 })
  return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
})

describe('memory hot store', () => {
  test('an append to a full store waits for a trim', async () => {
    await using store = createMemoryHotStore({ bytesMax: 1_000, fullWaitMs: 60_000 })
    await store.append('logs', hotRange(0, 0, 1, 800))
    const waiting = store.append('logs', hotRange(0, 1, 2, 800))
    await store.trim('logs', new Map([[0, 1n]]))
    expect(await waiting).toEqual({ kind: 'appended' })
  })

  test('an append to a store that stays full is refused as retryable and stores nothing', async () => {
    await using store = createMemoryHotStore({ bytesMax: 1_000, fullWaitMs: 10 })
    await store.append('logs', hotRange(0, 0, 1, 800))
    await expect(store.append('logs', hotRange(0, 1, 2, 800))).rejects.toMatchObject({
      code: 'HOT_STORE_UNAVAILABLE',
      retryable: true,
    })
    expect(await store.ends('logs')).toEqual(new Map([[0, 1n]]))
    await store.trim('logs', new Map([[0, 1n]]))
    expect(await store.append('logs', hotRange(0, 1, 2, 800))).toEqual({ kind: 'appended' })
  })

  test('a reset makes room too', async () => {
    await using store = createMemoryHotStore({ bytesMax: 1_000, fullWaitMs: 60_000 })
    await store.append('logs', hotRange(0, 0, 1, 800))
    const waiting = store.append('logs', hotRange(1, 0, 2, 800))
    await store.reset('logs', 0, 9n)
    expect(await waiting).toEqual({ kind: 'appended' })
  })

  test('a range larger than the store is taken by an empty store', async () => {
    await using store = createMemoryHotStore({ bytesMax: 1_000, fullWaitMs: 10 })
    expect(await store.append('logs', hotRange(0, 0, 1, 5_000))).toEqual({ kind: 'appended' })
  })

  test('of two appends that waited for the same offsets one is refused', async () => {
    await using store = createMemoryHotStore({ bytesMax: 1_000, fullWaitMs: 60_000 })
    await store.append('logs', hotRange(0, 0, 1, 900))
    const waiting = [1, 2].map(() => store.append('logs', hotRange(0, 1, 2, 300)))
    await store.trim('logs', new Map([[0, 1n]]))
    expect(new Set((await Promise.all(waiting)).map(({ kind }) => kind))).toEqual(
      new Set(['appended', 'refused']),
    )
  })

  test('closing ends waiting reads and refuses waiting appends', async () => {
    const store = createMemoryHotStore({ bytesMax: 1_000, fullWaitMs: 60_000 })
    await store.append('logs', hotRange(0, 0, 1, 900))
    const reading = store.read('logs', new Map([[0, 1n]]), { bytesMax: 1, waitMs: 20_000 })
    const appending = store.append('logs', hotRange(0, 1, 2, 900))
    const refused = expect(appending).rejects.toMatchObject({ code: 'HOT_STORE_UNAVAILABLE' })
    await store[Symbol.asyncDispose]()
    expect(await reading).toEqual([])
    await refused
  })
})

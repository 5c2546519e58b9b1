import { describe, expect, it } from 'vitest'
import { LayerGroup } from '../layer-group.ts'

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })

describe('LayerGroup', () => {
  it('stops when it is told to and ends layers in the order asked for', async () => {
    const stop = new AbortController()
    const group = new LayerGroup(stop.signal)
    const ended: string[] = []
    const layer = (name: string) =>
      group.start(async (signal) => {
        await untilAborted(signal)
        ended.push(name)
      })
    const [source, sink] = [layer('source'), layer('sink')]
    stop.abort()
    await group.stopped
    await group.end([source])
    await group.end([sink])
    expect(ended).toEqual(['source', 'sink'])
    group.throwFirstFailure()
  })

  it('stops all when one layer fails, and gives its error', async () => {
    const group = new LayerGroup(new AbortController().signal)
    group.start(() => Promise.reject(new Error('The disk is full.')))
    await group.stopped
    expect(() => group.throwFirstFailure()).toThrow('The disk is full.')
  })

  it('ends what runs when the start fails half way', async () => {
    let isEnded = false
    {
      await using group = new LayerGroup(new AbortController().signal)
      group.start(async (signal) => {
        await untilAborted(signal)
        isEnded = true
      })
    }
    expect(isEnded).toBe(true)
  })
})

import { expect, it } from 'vitest'
import type { SteadyClock } from '../../../stores/clock.ts'
import { changeFeed } from '../../graphql/change-feed.ts'

/** A clock that moves only by sleeping; each look at its date finds that set back by an hour. */
function fakeClock() {
  let nowMs = 0
  let elapsedMs = 0
  const slept: number[] = []
  const clock: SteadyClock = {
    now: () => {
      nowMs -= 3_600_000
      return nowMs
    },
    elapsed: () => elapsedMs,
    sleep: async (ms) => {
      slept.push(ms)
      elapsedMs += ms
    },
  }
  return { clock, slept }
}

function feedOf(next: (change: () => void) => string | null) {
  const { clock, slept } = fakeClock()
  const listeners = new Set<() => void>()
  const change = () => {
    for (const listener of listeners) listener()
  }
  let endCount = 0
  const feed = changeFeed(async () => next(change), {
    clock,
    intervalMs: 100,
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    onEnd: () => {
      endCount += 1
    },
  })
  return { feed, change, slept, listeners, ended: () => endCount }
}

it('a change during a read leads to another read', async () => {
  let reads = 0
  const { feed } = feedOf((change) => {
    reads += 1
    if (reads === 1) change()
    return `read ${reads}`
  })
  expect((await feed.next()).value).toBe('read 1')
  expect((await feed.next()).value).toBe('read 2')
  await feed.return?.()
})

it('reads are an interval apart, and nothing is sent for a read that gives null', async () => {
  let reads = 0
  const { feed, change, slept } = feedOf(() => {
    reads += 1
    return reads === 2 ? null : `read ${reads}`
  })
  await feed.next()
  const second = feed.next()
  change()
  while (reads < 2) await new Promise(setImmediate)
  change()
  expect((await second).value).toBe('read 3')
  expect(slept).toEqual([100, 100])
  await feed.return?.()
})

it('ending it while it waits ends it at once and listens no more', async () => {
  const { feed, listeners, ended } = feedOf(() => 'x')
  await feed.next()
  const waiting = feed.next()
  expect(listeners.size).toBe(1)
  await feed.return?.()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(listeners.size).toBe(0)
  expect(ended()).toBe(1)
})

it('ending it before it began never listens', async () => {
  const { feed, listeners, ended } = feedOf(() => 'x')
  await feed.return?.()
  expect(listeners.size).toBe(0)
  expect(ended()).toBe(1)
})

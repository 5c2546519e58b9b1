import { describe, expect, it } from 'vitest'
import { lingerMs, retryDelayMs } from '../../domain/linger.ts'
import { startingPoint } from '../../domain/positions.ts'

const at = (offset: bigint) => new Map([[0, offset]])
const none = new Map<number, bigint>()
const bounds = { earliest: at(0n), latest: at(100n) }

describe('the starting point', () => {
  it('is the lowest offset of the sinks', () => {
    const sinks = { raw: at(30n), rejected: at(20n), curated: at(20n), hot: at(50n) }
    expect(startingPoint('t', [0], sinks, bounds)).toEqual({
      from: at(20n),
      hot: at(50n),
      resets: none,
      begins: none,
    })
  })

  it('begins a lost or lagging hot store at the lake offsets', () => {
    const lake = { raw: at(30n), rejected: at(30n), curated: at(30n) }
    const lost = startingPoint('t', [0], { ...lake, hot: none }, bounds)
    expect(lost).toMatchObject({ from: at(30n), hot: at(30n), resets: none })
    const lagging = startingPoint('t', [0], { ...lake, hot: at(10n) }, bounds)
    expect(lagging).toMatchObject({ from: at(30n), hot: at(30n), resets: at(30n) })
  })

  it('of a new pipeline is where the log begins', () => {
    const sinks = { raw: none, rejected: none, curated: none, hot: none }
    const late = { earliest: at(7n), latest: at(9n) }
    expect(startingPoint('t', [0], sinks, late)).toMatchObject({ from: at(7n), begins: at(7n) })
  })

  it('goes on where a beginning was interrupted', () => {
    const late = { earliest: at(7n), latest: at(9n) }
    const begun = { curated: at(7n), raw: none, hot: none }
    const expected = { from: at(7n), hot: at(7n), begins: at(7n) }
    expect(startingPoint('t', [0], { ...begun, rejected: none }, late)).toMatchObject(expected)
    expect(startingPoint('t', [0], { ...begun, rejected: at(7n) }, late)).toMatchObject(expected)
  })

  it('is refused when the log lost what comes next, or never had it', () => {
    const sinks = { raw: at(5n), rejected: at(5n), curated: at(5n), hot: none }
    const starting = (earliest: bigint, latest: bigint) => () =>
      startingPoint('t', [0], sinks, { earliest: at(earliest), latest: at(latest) })
    expect(starting(8n, 9n)).toThrow('records 5 to 7 are lost')
    expect(starting(0n, 4n)).toThrow('the log is not the one that the lake was filled from')
  })
})

describe('the pause before a micro-batch', () => {
  it('fills the interval at a low rate and is none with a backlog', () => {
    const facts = { intervalMs: 70, bytesMax: 1000 }
    expect(lingerMs({ ...facts, elapsedMs: 20, bytes: 10 })).toBe(50)
    expect(lingerMs({ ...facts, elapsedMs: 90, bytes: 10 })).toBe(0)
    expect(lingerMs({ ...facts, elapsedMs: 20, bytes: 250 })).toBe(0)
  })

  it('before a retry doubles up to its limit', () => {
    expect([0, 1, 2, 50].map((attempt) => retryDelayMs(attempt, 100, 350))).toEqual([
      100, 200, 350, 350,
    ])
  })
})

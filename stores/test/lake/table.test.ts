import { describe, expect, it } from 'vitest'
import { coordinatesBelow, Lake } from './lake-fixture.ts'

describe('a lake table', () => {
  it('gives back the rows that were appended, with their offsets', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    const outcome = await lake.append(table, 0, 0n, 10n)
    expect(outcome.kind).toBe('committed')
    await lake.append(table, 1, 0n, 4n)
    expect(table.current().offsets).toEqual(
      new Map([
        [0, 10n],
        [1, 4n],
      ]),
    )
    expect(await lake.coordinates(table)).toEqual(coordinatesBelow(table.current().offsets))
  })

  it('is the same after it was opened again', async () => {
    const lake = await Lake.open()
    const table = await lake.table()
    await lake.append(table, 0, 0n, 10n)
    expect((await lake.table()).current()).toEqual(table.current())
  })
  it('is the same when it is opened from a checkpoint', async () => {
    const lake = await Lake.open()
    const failures: unknown[] = []
    const table = await lake.table({ onCheckpointFailed: (e) => failures.push(e) })
    for (let n = 0n; n < 55n; n += 1n) await lake.append(table, 0, n, n + 1n)
    expect(failures).toEqual([])
    const t = await lake.table()
    expect(t.current()).toEqual(table.current())
  })
})

/**
 * Strategy: a storage that fails at its n-th write, before or after doing it, for every n: what a
 * process leaves behind that dies there. Another process opens the folder and does the work again.
 *
 * Invariants: the table is the old or the new version; repeating the work gives every row once;
 * what the dead process left is removed by the vacuum and nothing else is.
 */
import { describe, expect, it } from 'vitest'
import type { LakeStorage } from '../../lake/storage.ts'
import { coordinatesBelow, Lake, openStorage, storageWith } from './lake-fixture.ts'

class Crash extends Error {}

interface CrashPoint {
  readonly step: number
  readonly isAfter: boolean
}

/** Counts the writes; the one at `step` throws, before or after it happened, and so do all later ones. */
function crashing(storage: LakeStorage, point: CrashPoint) {
  let steps = 0
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    steps += 1
    if (steps > point.step || (steps === point.step && !point.isAfter)) throw new Crash()
    const result = await work()
    if (steps === point.step) throw new Crash()
    return result
  }
  const wrapped = storageWith(storage, {
    putFile: (path, file) => step(() => storage.putFile(path, file)),
    put: (path, bytes) => step(() => storage.put(path, bytes)),
    putIfAbsent: (path, bytes) => step(() => storage.putIfAbsent(path, bytes)),
    remove: (paths) => step(() => storage.remove(paths)),
  })
  return { storage: wrapped, steps: () => steps }
}

async function appendOnce(lake: Lake, storage: LakeStorage) {
  const table = await lake.table({}, storage)
  const files = await lake.stage(0, 0n, 6n, storage)
  await table.append({
    files,
    from: new Map([[0, 0n]]),
    until: new Map([[0, 6n]]),
    operation: 'WRITE',
  })
}

const points = [1, 2, 3, 4].flatMap((step) => [false, true].map((isAfter) => ({ step, isAfter })))

describe('an append', () => {
  it('writes in four steps: the table, two files, the commit', async () => {
    const lake = await Lake.open()
    const counted = crashing(await openStorage(lake.root), { step: 99, isAfter: false })
    await appendOnce(lake, counted.storage)
    expect(counted.steps()).toBe(4)
  })

  it.each(points)(
    'that dies at step $step (after it: $isAfter) can be done again',
    async (point) => {
      const lake = await Lake.open()
      const broken = crashing(await openStorage(lake.root), point)
      await expect(appendOnce(lake, broken.storage)).rejects.toThrow(Crash)

      const table = await lake.table()
      const isCommitted = point.step === 4 && point.isAfter
      expect(await lake.coordinates(table)).toHaveLength(isCommitted ? 6 : 0)
      const again = await lake.append(table, 0, 0n, 6n)
      expect(again.kind).toBe(isCommitted ? 'superseded' : 'committed')
      expect(await lake.coordinates(table)).toEqual(coordinatesBelow(new Map([[0, 6n]])))

      const later = { now: () => Date.now() + 1000, sleep: () => Promise.resolve() }
      const cleaner = await lake.table({ clock: later, removedFileRetentionMs: 0 })
      await cleaner.vacuum(0)
      const data = (await lake.storage.list('http_logs')).filter((f) => f.path.endsWith('.parquet'))
      expect(data.map((file) => file.path)).toEqual(
        cleaner.current().files.map((file) => `http_logs/curated/${file.path}`),
      )
      expect(await lake.coordinates(cleaner)).toEqual(coordinatesBelow(new Map([[0, 6n]])))
    },
  )
})

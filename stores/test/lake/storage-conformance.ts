/** What every LakeStorage must do; run against each adapter, real servers included. */
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LakeStorage } from '../../lake/storage.ts'

/** `open` gives a storage of its own on one and the same place each time; the caller cleans up. */
export function describeStorageConformance(
  name: string,
  open: () => Promise<{ readonly storage: LakeStorage; readonly other: LakeStorage }>,
): void {
  describe(`lake storage: ${name}`, () => {
    it('lets exactly one of twenty concurrent creators win, and keeps the winner whole', async () => {
      const { storage, other } = await open()
      for (let round = 0; round < 5; round += 1) {
        const path = `race/${randomUUID()}.json`
        const contents = Array.from({ length: 20 }, (_, n) => Buffer.alloc(50_000, 65 + n))
        const won = await Promise.all(
          contents.map((bytes, n) => (n % 2 === 0 ? storage : other).putIfAbsent(path, bytes)),
        )
        expect(won.filter(Boolean)).toHaveLength(1)
        expect(await storage.read(path)).toEqual(contents[won.indexOf(true)])
      }
    })

    it('shows a file that is being created whole or not at all', async () => {
      const { storage, other } = await open()
      const bytes = Buffer.alloc(2_000_000, 'x')
      for (let round = 0; round < 5; round += 1) {
        const path = `whole/${round}.json`
        let isDone = false
        const creation = storage.putIfAbsent(path, bytes).finally(() => {
          isDone = true
        })
        while (!isDone) {
          const seen = await other.read(path)
          if (seen !== null) expect(seen.length).toBe(bytes.length)
        }
        await creation
        expect((await other.read(path))?.length).toBe(bytes.length)
      }
    })

    it('changes nothing when the path is taken', async () => {
      const { storage } = await open()
      expect(await storage.putIfAbsent('taken/a', Buffer.from('first'))).toBe(true)
      expect(await storage.putIfAbsent('taken/a', Buffer.from('second'))).toBe(false)
      expect(`${await storage.read('taken/a')}`).toBe('first')
    })

    it('replaces a file in one step with put', async () => {
      const { storage, other } = await open()
      const [old, fresh] = [Buffer.alloc(300_000, 'a'), Buffer.alloc(300_000, 'b')]
      await storage.put('replaced/file', old)
      const writes = (async () => {
        for (let n = 0; n < 20; n += 1) await storage.put('replaced/file', n % 2 ? old : fresh)
      })()
      for (let n = 0; n < 20; n += 1) {
        const seen = await other.read('replaced/file')
        expect(seen?.equals(old) || seen?.equals(fresh)).toBe(true)
      }
      await writes
    })

    it('moves a staged file into place', async () => {
      const { storage, other } = await open()
      const local = join(storage.stagingDirectory, 'staged.parquet')
      await writeFile(local, 'rows')
      await storage.putFile('moved/dt=a%20b/part.parquet', local)
      expect(`${await other.read('moved/dt=a%20b/part.parquet')}`).toBe('rows')
      const readable = await other.readablePath('moved/dt=a%20b/part.parquet')
      expect(`${await readFile(readable)}`).toBe('rows')
    })

    it('knows what is there and what is not', async () => {
      const { storage } = await open()
      await storage.put('known/file', Buffer.from('1'))
      expect(await storage.exists('known/file')).toBe(true)
      expect(await storage.exists('known/other')).toBe(false)
      expect(await storage.exists('nowhere/other')).toBe(false)
      expect(await storage.read('known/other')).toBeNull()
      expect(await storage.read('nowhere/other')).toBeNull()
    })

    it('lists files at any depth by path, with their sizes, and nothing else', async () => {
      const { storage } = await open()
      const before = Date.now() - 60_000
      for (const path of ['listed/b', 'listed/a/z', 'listed/a/c/d', 'listedtoo/x']) {
        await storage.put(path, Buffer.from(path))
      }
      const files = await storage.list('listed')
      expect(files.map((file) => file.path)).toEqual(['listed/a/c/d', 'listed/a/z', 'listed/b'])
      expect(files.map((file) => file.bytes)).toEqual([12, 10, 8])
      for (const { modifiedMs } of files) expect(modifiedMs).toBeGreaterThan(before)
      expect(await storage.list('nowhere')).toEqual([])
    })

    it('removes files, and does not mind those that are gone', async () => {
      const { storage } = await open()
      await storage.put('removed/a', Buffer.from('a'))
      await storage.put('removed/b', Buffer.from('b'))
      await storage.remove(['removed/a', 'removed/never', 'nowhere/never'])
      expect((await storage.list('removed')).map((file) => file.path)).toEqual(['removed/b'])
      expect(await storage.putIfAbsent('removed/a', Buffer.from('again'))).toBe(true)
    })
  })
}

import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openLocalStorage } from '../../lake/local.ts'
import { storageError } from '../../lake/storage-errors.ts'
import { openStorage, temporaryFolder } from './lake-fixture.ts'
import { describeStorageConformance } from './storage-conformance.ts'

describeStorageConformance('local', async () => {
  const root = await temporaryFolder()
  return { storage: await openStorage(root), other: await openStorage(root) }
})

describe('local lake storage', () => {
  it('refuses a root that is a file with one sentence', async () => {
    const file = join(await temporaryFolder(), 'file')
    await writeFile(file, '')
    await expect(openLocalStorage({ root: file })).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_UNUSABLE',
      message: expect.stringContaining(file),
    })
    await expect(openLocalStorage({ root: join(file, 'below') })).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_UNUSABLE',
    })
  })

  it('says that the disk is full, also when DuckDB notices it', () => {
    const system = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
    })
    const duckDb = new Error('IO Error: Could not write file "x": No space left on device')
    for (const error of [system, duckDb]) {
      expect(storageError(error, '/lake')).toMatchObject({ code: 'DISK_FULL', cause: error })
    }
    const denied = new Error('IO Error: Cannot open file "x": Permission denied')
    expect(storageError(denied, '/lake')).toMatchObject({ code: 'DATA_DIRECTORY_UNUSABLE' })
  })

  it('keeps paths below its root', async () => {
    const storage = await openStorage(await temporaryFolder())
    await expect(storage.put('../outside', Buffer.from(''))).rejects.toThrow('leaves the lake')
  })

  it('moves a file from another folder', async () => {
    const root = await temporaryFolder()
    const storage = await openStorage(root)
    const file = join(await temporaryFolder(), 'elsewhere')
    await writeFile(file, 'rows')
    await storage.putFile('table/part', file)
    expect(`${await storage.read('table/part')}`).toBe('rows')
  })

  it('removes staging folders of dead processes and keeps those of living ones', async () => {
    const root = await temporaryFolder()
    const living = await openStorage(root)
    const staging = join(root, '_staging')
    const own = basename(living.stagingDirectory)
    const [, start = ''] = own.split('-')
    const deadPid = `999999999-1-aaaa@${hostname()}`
    const reusedPid = own.replace(`-${start}-`, `-${BigInt(start) + 1n}-`)
    const otherHost = '7-1-bbbb@another-host'
    const idleHost = '7-1-cccc@another-host'
    for (const name of [deadPid, reusedPid, otherHost, idleHost]) await mkdir(join(staging, name))
    await utimes(join(staging, idleHost), 1, 1)
    const second = await openStorage(root)
    const kept = new Set([own, otherHost, basename(second.stagingDirectory)])
    expect(new Set(await readdir(staging))).toEqual(kept)
  })

  it('takes its staging folder along when it closes, and never lists staged files', async () => {
    const root = await temporaryFolder()
    const storage = await openLocalStorage({ root })
    await writeFile(join(storage.stagingDirectory, 'half'), '')
    expect(await storage.list('')).toEqual([])
    await storage[Symbol.asyncDispose]()
    expect(await readdir(join(root, '_staging'))).toEqual([])
  })
})

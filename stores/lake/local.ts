/** The lake on a local (or mounted) POSIX file system. */
import assert from 'node:assert/strict'
import {
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
} from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { systemCodeOf } from '../system-errors.ts'
import { randomName } from '../unique.ts'
import { openStagingFolder, stagingRoot } from './staging-folder.ts'
import type { LakeStorage, StoredFile } from './storage.ts'
import { storageError } from './storage-errors.ts'

/**
 * Opens the lake below `root`, creating the directory. Throws DATA_DIRECTORY_UNUSABLE or DISK_FULL,
 * here and from every method.
 */
export async function openLocalStorage({ root }: { readonly root: string }): Promise<LakeStorage> {
  const absolute = resolve(root)
  try {
    await makeFolder(absolute)
    return new LocalStorage(absolute, await openStagingFolder(absolute))
  } catch (error) {
    throw storageError(error, absolute)
  }
}

class LocalStorage implements LakeStorage {
  readonly stagingDirectory: string
  readonly #root: string

  constructor(root: string, stagingDirectory: string) {
    this.#root = root
    this.stagingDirectory = stagingDirectory
  }

  putFile(path: string, localFile: string): Promise<void> {
    return this.#guard(() => this.#moveIntoPlace(path, localFile))
  }

  put(path: string, bytes: Buffer): Promise<void> {
    return this.#guard(async () => {
      await this.#moveIntoPlace(path, await this.#writeTemporary(bytes))
    })
  }

  putIfAbsent(path: string, bytes: Buffer): Promise<boolean> {
    return this.#guard(async () => {
      const temporary = await this.#writeTemporary(bytes)
      const target = this.#locate(path)
      try {
        await makeFolder(dirname(target))
        // link() is the one call that creates a name only if it is free; the bytes are on disk already.
        await link(temporary, target)
        await syncFolder(dirname(target))
        return true
      } catch (error) {
        if (systemCodeOf(error) === 'EEXIST') return false
        throw error
      } finally {
        await unlink(temporary)
      }
    })
  }

  read(path: string): Promise<Buffer | null> {
    return this.#guard(() => orNull(readFile(this.#locate(path))))
  }

  exists(path: string): Promise<boolean> {
    return this.#guard(async () => (await orNull(stat(this.#locate(path)))) !== null)
  }

  list(folder: string): Promise<StoredFile[]> {
    return this.#guard(async () => {
      const top = this.#locate(folder)
      const entries = await orNull(readdir(top, { recursive: true, withFileTypes: true }))
      const files: StoredFile[] = []
      for (const entry of entries ?? []) {
        if (!entry.isFile()) continue
        const absolute = join(entry.parentPath, entry.name)
        const path = relative(this.#root, absolute).split(sep).join('/')
        if (path.startsWith(`${stagingRoot}/`)) continue
        // A file that is removed while we list is simply not listed.
        const found = await orNull(stat(absolute))
        if (found !== null) files.push({ path, bytes: found.size, modifiedMs: found.mtimeMs })
      }
      return files.sort((a, b) => (a.path < b.path ? -1 : 1))
    })
  }

  remove(paths: readonly string[]): Promise<void> {
    return this.#guard(async () => {
      for (const path of paths) await orNull(unlink(this.#locate(path)))
    })
  }

  readablePath(path: string): Promise<string> {
    return Promise.resolve(this.#locate(path))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.stagingDirectory, { recursive: true, force: true })
  }

  #locate(path: string): string {
    const segments = path.split('/')
    assert(!segments.includes('..') && !path.startsWith('/'), `'${path}' leaves the lake`)
    return join(this.#root, ...segments)
  }

  async #writeTemporary(bytes: Buffer): Promise<string> {
    const temporary = join(this.stagingDirectory, `${randomName()}.tmp`)
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } catch (error) {
      // On a full disk a half file would keep what little space there is.
      await rm(temporary, { force: true })
      throw error
    } finally {
      await file.close()
    }
    return temporary
  }

  async #moveIntoPlace(path: string, localFile: string): Promise<void> {
    const target = this.#locate(path)
    await makeFolder(dirname(target))
    await syncFile(localFile)
    try {
      await rename(localFile, target)
    } catch (error) {
      if (systemCodeOf(error) !== 'EXDEV') throw error
      // Another file system: the bytes must be here and durable before the name is.
      const copy = join(this.stagingDirectory, `${randomName()}.tmp`)
      await copyFile(localFile, copy)
      await syncFile(copy)
      await rename(copy, target)
      await unlink(localFile)
    }
    await syncFolder(dirname(target))
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw storageError(error, this.#root)
    }
  }
}

/** Null when there is no such file or folder. */
async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** Creates a folder whose name, and those of the folders above it that were missing, survive a power cut. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let created = folder; created.length >= first.length; created = dirname(created)) {
    await syncFolder(dirname(created))
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

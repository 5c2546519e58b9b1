/**
 * A folder for files that live for milliseconds between two DuckDB statements. In memory where the
 * system has a memory file system, since nothing in it needs to survive anything.
 */
import { access, constants, mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const memoryFileSystem = '/dev/shm'
const prefix = 'millrace-'
let created = 0

export interface Scratch extends AsyncDisposable {
  readonly directory: string
}

/** Creates an empty folder of this process; folders of processes that are gone are removed. */
export async function openScratch(): Promise<Scratch> {
  const parent = await scratchParent()
  await removeStale(parent)
  created += 1
  const directory = join(parent, `${prefix}${process.pid}-${created}`)
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  return {
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

async function scratchParent(): Promise<string> {
  try {
    await access(memoryFileSystem, constants.W_OK)
    return memoryFileSystem
  } catch {
    return tmpdir()
  }
}

async function removeStale(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(/^millrace-(\d+)-\d+$/.exec(name)?.[1] ?? Number.NaN)
    if (!Number.isNaN(pid) && !isAlive(pid)) {
      // Another process may be removing the same folder, or it may belong to another user.
      await rm(join(parent, name), { recursive: true, force: true }).catch(() => {})
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * A folder for files that live for milliseconds between two DuckDB statements. In memory where the
 * system has a memory file system, since nothing in it needs to survive anything.
 */
import { access, constants, mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRunning, pidNamespace, startTicksOf } from './process-identity.ts'
import { randomName } from './unique.ts'

const memoryFileSystem = '/dev/shm'
/** What must be free in memory: micro-batches and hot ranges of several pipelines at once. */
const memoryBytesMin = 512 * 1024 * 1024

export interface Scratch extends AsyncDisposable {
  readonly directory: string
}

/** Creates an empty folder of this process; folders of processes that are gone are removed. */
export async function openScratch(): Promise<Scratch> {
  const parent = await scratchParent()
  await removeStale(parent)
  const start = startTicksOf(process.pid) ?? '0'
  const name = `millrace-${pidNamespace() || 0}-${process.pid}-${start}-${randomName()}`
  const directory = join(parent, name)
  await mkdir(directory, { mode: 0o700 })
  return {
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/**
 * Makes the folder again when somebody took it away: a system may clear a user's shared memory when
 * the user logs out. Returns whether it was gone; what was in it has to be written again.
 */
export async function restoreScratch(directory: string): Promise<boolean> {
  return (await mkdir(directory, { recursive: true, mode: 0o700 })) !== undefined
}

async function scratchParent(): Promise<string> {
  try {
    await access(memoryFileSystem, constants.W_OK)
    const { bavail, bsize } = await statfs(memoryFileSystem)
    // In a container it is often too small for a few micro-batches: a slower place is better than a full one.
    return bavail * bsize >= memoryBytesMin ? memoryFileSystem : tmpdir()
  } catch {
    // Not Linux.
    return tmpdir()
  }
}

async function removeStale(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const [, space, pid, start] = /^millrace-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/.exec(name) ?? []
    if (pid === undefined || start === undefined) continue
    // Containers may share this memory: whether a process of another one runs cannot be asked here.
    if (space !== (pidNamespace() || '0') || isRunning(Number(pid), start)) continue
    // Another process may be removing the same folder, or it may belong to another user.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {})
  }
}

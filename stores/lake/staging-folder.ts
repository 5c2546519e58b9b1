/**
 * The folder in which one process prepares files, and the removal of those whose process has died.
 * A folder is named `<pid>-<start>-<unique>@<host>`: a pid alone is used again after a restart, in
 * containers nearly always.
 */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { randomName } from './unique.ts'

export const stagingRoot = '_staging'

/** A folder of another host is left alone until nothing has happened in it for this long. */
const foreignIdleMsMax = 24 * 60 * 60 * 1000

export async function openStagingFolder(root: string): Promise<string> {
  const parent = join(root, stagingRoot)
  await mkdir(parent, { recursive: true })
  for (const name of await readdir(parent)) {
    if (await isStale(parent, name)) await rm(join(parent, name), { recursive: true, force: true })
  }
  const start = (await startOf(process.pid)) ?? '0'
  const folder = join(parent, `${process.pid}-${start}-${randomName()}@${hostname()}`)
  await mkdir(folder)
  return folder
}

async function isStale(parent: string, name: string): Promise<boolean> {
  const match = /^(\d+)-(\d+)-[0-9a-f]+@(.*)$/.exec(name)
  const [, pid, start, host] = match ?? []
  if (pid === undefined || host !== hostname()) {
    const folder = await stat(join(parent, name)).catch(() => null)
    return folder !== null && Date.now() - folder.mtimeMs > foreignIdleMsMax
  }
  const runningStart = await startOf(Number(pid))
  if (runningStart !== null) return runningStart !== start
  return !isRunning(Number(pid))
}

/** When a process started, in the kernel's ticks; null when it is not running or there is no /proc. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  // The program's name, in parentheses, may hold spaces; the start is the 20th field after it.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

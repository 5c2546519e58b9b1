/**
 * The folder in which one process prepares files, and the removal of those whose process has died.
 * A folder is named `<pid>-<start>-<unique>@<host>`: a pid alone is used again after a restart, in
 * containers nearly always.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isRunning, startTicksOf } from '../process-identity.ts'
import { randomName } from '../unique.ts'

export const stagingRoot = '_staging'

/** A folder of another host is left alone until nothing has happened in it for this long. */
const foreignIdleMsMax = 24 * 60 * 60 * 1000

export async function openStagingFolder(root: string): Promise<string> {
  const parent = join(root, stagingRoot)
  await mkdir(parent, { recursive: true })
  for (const name of await readdir(parent)) {
    if (await isStale(parent, name)) await rm(join(parent, name), { recursive: true, force: true })
  }
  const start = startTicksOf(process.pid) ?? '0'
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
  return !isRunning(Number(pid), start ?? null)
}

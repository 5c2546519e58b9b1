/**
 * A lock between processes, as files of one folder: `<name>.lock.<generation>`. The highest generation
 * is the lock. It is created whole by `link()`, which only one process can win, and is never removed
 * by anybody but the holder of a higher one; letting go marks it as free. So a lock whose
 * holder died is taken over by creating the next generation, and two that try cannot both win.
 */

import { randomUUID } from 'node:crypto'
import { link, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import { isRunning, startTicksOf } from './process-identity.ts'
import { systemCodeOf, systemError } from './system-errors.ts'

/** Who holds the lock, to be named in a sentence. */
export interface LockHolder {
  readonly pid: number
  readonly host: string
  /** Clock ticks from boot to the process's start, so that a reused pid is not taken for it; null where unknown. */
  readonly startTicks: string | null
  /** What it does, e.g. `millrace up`. */
  readonly purpose: string
  readonly isFree: boolean
}

export type LockOutcome =
  | { readonly kind: 'acquired'; readonly lock: AsyncDisposable }
  | { readonly kind: 'held'; readonly holder: LockHolder }

/** A holder on another host is believed to be alive while its file is younger than this. */
const foreignSilenceMsMax = 30_000
const heartbeatMs = 5000

/**
 * Takes the lock `name` of a folder (created if absent), or says who has it. Does not wait.
 *
 * @throws MillraceError DISK_FULL, DATA_DIRECTORY_UNUSABLE, also when it is let go.
 */
export async function acquireProcessLock(
  folder: string,
  name: string,
  purpose: string,
): Promise<LockOutcome> {
  try {
    return await takeOrName(folder, name, purpose)
  } catch (error) {
    throw lockError(error, folder, name)
  }
}

function lockError(error: unknown, folder: string, name: string): unknown {
  return systemError(error, `The lock '${name}' in '${folder}'`)
}

async function takeOrName(folder: string, name: string, purpose: string): Promise<LockOutcome> {
  await mkdir(folder, { recursive: true })
  for (;;) {
    const generation = await highestGeneration(folder, name)
    if (generation > 0) {
      const path = lockPath(folder, name, generation)
      const holder = await readHolder(path)
      // Removed meanwhile: somebody took a higher generation.
      if (holder === null) continue
      if (await isAlive(holder, path)) return { kind: 'held', holder }
    }
    const lock = await tryGeneration(folder, name, generation + 1, purpose)
    if (lock !== null) return { kind: 'acquired', lock }
  }
}

function lockPath(folder: string, name: string, generation: number): string {
  return join(folder, `${name}.lock.${generation}`)
}

async function generationsOf(folder: string, name: string): Promise<number[]> {
  const start = `${name}.lock.`
  const names = (await readdir(folder)).filter((file) => file.startsWith(start))
  return names.map((file) => Number(file.slice(start.length))).filter(Number.isInteger)
}

async function highestGeneration(folder: string, name: string): Promise<number> {
  return Math.max(0, ...(await generationsOf(folder, name)))
}

/** Null when another process was faster. */
async function tryGeneration(
  folder: string,
  name: string,
  generation: number,
  purpose: string,
): Promise<AsyncDisposable | null> {
  const path = lockPath(folder, name, generation)
  if (!(await createWhole(folder, path, purpose))) return null
  // One that read the folder long ago may create a generation that others have already passed.
  if ((await highestGeneration(folder, name)) > generation) {
    await rm(path, { force: true })
    return null
  }
  for (const old of await generationsOf(folder, name)) {
    if (old < generation) await rm(lockPath(folder, name, old), { force: true })
  }
  return holdLock(path, purpose, (error) => lockError(error, folder, name))
}

/** Creates the file with its content in one step; false if it exists. */
async function createWhole(folder: string, path: string, purpose: string): Promise<boolean> {
  const draft = join(folder, `.${randomUUID()}.draft`)
  try {
    await writeFile(draft, contentOf(purpose, false))
    await link(draft, path)
    return true
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

function holdLock(
  path: string,
  purpose: string,
  errorOf: (error: unknown) => unknown,
): AsyncDisposable {
  const heartbeat = setInterval(() => {
    const now = new Date()
    // A missed heartbeat is made up for by the next one; only other hosts look at them.
    utimes(path, now, now).catch(() => {})
  }, heartbeatMs)
  heartbeat.unref()
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(heartbeat)
      await writeFile(path, contentOf(purpose, true)).catch((error: unknown) => {
        const failure = errorOf(error)
        // The file was emptied before there was no room for its words, and an empty one is free.
        const isEmptied = failure instanceof MillraceError && failure.code === 'DISK_FULL'
        if (!isEmptied) throw failure
      })
    },
  }
}

function contentOf(purpose: string, isFree: boolean): string {
  const startTicks = startTicksOf(process.pid)
  const holder: LockHolder = { pid: process.pid, host: hostname(), startTicks, purpose, isFree }
  return JSON.stringify(holder)
}

async function readHolder(path: string): Promise<LockHolder | null> {
  try {
    const text = await readFile(path, 'utf8')
    // Only letting go rewrites the file in place, so a half-written one is a free one.
    return text.endsWith('}') ? (JSON.parse(text) as LockHolder) : { ...nobody }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null
    throw error
  }
}

const nobody: LockHolder = { pid: 0, host: '', startTicks: null, purpose: '', isFree: true }

async function isAlive(holder: LockHolder, path: string): Promise<boolean> {
  if (holder.isFree) return false
  if (holder.host !== hostname()) {
    // Gone since it was read: a higher generation exists, and taking the next one will show it.
    const modifiedMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    )
    return Date.now() - modifiedMs < foreignSilenceMsMax
  }
  return isRunning(holder.pid, holder.startTicks)
}

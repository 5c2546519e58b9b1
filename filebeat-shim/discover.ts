/** Walks the directories of the inputs' paths and finds the files that match. */
import type { BigIntStats } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { InputConfig } from './config/input.ts'
import { type Glob, type GlobVisit, matchEntry, parseGlob, startOf } from './domain/glob.ts'

export interface FoundFile {
  readonly input: InputConfig
  readonly path: string
  /** `inode-device`. */
  readonly identity: string
  readonly size: number
  /** Epoch ms. */
  readonly modifiedAtMs: number
}

export interface Discovery {
  /** By input id and identity. A file with two matching paths appears once. */
  readonly files: ReadonlyMap<string, FoundFile>
  /** Every directory that was read or missing: what to watch. */
  readonly directories: ReadonlySet<string>
}

export function fileKey(inputId: string, identity: string): string {
  return `${inputId}\n${identity}`
}

export function identityOf(stats: BigIntStats): string {
  return `${stats.ino}-${stats.dev}`
}

interface PreparedInput {
  readonly input: InputConfig
  readonly globs: readonly Glob[]
}

/** Relative paths are below the working directory. */
export function prepareInputs(inputs: readonly InputConfig[]): readonly PreparedInput[] {
  return inputs.map((input) => ({
    input,
    globs: input.paths.map((path) => parseGlob(resolve(path), input.recursiveGlob)),
  }))
}

export async function discover(inputs: readonly PreparedInput[]): Promise<Discovery> {
  const files = new Map<string, FoundFile>()
  const directories = new Set<string>()
  for (const { input, globs } of inputs) {
    for (const glob of globs) await walk(glob, startOf(glob), { input, files, directories })
  }
  return { files, directories }
}

interface Walk {
  readonly input: InputConfig
  readonly files: Map<string, FoundFile>
  readonly directories: Set<string>
}

async function walk(glob: Glob, visit: GlobVisit, context: Walk): Promise<void> {
  context.directories.add(visit.directory)
  const entries = await entriesOf(visit.directory)
  const matches: string[] = []
  for (const { name, isDirectory } of entries) {
    const { isMatch, below } = matchEntry(glob, visit, name)
    if (isMatch && !isDirectory) matches.push(childPath(visit.directory, name))
    if (isDirectory) for (const next of below) await walk(glob, next, context)
  }
  const wanted = matches.filter((path) => isWanted(path, context.input))
  for (const found of await Promise.all(wanted.map((path) => look(path, context.input)))) {
    if (found === null) continue
    const key = fileKey(found.input.id, found.identity)
    if (!context.files.has(key)) context.files.set(key, found)
  }
}

async function entriesOf(directory: string) {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    // A link to a directory is not followed by **, so that a loop of links ends.
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
  } catch {
    // Not there yet, or not readable yet: the next scan looks again.
    return []
  }
}

/** Compressed files are left out: they hold lines that were sent before they were compressed. */
function isWanted(path: string, { excludeFiles, includeFiles }: InputConfig): boolean {
  if (path.endsWith('.gz')) return false
  if (includeFiles.length > 0 && !includeFiles.some((pattern) => pattern.test(path))) return false
  return !excludeFiles.some((pattern) => pattern.test(path))
}

async function look(path: string, input: InputConfig): Promise<FoundFile | null> {
  try {
    const stats = await (input.symlinks ? stat : lstat)(path, { bigint: true })
    if (!stats.isFile()) return null
    return {
      input,
      path,
      identity: identityOf(stats),
      size: Number(stats.size),
      modifiedAtMs: Number(stats.mtimeMs),
    }
  } catch {
    // Gone between the listing and the look: the next scan sees what became of it.
    return null
  }
}

/** Where files of these identities are now in a directory, whatever their names: rotated files. */
export async function findByIdentity(directory: string, identities: ReadonlySet<string>) {
  const found = new Map<string, string>()
  for (const { name, isDirectory } of await entriesOf(directory)) {
    if (isDirectory) continue
    const path = childPath(directory, name)
    const stats = await lstat(path, { bigint: true }).catch(() => null)
    if (stats?.isFile() !== true) continue
    const identity = identityOf(stats)
    if (identities.has(identity)) found.set(identity, path)
  }
  return found
}

function childPath(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`
}

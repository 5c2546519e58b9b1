/**
 * The registry: what the event log has acknowledged of every file, in one JSON file that is replaced
 * whole. A crash leaves the old file or the new one, and perhaps a temporary file that nobody reads.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { MillraceError } from '../core/errors.ts'

const formatName = 'millrace-shipper-registry'
const formatVersion = 1

const marker = z.object({ bytes: z.number().int().nonnegative(), hash: z.string() })

const entrySchema = z.object({
  input: z.string(),
  /** Inode and device. */
  identity: z.string(),
  /** Minted once per content: a truncated file and a reused inode get a new one. */
  source: z.string(),
  path: z.string(),
  /** Start of the first line that is not acknowledged, in bytes. */
  offset: z.number().int().nonnegative(),
  head: marker,
  tail: marker,
  /** Epoch ms. */
  seenAtMs: z.number(),
})

const registrySchema = z.object({
  format: z.literal(formatName),
  version: z.literal(formatVersion),
  /** The `agent.id` of the envelope: the same for every run on this registry. */
  shipperId: z.string(),
  entries: z.array(entrySchema),
})

export type RegistryEntry = Readonly<z.infer<typeof entrySchema>>

export interface RegistryContent {
  readonly shipperId: string
  readonly entries: readonly RegistryEntry[]
}

/** Throws REGISTRY_INVALID for a file that this version did not write or that is damaged. */
export async function readRegistry(path: string): Promise<RegistryContent> {
  const text = await readIfPresent(path)
  if (text === null) return { shipperId: randomUUID(), entries: [] }
  const content = parseJson(text)
  const version = versionOf(content)
  if (version !== null && version > formatVersion) {
    throw new MillraceError(
      'REGISTRY_INVALID',
      `Registry refused: '${path}' has version ${version}, expected ${formatVersion}. ` +
        'A newer shipper wrote it: start that one, or delete the file to send every file again.',
      { details: { path, version } },
    )
  }
  const parsed = registrySchema.safeParse(content)
  if (parsed.success) return parsed.data
  throw new MillraceError(
    'REGISTRY_INVALID',
    `Registry refused: '${path}' is damaged or is no registry. ` +
      'Restore it from a backup, or delete the file to send every file again.',
    { cause: parsed.error, details: { path } },
  )
}

/** Replaces the registry. When it returns, the new content survives a power failure. */
export async function writeRegistry(path: string, content: RegistryContent): Promise<void> {
  const text = JSON.stringify({ format: formatName, version: formatVersion, ...content })
  const temporary = `${path}.tmp`
  await mkdir(dirname(path), { recursive: true })
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  // Commit point: after this rename and the sync of its directory the offsets are the new ones.
  await rename(temporary, path)
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function readIfPresent(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    // Damaged: refused by the schema with one sentence.
    return null
  }
}

function versionOf(content: unknown): number | null {
  const shape = z.object({ format: z.literal(formatName), version: z.number() }).safeParse(content)
  return shape.success ? shape.data.version : null
}

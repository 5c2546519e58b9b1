/** Opens a file and decides from the registry and from its content where to begin. */
import { type FileHandle, open } from 'node:fs/promises'
import type { FoundFile } from './discover.ts'
import { identityOf } from './discover.ts'
import { markerBytesMax, markerOf } from './domain/content-marker.ts'
import { type Resumption, resumeAt } from './domain/resume.ts'
import type { RegistryEntry } from './registry.ts'
import { Source } from './source.ts'

export interface OpenedFile {
  readonly handle: FileHandle
  readonly source: Source
  readonly offset: number
  /** The bytes right before `offset`, 256 at most. */
  readonly before: Buffer
  readonly size: number
  readonly resumption: Resumption
}

interface OpenOptions {
  readonly saved: RegistryEntry | undefined
  /** A file without a saved position is read from its end. */
  readonly isSkippedWhenNew: boolean
}

/**
 * Null when the path leads to another file by now: the next scan sees that one. Throws what the
 * operating system says when the file cannot be opened or read.
 */
export async function openFile(
  { path, identity, input }: Pick<FoundFile, 'path' | 'identity' | 'input'>,
  { saved, isSkippedWhenNew }: OpenOptions,
): Promise<OpenedFile | null> {
  const handle = await open(path, 'r')
  try {
    const stats = await handle.stat({ bigint: true })
    if (identityOf(stats) !== identity || !stats.isFile()) {
      await handle.close()
      return null
    }
    const size = Number(stats.size)
    const head = await readAt(handle, 0, Math.min(size, markerBytesMax))
    const tailFrom = saved === undefined ? 0 : saved.offset - saved.tail.bytes
    const tail = saved === undefined ? head : await readAt(handle, tailFrom, saved.tail.bytes)
    const savedHead = head.subarray(0, saved?.head.bytes ?? 0)
    const resumption = resumeAt(saved, { size, head: savedHead, tail })
    if (saved !== undefined && resumption.kind === 'continue') {
      const before = await readBefore(handle, saved.offset)
      const { source: id, offset, tail: marker } = saved
      const at = { inputId: input.id, identity, path, id, offset, tail: marker, head }
      const source = new Source({ ...at, isRecorded: true })
      return { handle, source, offset, before, size, resumption }
    }
    const offset = resumption.kind === 'new' && isSkippedWhenNew ? size : 0
    const before = await readBefore(handle, offset)
    const source = Source.fresh({ inputId: input.id, identity, path })
    source.sawBytes(0, head)
    source.sent(offset, markerOf(before), 0)
    return { handle, source, offset, before, size, resumption }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function readBefore(handle: FileHandle, offset: number): Promise<Buffer> {
  const bytes = Math.min(offset, markerBytesMax)
  return await readAt(handle, offset - bytes, bytes)
}

async function readAt(handle: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  if (bytes === 0 || offset < 0) return Buffer.alloc(0)
  const buffer = Buffer.alloc(bytes)
  const { bytesRead } = await handle.read(buffer, 0, bytes, offset)
  return buffer.subarray(0, bytesRead)
}

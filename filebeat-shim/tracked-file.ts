/** An open file and how far it is read. The descriptor outlives renames and deletion. */
import type { FileHandle } from 'node:fs/promises'
import type { InputConfig } from './config/input.ts'
import { type ContentMarker, markerBytesMax, markerOf } from './domain/content-marker.ts'
import { type EmitLine, LineAssembler } from './domain/line-assembler.ts'
import type { RecordMaker } from './encode-record.ts'
import type { Source } from './source.ts'

export type ReadOutcome =
  | { readonly kind: 'read'; readonly bytes: number; readonly isAtEnd: boolean }
  | { readonly kind: 'end' }
  | { readonly kind: 'truncated'; readonly reason: 'shorter' | 'other content' }

interface Start {
  readonly handle: FileHandle
  readonly input: InputConfig
  readonly source: Source
  readonly maker: RecordMaker
  readonly offset: number
  /** The bytes right before `offset`, 256 at most. */
  readonly before: Buffer
  readonly lineBytesMax: number
}

const noBytes: Buffer = Buffer.alloc(0)

export class TrackedFile {
  readonly input: InputConfig
  readonly handle: FileHandle
  readonly #lineBytesMax: number
  source: Source
  maker: RecordMaker
  /** No path of the input leads here any more: it was renamed out of the paths or deleted. */
  isGone = false
  isQueued = false
  /** Of the last new byte, or of opening, ms elapsed. */
  grewAtMs: number
  pollDelayMs = 0
  /** ms elapsed. */
  pollAtMs = 0
  #assembler: LineAssembler
  #position: number
  #before: Buffer
  #checkedMtimeMs = -1
  #isInNulPrefix: boolean
  #resumeTail: ContentMarker

  constructor(start: Start, elapsedMs: number) {
    this.input = start.input
    this.handle = start.handle
    this.source = start.source
    this.maker = start.maker
    this.grewAtMs = elapsedMs
    this.#lineBytesMax = start.lineBytesMax
    this.#assembler = new LineAssembler(start.lineBytesMax, start.offset)
    this.#position = start.offset
    this.#before = start.before
    this.#isInNulPrefix = start.offset === 0
    this.#resumeTail = markerOf(start.before)
  }

  /** Start of the first line that is not complete. */
  get resumeOffset(): number {
    return this.#assembler.resumeOffset
  }

  /** Marks the bytes right before {@link resumeOffset}. */
  get resumeTail(): ContentMarker {
    return this.#resumeTail
  }

  get hasOpenLine(): boolean {
    return this.#assembler.openBytes > 0
  }

  get position(): number {
    return this.#position
  }

  /** The file's time of change when it was last looked into, epoch ms as a scan gives it; -1: never. */
  get checkedMtimeMs(): number {
    return Math.trunc(this.#checkedMtimeMs)
  }

  /**
   * Reads `bytesMax` new bytes at most. The read begins at the 256 bytes before them, which must be
   * those of the last read, and the start of the file must be what it was: so a file that was
   * truncated and has grown past our position is noticed in the same moment in which it is read.
   */
  async read(bytesMax: number, emit: EmitLine): Promise<ReadOutcome> {
    const { size, mtimeMs } = await this.handle.stat()
    if (size < this.#position) return { kind: 'truncated', reason: 'shorter' }
    const wanted = Math.min(size - this.#position, bytesMax)
    if (wanted === 0 && mtimeMs === this.#checkedMtimeMs) return { kind: 'end' }
    const overlap = this.#before.length
    const buffer = Buffer.allocUnsafe(overlap + wanted)
    const from = this.#position - overlap
    const [{ bytesRead }, head] = await Promise.all([
      this.handle.read(buffer, 0, buffer.length, from),
      this.#readHead(from),
    ])
    if (bytesRead < overlap) return { kind: 'truncated', reason: 'shorter' }
    const found = buffer.subarray(0, bytesRead)
    const isOther = this.source.contradicts(0, head) || this.source.contradicts(from, found)
    if (isOther || !found.subarray(0, overlap).equals(this.#before)) {
      return { kind: 'truncated', reason: 'other content' }
    }
    this.#checkedMtimeMs = mtimeMs
    if (bytesRead === overlap) return { kind: 'end' }
    this.#take(found, overlap, emit)
    return { kind: 'read', bytes: bytesRead - overlap, isAtEnd: this.#position >= size }
  }

  /** The start of the file, unless the read at `from` sees it anyway. */
  async #readHead(from: number): Promise<Buffer> {
    if (from === 0) return noBytes
    const buffer = Buffer.allocUnsafe(markerBytesMax)
    const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, 0)
    return buffer.subarray(0, bytesRead)
  }

  /** Sends the last line without its newline: only when the file cannot complete it any more. */
  flush(emit: EmitLine): void {
    this.#assembler.flush(emit)
    this.#resumeTail = markerOf(this.#before)
  }

  /** The file has other content now: it is read from its start as another source. */
  restart(source: Source, maker: RecordMaker): void {
    this.source = source
    this.maker = maker
    this.#assembler = new LineAssembler(this.#lineBytesMax, 0)
    this.#position = 0
    this.#before = noBytes
    this.#checkedMtimeMs = -1
    this.#isInNulPrefix = true
    this.#resumeTail = markerOf(noBytes)
  }

  #take(buffer: Buffer, overlap: number, emit: EmitLine): void {
    const chunk = buffer.subarray(overlap)
    const nulBytes = this.#isInNulPrefix ? nulPrefixOf(chunk) : 0
    // A writer that kept its position after a truncation leaves a hole at the start of the file.
    if (nulBytes > 0) this.#assembler.skip(nulBytes)
    if (nulBytes < chunk.length) this.#isInNulPrefix = false
    this.source.sawBytes(this.#position, chunk)
    const resumedAt = this.#assembler.resumeOffset
    this.#assembler.push(chunk.subarray(nulBytes), emit)
    if (this.#assembler.resumeOffset !== resumedAt || nulBytes > 0) {
      const end = overlap + this.#assembler.resumeOffset - this.#position
      this.#resumeTail = markerOf(buffer.subarray(Math.max(0, end - markerBytesMax), end))
    }
    this.#position += chunk.length
    // Copied: it must not hold the read buffer.
    this.#before = Buffer.from(buffer.subarray(Math.max(0, buffer.length - markerBytesMax)))
  }
}

function nulPrefixOf(chunk: Buffer): number {
  let length = 0
  while (length < chunk.length && chunk[length] === 0) length += 1
  return length
}

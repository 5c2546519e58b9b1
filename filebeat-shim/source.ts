/** One content of one file: from the moment it is first seen until it is truncated or gone. */
import { randomBytes } from 'node:crypto'
import { type ContentMarker, markerBytesMax, markerOf } from './domain/content-marker.ts'
import type { RegistryEntry } from './registry.ts'

interface Chunk {
  readonly resumeOffset: number
  readonly tail: ContentMarker
  waiting: number
}

interface SourceStart {
  readonly inputId: string
  readonly identity: string
  readonly path: string
  readonly id: string
  readonly offset: number
  readonly tail: ContentMarker
  readonly head: Buffer
  /** The registry on disk names this source already. */
  readonly isRecorded: boolean
}

const noBytes = Buffer.alloc(0)

export class Source {
  readonly id: string
  readonly inputId: string
  readonly identity: string
  path: string
  isRecorded: boolean
  #offset: number
  #tail: ContentMarker
  #head: Buffer
  /** Chunks that were sent and are not acknowledged, in the order of the file. */
  readonly #chunks: Chunk[] = []

  constructor(start: SourceStart) {
    this.id = start.id
    this.inputId = start.inputId
    this.identity = start.identity
    this.path = start.path
    this.isRecorded = start.isRecorded
    this.#offset = start.offset
    this.#tail = start.tail
    this.#head = start.head
  }

  /** A new content. Its id says inode and device and is never used again. */
  static fresh(at: { readonly inputId: string; readonly identity: string; readonly path: string }) {
    const id = `${at.identity}-${randomBytes(6).toString('hex')}`
    const tail = markerOf(noBytes)
    return new Source({ ...at, id, offset: 0, tail, head: noBytes, isRecorded: false })
  }

  get acknowledgedOffset(): number {
    return this.#offset
  }

  get hasUnacknowledged(): boolean {
    return this.#chunks.length > 0
  }

  /** `bytes` were read at `offset` and are not what the start of this content was seen to be. */
  contradicts(offset: number, bytes: Buffer): boolean {
    if (offset >= this.#head.length) return false
    const known = this.#head.subarray(offset, offset + bytes.length)
    return !known.equals(bytes.subarray(0, known.length))
  }

  /** `bytes` were read at `offset`: the head marker grows until it has its full length. */
  sawBytes(offset: number, bytes: Buffer): void {
    const headLength = this.#head.length
    if (headLength >= markerBytesMax || offset > headLength) return
    const more = bytes.subarray(headLength - offset, markerBytesMax - offset)
    if (more.length > 0) this.#head = Buffer.concat([this.#head, more])
  }

  /**
   * Registers a chunk that was sent in `pieces` pieces. The returned function is called once per piece
   * when it is acknowledged; the offset moves only when everything before it is acknowledged too.
   */
  sent(resumeOffset: number, tail: ContentMarker, pieces: number): () => void {
    const chunk: Chunk = { resumeOffset, tail, waiting: pieces }
    this.#chunks.push(chunk)
    this.#settle()
    return () => {
      chunk.waiting -= 1
      this.#settle()
    }
  }

  entry(seenAtMs: number): RegistryEntry {
    return {
      input: this.inputId,
      identity: this.identity,
      source: this.id,
      path: this.path,
      offset: this.#offset,
      head: markerOf(this.#head),
      tail: this.#tail,
      seenAtMs,
    }
  }

  #settle(): void {
    let settled = 0
    for (const chunk of this.#chunks) {
      if (chunk.waiting > 0) break
      this.#offset = chunk.resumeOffset
      this.#tail = chunk.tail
      settled += 1
    }
    if (settled > 0) this.#chunks.splice(0, settled)
  }
}

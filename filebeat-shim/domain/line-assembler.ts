/** Chunks of a file in, whole lines out, for every way to cut the file into chunks. */

const newline = 0x0a
const carriageReturn = 0x0d

/**
 * Receives one line without its terminator. `value` is a view of the pushed chunk wherever the line
 * lies in it whole; `offset` is the byte offset in the file at which the line starts.
 */
export type EmitLine = (value: Buffer, offset: number, isTruncated: boolean) => void

/**
 * Lines end with \n; one \r before it belongs to the terminator. A line of more than `lineBytesMax`
 * bytes is cut there (never inside a UTF-8 character), flagged, and its tail is skipped up to the
 * newline, so memory is bounded by one line. Bytes after the last newline are kept until they are
 * completed, flushed or discarded.
 */
export class LineAssembler {
  readonly #lineBytesMax: number
  #lineStart: number
  /** The first `lineBytesMax + 1` bytes of the open line: one more, because it may be the \r. */
  #kept: Buffer[] = []
  #keptBytes = 0
  #openBytes = 0

  constructor(lineBytesMax: number, startOffset: number) {
    this.#lineBytesMax = lineBytesMax
    this.#lineStart = startOffset
  }

  /** Where reading resumes so that no complete line is repeated and none is missed. */
  get resumeOffset(): number {
    return this.#lineStart
  }

  /** Bytes after the last newline. */
  get openBytes(): number {
    return this.#openBytes
  }

  push(chunk: Buffer, emit: EmitLine): void {
    let start = 0
    if (this.#openBytes > 0) {
      const end = chunk.indexOf(newline)
      if (end === -1) {
        this.#keep(chunk)
        return
      }
      this.#keep(chunk.subarray(0, end))
      this.#emitOpen(emit, true)
      start = end + 1
    }
    const fileOffsetOfChunk = this.#lineStart - start
    for (let end = chunk.indexOf(newline, start); end !== -1; ) {
      this.#emitWhole(chunk, start, end, fileOffsetOfChunk + start, emit)
      start = end + 1
      end = chunk.indexOf(newline, start)
    }
    this.#lineStart = fileOffsetOfChunk + start
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  /** Emits the bytes after the last newline as a line: for a file that will not grow any more. */
  flush(emit: EmitLine): void {
    if (this.#openBytes > 0) this.#emitOpen(emit, false)
  }

  /** Passes over bytes that are no part of any line; only between two lines. */
  skip(bytes: number): void {
    this.#lineStart += bytes
  }

  #emitWhole(chunk: Buffer, start: number, end: number, offset: number, emit: EmitLine): void {
    const contentEnd = end > start && chunk[end - 1] === carriageReturn ? end - 1 : end
    if (contentEnd - start <= this.#lineBytesMax) {
      emit(chunk.subarray(start, contentEnd), offset, false)
    } else {
      emit(cutAtCharacter(chunk.subarray(start, contentEnd), this.#lineBytesMax), offset, true)
    }
  }

  #keep(piece: Buffer): void {
    const room = this.#lineBytesMax + 1 - this.#keptBytes
    this.#openBytes += piece.length
    if (room <= 0) return
    // Copied, so that a few open bytes do not hold a whole read buffer.
    const kept = Buffer.from(piece.subarray(0, room))
    this.#kept.push(kept)
    this.#keptBytes += kept.length
  }

  #emitOpen(emit: EmitLine, isTerminated: boolean): void {
    const bytes = this.#kept.length === 1 ? this.#kept[0] : undefined
    const line = bytes ?? Buffer.concat(this.#kept, this.#keptBytes)
    const offset = this.#lineStart
    const isKeptWhole = this.#openBytes === this.#keptBytes
    this.#lineStart += this.#openBytes + (isTerminated ? 1 : 0)
    this.#kept = []
    this.#keptBytes = 0
    this.#openBytes = 0
    const endsInReturn = isTerminated && isKeptWhole && line[line.length - 1] === carriageReturn
    const contentEnd = endsInReturn ? line.length - 1 : line.length
    if (contentEnd <= this.#lineBytesMax) emit(line.subarray(0, contentEnd), offset, false)
    else emit(cutAtCharacter(line, this.#lineBytesMax), offset, true)
  }
}

/** The first `bytesMax` bytes, fewer when the cut would fall inside a UTF-8 character. */
function cutAtCharacter(line: Buffer, bytesMax: number): Buffer {
  for (let end = bytesMax; end > bytesMax - 4 && end > 0; end -= 1) {
    const isContinuation = ((line[end] ?? 0) & 0xc0) === 0x80
    if (!isContinuation) return line.subarray(0, end)
  }
  // Not UTF-8: cut at the byte.
  return line.subarray(0, bytesMax)
}

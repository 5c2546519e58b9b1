/** What a rebuild reads at once, and how long it still takes. Pure. */
interface SizedFile {
  readonly bytes: number
}

/** Files in their order, in groups of at most `bytesMax`; a larger file stands alone. */
export function chunksOf<File extends SizedFile>(files: readonly File[], bytesMax: number) {
  const chunks: File[][] = []
  let bytes = 0
  for (const file of files) {
    const last = chunks.at(-1)
    if (last !== undefined && bytes + file.bytes <= bytesMax) last.push(file)
    else {
      chunks.push([file])
      bytes = 0
    }
    bytes += file.bytes
  }
  return chunks
}

/** Ms that the rest takes at the pace so far; null before there is one. */
export function remainingMs(doneBytes: number, totalBytes: number, elapsedMs: number) {
  return doneBytes === 0 ? null : Math.round((elapsedMs / doneBytes) * (totalBytes - doneBytes))
}

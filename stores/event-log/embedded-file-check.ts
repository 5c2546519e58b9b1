/**
 * A look at LMDB's file before LMDB maps it: pages that are not there would end the process with a
 * signal instead of a sentence.
 *
 *   page 0, page 1   header (24 bytes), magic, version, address, map size, free pages, main tree
 *   free pages       page size (at 48), flags, depth, page counts, entries, root (at 88)
 *   main tree        the same from 96 on, root at 136; then the last page and the transaction (at 152)
 *
 * Numbers are in the byte order of the machine. The two pages take turns with the commits.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'

const magicAt = 24
const magic = 0xbeefc0de
const pageBytesAt = 48
const rootsAt = [88, 136]
const transactionAt = 152
/** The root of a tree without entries. */
const noPage = 0xffff_ffff_ffff_ffffn
const pageBytesMin = 512
const pageBytesMax = 65_536

/** Throws EVENT_LOG_CORRUPT when the file in this directory was cut off or is not LMDB's. */
export function checkDataFile(directory: string): void {
  const path = join(directory, 'data.mdb')
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  // A file that is not there or empty becomes a new log.
  if (bytes === 0) return
  const problem = problemOf(path, bytes)
  if (problem === null) return
  throw new MillraceError(
    'EVENT_LOG_CORRUPT',
    `The event log in '${directory}' cannot be opened: ${problem}. Restore 'data.mdb' from a copy; what the lake has is not affected.`,
  )
}

function problemOf(path: string, bytes: number): string | null {
  const descriptor = openSync(path, 'r')
  try {
    const first = readMeta(descriptor, 0)
    const pageBytes = first?.pageBytes ?? 0
    const second = readMeta(descriptor, pageBytes)
    if (first === null || second === null || pageBytes < pageBytesMin || pageBytes > pageBytesMax) {
      return "the beginning of 'data.mdb' is damaged"
    }
    const newest = first.transaction > second.transaction ? first : second
    const pages = BigInt(Math.floor(bytes / pageBytes))
    const isCutOff = newest.roots.some((root) => root !== noPage && root >= pages)
    return isCutOff ? "'data.mdb' was cut off" : null
  } finally {
    closeSync(descriptor)
  }
}

function readMeta(descriptor: number, position: number) {
  const words = new BigUint64Array((transactionAt + 8) / 8)
  const found = readSync(descriptor, words, 0, words.byteLength, position)
  if (found < words.byteLength) return null
  const halves = new Uint32Array(words.buffer)
  if (halves[magicAt / 4] !== magic) return null
  return {
    pageBytes: halves[pageBytesAt / 4] ?? 0,
    roots: rootsAt.map((at) => words[at / 8] ?? noPage),
    transaction: words[transactionAt / 8] ?? 0n,
  }
}

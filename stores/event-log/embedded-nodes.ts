/** Entries on LMDB's pages, as `embedded-pages.ts` draws them. Where one begins is a place in `bytes`. */
import { Damage, headerBytes, number64, type PageFile, pageFlags } from './embedded-pages.ts'

const nodeHeaderBytes = 8
const bigValueBytes = 24
const isBig = 1

/** Pages of their own for one value. */
export interface BigValue {
  readonly first: number
  readonly count: number
  readonly bytes: number
}

export interface Expected {
  readonly page: number
  readonly isLeaf: boolean
  readonly entriesMin: number
  /** The newest transaction. */
  readonly newest: number
}

/** Nothing on the page leads out of it. Returns how many entries it has; throws Damage. */
export function checkPage(file: PageFile, at: number, expected: Expected): number {
  const { words16, words32, pageBytes } = file
  const { page, isLeaf, entriesMin, newest } = expected
  const number = wide(words32, at >> 2)
  const transaction = wide(words32, (at >> 2) + 2)
  const flags = words16[(at >> 1) + 9]
  const lower = words16[(at >> 1) + 10] ?? 0
  const upper = words16[(at >> 1) + 11] ?? 0
  const count = lower >> 1
  const isPage =
    number === page &&
    transaction <= newest &&
    flags === (isLeaf ? pageFlags.leaf : pageFlags.branch) &&
    lower % 2 === 0 &&
    count >= entriesMin &&
    lower <= upper &&
    upper <= pageBytes - headerBytes
  if (!isPage) throw badPage(page)
  let bytes = 0
  for (let index = 0; index < count; index += 1) {
    const size = nodeBytes(file, at, index, isLeaf)
    if (size === 0) throw badPage(page)
    bytes += size + (size & 1)
  }
  // Entries lie side by side to the end of the page.
  if (bytes !== pageBytes - headerBytes - upper) throw badPage(page)
  return count
}

/** 0: it leads out of the page, or is of a kind that the log does not have. */
function nodeBytes(
  { words16, pageBytes }: PageFile,
  at: number,
  index: number,
  isLeaf: boolean,
): number {
  const pointer = words16[((at + headerBytes) >> 1) + index] ?? 0
  const node = at + headerBytes + pointer
  const room = pageBytes - headerBytes - pointer
  if (pointer % 2 !== 0 || room < nodeHeaderBytes) return 0
  const flags = words16[(node >> 1) + 2] ?? 0
  let size = nodeHeaderBytes + (words16[(node >> 1) + 3] ?? 0)
  if (isLeaf && flags > isBig) return 0
  if (isLeaf) size += flags === isBig ? bigValueBytes : valueBytesOf(words16, node)
  return size > room ? 0 : size
}

export function nodeAt({ words16 }: PageFile, at: number, index: number): number {
  return at + headerBytes + (words16[((at + headerBytes) >> 1) + index] ?? 0)
}

/** Of an entry of a branch. */
export function childOf({ words16 }: PageFile, node: number): number {
  const low = (words16[node >> 1] ?? 0) + (words16[(node >> 1) + 1] ?? 0) * 0x1_0000
  return low + (words16[(node >> 1) + 2] ?? 0) * 2 ** 32
}

export function isBigNode({ words16 }: PageFile, node: number): boolean {
  return words16[(node >> 1) + 2] === isBig
}

export function keyBytesOf({ words16 }: PageFile, node: number): number {
  return words16[(node >> 1) + 3] ?? 0
}

/** The first byte of its key. */
export function kindOf({ bytes }: PageFile, node: number): number | undefined {
  return bytes[node + nodeHeaderBytes]
}

export function keyAt({ bytes, words16 }: PageFile, node: number): Buffer {
  const from = node + nodeHeaderBytes
  return bytes.subarray(from, from + (words16[(node >> 1) + 3] ?? 0))
}

/** The value of an entry that is not big. */
export function valueAt(file: PageFile, node: number): Buffer {
  const from = node + nodeHeaderBytes + keyBytesOf(file, node)
  return file.bytes.subarray(from, from + valueBytesOf(file.words16, node))
}

/** Where the value of a big entry is. Throws Damage. */
export function bigValueOf(file: PageFile, node: number, newest: number): BigValue {
  const at = node + nodeHeaderBytes + keyBytesOf(file, node)
  const first = number64(file.bytes, at)
  const count = number64(file.bytes, at + 16)
  const bytes = valueBytesOf(file.words16, node)
  const isWhole = count === Math.floor((headerBytes - 1 + bytes) / file.pageBytes) + 1
  if (!isWhole || number64(file.bytes, at + 8) > newest) throw badPage(first)
  return { first, count, bytes }
}

/** Below 0: the key of the first is lower. `isNumbers`: keys are numbers of 8 bytes. */
export function compareNodes(file: PageFile, first: number, second: number, isNumbers: boolean) {
  const { bytes, words16 } = file
  const firstBytes = words16[(first >> 1) + 3] ?? 0
  const secondBytes = words16[(second >> 1) + 3] ?? 0
  const firstAt = first + nodeHeaderBytes
  const secondAt = second + nodeHeaderBytes
  if (isNumbers) return number64(bytes, firstAt) - number64(bytes, secondAt)
  const shared = Math.min(firstBytes, secondBytes)
  for (let index = 0; index < shared; index += 1) {
    const difference = (bytes[firstAt + index] ?? 0) - (bytes[secondAt + index] ?? 0)
    if (difference !== 0) return difference
  }
  return firstBytes - secondBytes
}

export function compareKeys(first: Buffer, second: Buffer, isNumbers: boolean): number {
  return isNumbers ? number64(first, 0) - number64(second, 0) : first.compare(second)
}

export function badPage(page: number): Damage {
  return new Damage(`page ${page} of 'data.mdb' is damaged`)
}

function valueBytesOf(words16: Uint16Array, node: number): number {
  return (words16[node >> 1] ?? 0) + (words16[(node >> 1) + 1] ?? 0) * 0x1_0000
}

function wide(words32: Uint32Array, index: number): number {
  return (words32[index] ?? 0) + (words32[index + 1] ?? 0) * 2 ** 32
}

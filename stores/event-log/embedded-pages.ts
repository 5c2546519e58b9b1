/**
 * LMDB's pages, read without LMDB: it believes what is in its file and ends the process with a
 * signal where a damaged page leads it out of the map.
 *
 *   page         0 number, 8 transaction, 18 flags, 20 end of the pointers, 22 begin of the nodes;
 *                from 24 on pointers to nodes (u16, counted from 24), from the end on the nodes
 *   overflow     the same to 18, 20 number of pages (u32), from 24 on the value
 *   node         0 bytes of the value or child page (with 4), 4 flags, 6 bytes of the key, key, value;
 *                flag 1: the value is {first overflow page, its transaction, number of pages}
 *   meta page    24 magic, 28 version, 48 free pages' tree, 96 main tree, 144 last page, 152 transaction
 *   tree         0 page size, 4 flags, 6 depth, 8 branch, 16 leaf, 24 overflow pages, 32 entries, 40 root
 *
 * Numbers are little-endian, of 64 bits where nothing else is said.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

export const headerBytes = 24
const magic = 0xbeefc0de
const dataVersion = 2
/** The flag of the tree of free pages; the main tree has none. */
const integerKeys = 8
const pageBytesMin = 512
const pageBytesMax = 65_536
const metaBytes = 168
/** Pages that were taken and freed within one transaction may lie behind the end of the file. */
const unwrittenPagesMax = 1 << 20
/** Read at once when pages lie behind each other. */
const windowPages = 64
export const pageFlags = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const

/** What is wrong with the file, as the middle of a sentence. */
export class Damage extends Error {}

export interface Tree {
  readonly depth: number
  readonly branchPages: number
  readonly leafPages: number
  readonly overflowPages: number
  readonly entries: number
  /** Null: the tree has no entries. */
  readonly root: number | null
}

export interface MetaPage {
  readonly transaction: number
  readonly lastPage: number
  readonly free: Tree
  readonly main: Tree
}

export class PageFile implements Disposable {
  readonly #descriptor: number
  readonly pageBytes: number
  /** The pages that came with the last `load`, in three views of the same memory. */
  readonly bytes: Buffer
  readonly words16: Uint16Array
  readonly words32: Uint32Array
  #windowFrom = 0
  #windowCount = 0

  /** Throws Damage when the file is not LMDB's. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r')
    try {
      this.pageBytes = this.#readPageBytes()
      const memory = new ArrayBuffer(windowPages * this.pageBytes)
      this.bytes = Buffer.from(memory)
      this.words16 = new Uint16Array(memory)
      this.words32 = new Uint32Array(memory)
    } catch (error) {
      closeSync(this.#descriptor)
      throw error
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }

  /** How many whole pages the file has now. */
  get pages(): number {
    return Math.floor(fstatSync(this.#descriptor).size / this.pageBytes)
  }

  /**
   * Both meta pages as they are at one moment, the newer one first; `load` reads anew from then on.
   * Throws Damage.
   */
  metaPages(): readonly [MetaPage, MetaPage] {
    this.#windowCount = 0
    for (let attempt = 1; ; attempt += 1) {
      const first = this.#metaBytes(0)
      const second = this.#metaBytes(1)
      // Another process may commit meanwhile; damage stays.
      if (attempt < 100 && !first.equals(this.#metaBytes(0))) continue
      try {
        const pair = [this.#parseMeta(first, 0), this.#parseMeta(second, 1)] as const
        checkPair(...pair, this.pages)
        return pair[0].transaction > pair[1].transaction ? pair : [pair[1], pair[0]]
      } catch (error) {
        if (attempt >= 100) throw error
      }
    }
  }

  /** Where in `bytes` the page begins. Valid until the next `load`. */
  load(page: number): number {
    const index = page - this.#windowFrom
    if (index >= 0 && index < this.#windowCount) return index * this.pageBytes
    const isNext = index >= this.#windowCount && index < this.#windowCount + windowPages
    const bytes = (isNext ? windowPages : 1) * this.pageBytes
    const read = readSync(this.#descriptor, this.bytes, 0, bytes, page * this.pageBytes)
    this.#windowFrom = page
    this.#windowCount = Math.floor(read / this.pageBytes)
    if (this.#windowCount === 0) throw new Damage(`'data.mdb' was cut off before page ${page}`)
    return 0
  }

  /** Bytes from anywhere, beside what `load` gave. */
  read(page: number, offset: number, bytes: number): Buffer {
    const target = Buffer.allocUnsafeSlow(bytes)
    const read = readSync(this.#descriptor, target, 0, bytes, page * this.pageBytes + offset)
    if (read < bytes) throw new Damage(`'data.mdb' was cut off within page ${page}`)
    return target
  }

  /** Throws Damage. */
  checkOverflow(first: number, count: number): void {
    const head = this.read(first, 0, headerBytes)
    if (
      number64(head, 0) !== first ||
      head.readUInt16LE(18) !== pageFlags.overflow ||
      head.readUInt32LE(20) !== count
    ) {
      throw new Damage(`page ${first} of 'data.mdb' is not the value that it should be`)
    }
  }

  #readPageBytes(): number {
    const start = Buffer.alloc(metaBytes)
    const read = readSync(this.#descriptor, start, 0, metaBytes, 0)
    const pageBytes = start.readUInt32LE(48)
    const isPowerOfTwo = (pageBytes & (pageBytes - 1)) === 0
    if (read < metaBytes || start.readUInt32LE(24) !== magic || !isPowerOfTwo)
      throw damagedBeginning()
    if (pageBytes < pageBytesMin || pageBytes > pageBytesMax) throw damagedBeginning()
    return pageBytes
  }

  #metaBytes(index: number): Buffer {
    return this.read(index, 0, metaBytes)
  }

  #parseMeta(bytes: Buffer, index: number): MetaPage {
    const transaction = number64(bytes, 152)
    const isMeta =
      number64(bytes, 0) === index &&
      bytes.readUInt16LE(18) === pageFlags.meta &&
      bytes.readUInt32LE(24) === magic &&
      (bytes.readUInt32LE(28) & 0xffff) === dataVersion &&
      bytes.readUInt32LE(48) === this.pageBytes &&
      bytes.readUInt16LE(52) === integerKeys &&
      bytes.readUInt32LE(96) === 0 &&
      bytes.readUInt16LE(100) === 0 &&
      (transaction === 0 || transaction % 2 === index)
    if (!isMeta) throw damagedBeginning()
    return {
      transaction,
      lastPage: number64(bytes, 144),
      free: parseTree(bytes, 48),
      main: parseTree(bytes, 96),
    }
  }
}

function parseTree(bytes: Buffer, at: number): Tree {
  const root = number64(bytes, at + 40)
  const hasNoRoot = bytes.readBigUInt64LE(at + 40) === 0xffff_ffff_ffff_ffffn
  return {
    depth: bytes.readUInt16LE(at + 6),
    branchPages: number64(bytes, at + 8),
    leafPages: number64(bytes, at + 16),
    overflowPages: number64(bytes, at + 24),
    entries: number64(bytes, at + 32),
    root: hasNoRoot ? null : root,
  }
}

function checkPair(first: MetaPage, second: MetaPage, pages: number): void {
  if (Math.abs(first.transaction - second.transaction) > 1) throw damagedBeginning()
  for (const { lastPage, free, main } of [first, second]) {
    if (lastPage > pages + unwrittenPagesMax) throw damagedBeginning()
    const roots = [free.root, main.root].filter((root) => root !== null)
    if (roots.some((root) => root < 2 || root > lastPage)) throw damagedBeginning()
    if (roots.some((root) => root >= pages)) throw new Damage("'data.mdb' was cut off")
  }
}

function damagedBeginning(): Damage {
  return new Damage("the beginning of 'data.mdb' is damaged")
}

/** Exact below 2^53, more than any page above. */
export function number64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32
}

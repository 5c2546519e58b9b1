/**
 * The check of everything that LMDB follows in its file: both trees from their roots down, page by page,
 * and the list of free pages. Values in pages of their own are not read, so that it takes as long as
 * the entries are many, not as the log is large.
 */
import { isSealedKind, unsealed } from './embedded-keys.ts'
import {
  type BigValue,
  badPage,
  bigValueOf,
  checkPage,
  childOf,
  compareKeys,
  compareNodes,
  isBigNode,
  keyAt,
  keyBytesOf,
  kindOf,
  nodeAt,
  valueAt,
} from './embedded-nodes.ts'
import { Damage, headerBytes, type MetaPage, number64, type PageFile } from './embedded-pages.ts'

/** Throws Damage, and EVENT_LOG_CORRUPT for a small value whose checksum does not agree. */
export function checkTrees(file: PageFile, meta: MetaPage): void {
  const used = new PageSet(meta.lastPage, file.pages)
  new TreeCheck(file, meta, 'main', used).run()
  new TreeCheck(file, meta, 'free', used).run()
}

/**
 * The node of a key in the main tree; only the pages on the way to it are checked. Valid until the next
 * `load`. Throws Damage.
 */
export function findNode(file: PageFile, meta: MetaPage, key: Buffer): number | null {
  const { lastPage, transaction: newest } = meta
  let page = meta.main.root
  for (let level = meta.main.depth; page !== null; level -= 1) {
    if (page < 2 || page > lastPage) throw badPage(page)
    const isLeaf = level <= 1
    const at = file.load(page)
    const count = checkPage(file, at, { page, isLeaf, entriesMin: 1, newest })
    const node = nodeAt(file, at, placeOf(file, at, count, key))
    if (isLeaf) return keyAt(file, node).equals(key) ? node : null
    page = childOf(file, node)
  }
  return null
}

/** The last entry whose key is not above; the first of a page counts as lowest. */
function placeOf(file: PageFile, at: number, count: number, key: Buffer): number {
  let low = 0
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (keyAt(file, nodeAt(file, at, middle)).compare(key) <= 0) low = middle
    else high = middle
  }
  return low
}

/** Pages that somebody has. */
class PageSet {
  readonly #bits: Uint8Array
  readonly #lastPage: number
  readonly #filePages: number

  constructor(lastPage: number, filePages: number) {
    this.#bits = new Uint8Array((lastPage >> 3) + 1)
    this.#lastPage = lastPage
    this.#filePages = filePages
  }

  /** Pages of a tree: they have to be in the file. */
  addUsed(first: number, count: number): void {
    if (first + count > this.#filePages)
      throw new Damage(`'data.mdb' was cut off before page ${first + count}, or a page is damaged`)
    this.add(first, count)
  }

  add(first: number, count: number): void {
    if (!(first >= 2 && count >= 1 && first + count - 1 <= this.#lastPage)) throw badPage(first)
    for (let page = first; page < first + count; page += 1) {
      if ((page & 7) === 0 && page + 8 <= first + count && this.#bits[page >> 3] === 0) {
        this.#bits[page >> 3] = 0xff
        page += 7
        continue
      }
      const bit = 1 << (page & 7)
      const bits = this.#bits[page >> 3] ?? 0
      if ((bits & bit) !== 0) throw new Damage(`page ${page} of 'data.mdb' is in use twice`)
      this.#bits[page >> 3] = bits | bit
    }
  }
}

interface Range {
  readonly from: Buffer | null
  /** Exclusive. */
  readonly until: Buffer | null
}

class TreeCheck {
  readonly #file: PageFile
  readonly #meta: MetaPage
  readonly #which: 'main' | 'free'
  readonly #isFree: boolean
  readonly #used: PageSet
  #branchPages = 0
  #leafPages = 0
  #overflowPages = 0
  #entries = 0

  constructor(file: PageFile, meta: MetaPage, which: 'main' | 'free', used: PageSet) {
    this.#file = file
    this.#meta = meta
    this.#which = which
    this.#isFree = which === 'free'
    this.#used = used
  }

  run(): void {
    const tree = this.#meta[this.#which]
    if (tree.root !== null) this.#visit(tree.root, tree.depth, { from: null, until: null })
    const isComplete =
      this.#branchPages === tree.branchPages &&
      this.#leafPages === tree.leafPages &&
      this.#overflowPages === tree.overflowPages &&
      this.#entries === tree.entries
    if (!isComplete) throw new Damage("entries of 'data.mdb' are missing")
  }

  #visit(page: number, level: number, range: Range): void {
    this.#used.addUsed(page, 1)
    const isLeaf = level <= 1
    const at = this.#file.load(page)
    const entriesMin = isLeaf || this.#isFree ? 1 : 2
    const newest = this.#meta.transaction
    const count = checkPage(this.#file, at, { page, isLeaf, entriesMin, newest })
    // The first key of a branch is not looked at.
    this.#checkOrder(page, at, isLeaf ? 0 : 1, count, range)
    if (isLeaf) this.#visitLeaf(at, count)
    else this.#visitBranch(at, count, level, range)
  }

  #checkOrder(page: number, at: number, first: number, count: number, range: Range): void {
    const file = this.#file
    for (let index = first; index < count; index += 1) {
      const node = nodeAt(file, at, index)
      if (this.#isFree && keyBytesOf(file, node) !== 8) throw badPage(page)
      if (index === first) continue
      if (compareNodes(file, nodeAt(file, at, index - 1), node, this.#isFree) >= 0)
        throw badPage(page)
    }
    if (first >= count) return
    const lowest = keyAt(file, nodeAt(file, at, first))
    const highest = keyAt(file, nodeAt(file, at, count - 1))
    const isInside =
      (range.from === null || compareKeys(range.from, lowest, this.#isFree) <= 0) &&
      (range.until === null || compareKeys(highest, range.until, this.#isFree) < 0)
    if (!isInside) throw badPage(page)
  }

  #visitBranch(at: number, count: number, level: number, range: Range): void {
    this.#branchPages += 1
    const nodes = Array.from({ length: count }, (_, index) => nodeAt(this.#file, at, index))
    // Copied before another page is loaded.
    const children = nodes.map((node) => childOf(this.#file, node))
    const keys = nodes.map((node) => Buffer.from(keyAt(this.#file, node)))
    for (const [index, child] of children.entries()) {
      const from = index === 0 ? range.from : (keys[index] ?? null)
      this.#visit(child, level - 1, { from, until: keys[index + 1] ?? range.until })
    }
  }

  #visitLeaf(at: number, count: number): void {
    this.#leafPages += 1
    this.#entries += count
    const file = this.#file
    for (let index = 0; index < count; index += 1) {
      const node = nodeAt(file, at, index)
      const isBig = isBigNode(file, node)
      // A batch is checked when it is read, its first page before it is deleted: there are too many.
      if (!this.#isFree && !isSealedKind(kindOf(file, node), keyBytesOf(file, node))) {
        if (isBig) this.#addBig(node)
        continue
      }
      const value = isBig ? this.#readBig(this.#addBig(node)) : valueAt(file, node)
      if (this.#isFree) this.#checkFree(value)
      else unsealed(keyAt(file, node), value)
    }
  }

  #addBig(node: number): BigValue {
    const big = bigValueOf(this.#file, node, this.#meta.transaction)
    this.#used.addUsed(big.first, big.count)
    this.#overflowPages += big.count
    return big
  }

  #readBig({ first, count, bytes }: BigValue): Buffer {
    this.#file.checkOverflow(first, count)
    return this.#file.read(first, headerBytes, bytes)
  }

  /** Its length, then page numbers; before the first of a run stands minus the length of the run. */
  #checkFree(list: Buffer): void {
    const length = list.length < 8 ? Number.NaN : number64(list, 0)
    if (!(length * 8 + 8 <= list.length))
      throw new Damage("the list of free pages in 'data.mdb' is damaged")
    for (let index = 1; index <= length; index += 1) {
      let run = 1
      if (list.readInt32LE(index * 8 + 4) < 0) {
        run = -Number(list.readBigInt64LE(index * 8))
        index += 1
      }
      const first = index <= length ? number64(list, index * 8) : 0
      if (first !== 0 || run > 1) this.#used.add(first, run)
    }
  }
}

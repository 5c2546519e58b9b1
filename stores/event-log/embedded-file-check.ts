/**
 * What is checked in LMDB's file before its native code believes it: its beginning before it is
 * opened, its trees before the first read, and what retention frees. Records have checksums of their own.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { commitKey, formatKey, formatVersion, unsealed } from './embedded-keys.ts'
import { bigValueOf, isBigNode, valueAt } from './embedded-nodes.ts'
import { checkTrees, findNode } from './embedded-page-walk.ts'
import { Damage, type MetaPage, PageFile } from './embedded-pages.ts'

/** How often a check is made again when another process has committed meanwhile. */
const attemptsMax = 10

/** Throws EVENT_LOG_CORRUPT when the file in this directory was cut off or is not LMDB's. */
export function checkMetaPages(directory: string): void {
  withFile(directory, (file) => {
    file.metaPages()
  })
}

/**
 * Throws EVENT_LOG_CORRUPT, DATA_DIRECTORY_UNUSABLE for a log of another format. A read transaction must
 * be under way, so that pages stay what they are.
 */
export function checkPages(directory: string): void {
  withFile(directory, (file) => {
    const [newest] = file.metaPages()
    checkFormat(directory, file, newest)
    checkTrees(file, newest)
    checkCommits(file)
  })
}

/** Throws EVENT_LOG_CORRUPT when LMDB would not find the pages of these values; as `checkPages`. */
export function checkValues(directory: string, keys: readonly Buffer[]): void {
  withFile(directory, (file) => {
    const [newest] = file.metaPages()
    for (const key of keys) {
      const node = findNode(file, newest, key)
      if (node === null || !isBigNode(file, node)) continue
      const big = bigValueOf(file, node, newest.transaction)
      file.checkOverflow(big.first, big.count)
    }
  })
}

function checkFormat(directory: string, file: PageFile, newest: MetaPage): void {
  const found = findValue(file, newest, formatKey)?.toString() ?? formatVersion
  if (found === formatVersion) return
  throw new MillraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `Event log refused: '${directory}' has format '${found}', expected '${formatVersion}'. Another version of millrace wrote it; start that one or choose another directory.`,
  )
}

/**
 * Each of the two meta pages belongs to the transaction whose number it has: were the newer one
 * damaged so that it seems to be the older, its records would be gone without a word.
 */
function checkCommits(file: PageFile): void {
  for (let attempt = 1; ; attempt += 1) {
    const metas = file.metaPages()
    try {
      for (const meta of metas) checkCommit(file, meta)
      return
    } catch (error) {
      // The older one's pages are overwritten when another process commits.
      const [newest] = file.metaPages()
      if (attempt === attemptsMax || newest.transaction === metas[0].transaction) throw error
    }
  }
}

function checkCommit(file: PageFile, meta: MetaPage): void {
  if (meta.main.root === null) return
  const stored = findValue(file, meta, commitKey)
  const isOwn =
    stored !== null && unsealed(commitKey, stored).readBigUInt64LE() === BigInt(meta.transaction)
  if (!isOwn) throw new Damage("the beginning of 'data.mdb' is damaged")
}

function findValue(file: PageFile, meta: MetaPage, key: Buffer): Buffer | null {
  const node = findNode(file, meta, key)
  return node === null || isBigNode(file, node) ? null : valueAt(file, node)
}

function withFile(directory: string, check: (file: PageFile) => void): void {
  const path = join(directory, 'data.mdb')
  // A file that is not there or empty becomes a new log.
  if (!existsSync(path) || statSync(path).size === 0) return
  try {
    using file = new PageFile(path)
    check(file)
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    throw new MillraceError(
      'EVENT_LOG_CORRUPT',
      `The event log in '${directory}' cannot be used: ${error.message}. Restore 'data.mdb' from a copy; what the lake has is not affected.`,
    )
  }
}

/**
 * The transactions of a process on the embedded log: one write queue, bounded mapping.
 *
 * All writes go through `write`, which puts everything that waits into one transaction and one fsync
 * (group commit). Standard LMDB commits: a transaction becomes visible, to this and every other
 * process, only after its pages and its root are flushed. lmdb-js's overlapping sync would show
 * records before they are durable; a reader could then store rows of offsets that a power loss gives
 * to other records. So it is off.
 *
 * A transaction that would begin before a commit of another process (`isBehind`) writes nothing and is
 * begun again. Each leaves its number in the database, so that a read that would see less than this
 * process has seen before is begun again too.
 */
import { statfsSync } from 'node:fs'
import { MillraceError } from '../../core/errors.ts'
import { commitKey, getSealed, type LogStore, putSealed } from './embedded-keys.ts'
import { isBehind, type OpenStore, openStore } from './embedded-store.ts'

/**
 * Pages that were read stay mapped and count as this process's memory; after this many bytes the
 * database is opened anew, which takes about 2 ms and gives them back to the page cache.
 */
const mappedBytesMax = 64 * 1024 * 1024
/** Most bytes in one transaction, so that a reader of the commit does not wait for ever. */
const transactionBytesMax = 32 * 1024 * 1024
/** How often a transaction that is behind is begun again. Each time takes another process that opens. */
const attemptsMax = 20

export interface Write<T> {
  readonly bytes: number
  /** The append is refused when the disk has less than this left. */
  readonly reserveBytes: number
  /** Runs inside the transaction. A MillraceError thrown before the first put refuses only this. */
  readonly apply: (store: LogStore) => T
}

interface Waiting extends Write<unknown> {
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

class Behind extends Error {}

export class Transactions implements AsyncDisposable {
  readonly #directory: string
  #store: LogStore
  #waiting: Waiting[] = []
  #running: Promise<void> | null = null
  #reopening: Promise<unknown> | null = null
  #mappedBytes = 0
  /** The newest transaction whose outcome this process has seen. */
  #newestSeen: bigint
  /** After a failed commit the driver's state is not trusted: the database is opened anew. */
  #isBroken = false
  #isClosed = false

  constructor(directory: string, { store, newest }: OpenStore) {
    this.#directory = directory
    this.#store = store
    this.#newestSeen = newest
  }

  async view<T>(read: (store: LogStore) => T, bytes: (value: T) => number): Promise<T> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      while (this.#reopening !== null) await this.#reopening
      if (this.#isBroken) await this.#recover()
      this.#store.resetReadTxn()
      if (this.#isOlder()) {
        this.#isBroken = true
        continue
      }
      const value = read(this.#store)
      this.#mappedBytes += bytes(value)
      if (this.#mappedBytes > mappedBytesMax) this.#pump()
      return value
    }
    throw behindError('Read', this.#directory)
  }

  write<T>(write: Write<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ ...write, resolve, reject })
      this.#pump()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    while (this.#running !== null) await this.#running
    await this.#store.close()
  }

  /** What is read now would not have what this process has seen. */
  #isOlder(): boolean {
    const seen = getSealed(this.#store, commitKey)?.readBigUInt64LE() ?? 0n
    if (seen < this.#newestSeen) return true
    this.#newestSeen = seen
    return false
  }

  async #recover(): Promise<void> {
    // A run that was under way may have been past its last look.
    while (this.#running !== null && this.#isBroken) await this.#running
    if (!this.#isBroken) return
    this.#pump()
    await this.#running
    if (this.#isBroken || this.#isClosed)
      throw writeFailure(this.#directory, 'it could not be opened again')
  }

  #pump(): void {
    this.#running ??= this.#drain().finally(() => {
      this.#running = null
      if (this.#waiting.length > 0) this.#pump()
    })
  }

  async #drain(): Promise<void> {
    // One turn of the event loop, so that appends made together share a transaction.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#takeWaiting()
      const failure = this.#isBroken ? await this.#reopen() : null
      if (failure === null) await this.#commit(this.#withRoom(group))
      else rejectAll(group, failure)
    }
    const isDue = this.#isBroken || this.#mappedBytes > mappedBytesMax
    if (isDue && !this.#isClosed) await this.#reopen()
  }

  #takeWaiting(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes
      if (count > 0 && bytes > transactionBytesMax) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  /**
   * Those that leave the disk its reserve; the others are refused. Only appends need it: what retention
   * and leases write is small and may free space.
   */
  #withRoom(group: readonly Waiting[]): readonly Waiting[] {
    const bytes = bytesOf(group)
    if (bytes === 0) return group
    const free = freeBytes(this.#directory)
    return group.filter((waiting) => {
      if (waiting.bytes === 0 || free >= bytes + waiting.reserveBytes) return true
      waiting.reject(diskFull(this.#directory, undefined))
      return false
    })
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    for (let attempt = 1; group.length > 0; attempt += 1) {
      try {
        for (const settle of await this.#apply(group)) settle()
        return
      } catch (error) {
        this.#isBroken = true
        if (!(error instanceof Behind)) return rejectAll(group, await this.#failureOf(error, group))
        const failure =
          attempt < attemptsMax ? await this.#reopen() : behindError('Append', this.#directory)
        if (failure !== null) return rejectAll(group, failure)
      }
    }
  }

  async #apply(group: readonly Waiting[]): Promise<(() => void)[]> {
    const outcomes: (() => void)[] = []
    const store = this.#store
    // A child transaction, because only that is undone when a callback throws.
    const transaction = await store.childTransaction(() => {
      if (isBehind(store)) throw new Behind()
      outcomes.length = 0
      for (const waiting of group) outcomes.push(applyOne(store, waiting))
      return putCommit(store)
    })
    // Commit point: what was applied is durable and visible to every process.
    this.#newestSeen = transaction
    return outcomes
  }

  async #failureOf(error: unknown, group: readonly Waiting[]): Promise<MillraceError> {
    const cause = await rootCause(error)
    if (cause instanceof MillraceError) return cause
    // LMDB reports a disk that fills up during a write as an input/output error.
    const isFull = freeBytes(this.#directory) < bytesOf(group)
    return isFull ? diskFull(this.#directory, cause) : writeFailure(this.#directory, cause)
  }

  /** Returns why it could not be opened; then the next use tries again. */
  #reopen(): Promise<MillraceError | null> {
    const reopening = this.#closeAndOpen().finally(() => {
      this.#reopening = null
    })
    this.#reopening = reopening
    return reopening
  }

  async #closeAndOpen(): Promise<MillraceError | null> {
    try {
      await this.#store.close()
      this.#store = (await openStore(this.#directory)).store
      this.#mappedBytes = 0
      this.#isBroken = false
      return null
    } catch (error) {
      this.#isBroken = true
      return writeFailure(this.#directory, error)
    }
  }
}

function applyOne(store: LogStore, { apply, resolve, reject }: Waiting): () => void {
  try {
    // The caller's type; `write` paired the two.
    const value = apply(store) as never
    return () => resolve(value)
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    return () => reject(error)
  }
}

function putCommit(store: LogStore): bigint {
  const transaction = BigInt(store.getWriteTxnId())
  const value = Buffer.alloc(8)
  value.writeBigUInt64LE(transaction)
  putSealed(store, commitKey, value)
  return transaction
}

function rejectAll(group: readonly Waiting[], failure: MillraceError): void {
  for (const { reject } of group) reject(failure)
}

function bytesOf(group: readonly Waiting[]): number {
  return group.reduce((sum, waiting) => sum + waiting.bytes, 0)
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** lmdb-js gives "Commit failed" at once and the reason as a promise. */
async function rootCause(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (cause) {
    return cause
  }
}

function behindError(what: 'Append' | 'Read', directory: string): MillraceError {
  return new MillraceError(
    'EVENT_LOG_UNAVAILABLE',
    `${what} refused: other processes open the event log at '${directory}' all the time. Try it again, with the same sequence.`,
  )
}

function writeFailure(directory: string, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (/no space left|MDB_MAP_FULL|disk quota/i.test(reason)) return diskFull(directory, cause)
  return new MillraceError(
    'EVENT_LOG_UNAVAILABLE',
    `Append refused: the event log at '${directory}' cannot be written (${reason}). Append it again with the same sequence: what was stored is recognised.`,
    { cause },
  )
}

function diskFull(directory: string, cause: unknown): MillraceError {
  return new MillraceError(
    'DISK_FULL',
    `Append refused: the disk of '${directory}' is full but for the reserve. Free some space; appends go through again at once.`,
    { cause },
  )
}

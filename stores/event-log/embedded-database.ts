/**
 * The LMDB database under the embedded event log: keys, opening, one write queue, bounded mapping.
 *
 * All writes of a process go through `write`, which puts everything that waits into one transaction
 * and one fsync (group commit). Standard LMDB commits: a transaction becomes visible, to this and
 * every other process, only after its pages and its root are flushed. lmdb-js's overlapping sync would
 * show records before they are durable; a reader could then store rows of offsets that a power loss
 * gives to other records. So it is off.
 */
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  statfsSync,
} from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { MillraceError } from '../../core/errors.ts'
import { checkDataFile } from './embedded-file-check.ts'

export type LogStore = RootDatabase<Buffer, Buffer>

const formatVersion = '1'
const kinds = {
  meta: 0,
  topic: 1,
  partition: 2,
  producer: 3,
  batch: 4,
  lease: 5,
  group: 6,
} as const

const metaKey = Buffer.from([kinds.meta])

export function topicKey(topic: string): Buffer {
  return Buffer.concat([Buffer.from([kinds.topic]), Buffer.from(topic)])
}

/** End, earliest offset and bytes of a partition. */
export function partitionKey(topicId: number, partition: number): Buffer {
  return numbersKey(kinds.partition, topicId, partition, 0)
}

export function batchKey(topicId: number, partition: number, baseOffset: bigint): Buffer {
  const key = numbersKey(kinds.batch, topicId, partition, 8)
  key.writeBigUInt64BE(baseOffset, 9)
  return key
}

/** What {@link batchKey} was given as base offset. */
export function baseOffsetOf(key: Buffer): bigint {
  return key.readBigUInt64BE(9)
}

export function producerKey(topicId: number, partition: number, producerId: string): Buffer {
  return Buffer.concat([numbersKey(kinds.producer, topicId, partition, 0), Buffer.from(producerId)])
}

export function leaseKey(topicId: number, group: string): Buffer {
  return Buffer.concat([numbersKey(kinds.lease, topicId, 0, 0), Buffer.from(group)])
}

export function groupKey(topicId: number, group: string): Buffer {
  return Buffer.concat([numbersKey(kinds.group, topicId, 0, 0), Buffer.from(group)])
}

function numbersKey(kind: number, topicId: number, partition: number, spareBytes: number): Buffer {
  const key = Buffer.alloc(9 + spareBytes)
  key[0] = kind
  key.writeUInt32BE(topicId, 1)
  key.writeUInt32BE(partition, 5)
  return key
}

/**
 * Pages that were read stay mapped and count as this process's memory; after this many bytes the
 * database is opened anew, which takes about 2 ms and gives them back to the page cache.
 */
const mappedBytesMax = 64 * 1024 * 1024
/**
 * Addresses set aside for the file, which takes only the space that it fills: a map that had to grow
 * while several processes append would make each of them begin its transaction again.
 */
const addressBytes = 2 ** 40
/** Most bytes in one transaction, so that a reader of the commit does not wait for ever. */
const transactionBytesMax = 32 * 1024 * 1024

interface Waiting {
  readonly bytes: number
  /** Runs inside the transaction. A MillraceError thrown before the first put refuses only this. */
  readonly apply: (store: LogStore) => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

export class LogDatabase implements AsyncDisposable {
  readonly directory: string
  #store: LogStore
  #waiting: Waiting[] = []
  #running: Promise<void> | null = null
  #reopening: Promise<unknown> | null = null
  #mappedBytes = 0
  /** After a failed commit the driver's state is not trusted: the database is opened anew. */
  #isBroken = false
  #isClosed = false
  readonly #diskReserveBytes: number

  /** Throws DATA_DIRECTORY_UNUSABLE, EVENT_LOG_CORRUPT. */
  constructor(directory: string, diskReserveBytes: number) {
    this.directory = directory
    this.#diskReserveBytes = diskReserveBytes
    try {
      mkdirSync(directory, { recursive: true })
      accessSync(directory, constants.W_OK)
      checkDataFile(directory)
      this.#store = openStore(directory)
      syncDirectory(directory)
    } catch (error) {
      if (error instanceof MillraceError) throw error
      throw unusable(directory, error)
    }
  }

  /** Creates or checks the format record. */
  async prepare(): Promise<void> {
    const found = this.#store.get(metaKey)?.toString()
    if (found === undefined) {
      await this.write(0, (store) => store.put(metaKey, Buffer.from(formatVersion)))
    } else if (found !== formatVersion) {
      throw new MillraceError(
        'DATA_DIRECTORY_UNUSABLE',
        `Event log refused: '${this.directory}' has format '${found}', expected '${formatVersion}'. A newer millrace wrote it; start that one or choose another directory.`,
      )
    }
  }

  /** Runs synchronous reads on the newest commit. `bytes` of what it gives are counted as mapped. */
  async view<T>(read: (store: LogStore) => T, bytes: (value: T) => number = () => 0): Promise<T> {
    while (this.#reopening !== null) await this.#reopening
    if (this.#isClosed) throw closedError()
    if (this.#isBroken) await this.#recover()
    this.#store.resetReadTxn()
    const value = read(this.#store)
    this.#mappedBytes += bytes(value)
    if (this.#mappedBytes > mappedBytesMax) this.#pump()
    return value
  }

  /** Runs `apply` in the next transaction; resolves when that is durable. */
  write<T>(bytes: number, apply: (store: LogStore) => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError())
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ bytes, apply, resolve, reject })
      this.#pump()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    while (this.#running !== null) await this.#running
    await this.#store.close()
  }

  async #recover(): Promise<void> {
    this.#pump()
    await this.#running
    if (this.#isBroken || this.#isClosed)
      throw writeFailure(this.directory, 'it could not be opened again')
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
      if (failure === null) await this.#commit(group)
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

  async #commit(group: readonly Waiting[]): Promise<void> {
    const bytes = group.reduce((sum, waiting) => sum + waiting.bytes, 0)
    // Only appends need the reserve: what retention and leases write is small and may free space.
    if (bytes > 0 && freeBytes(this.directory) < bytes + this.#diskReserveBytes)
      return rejectAll(group, diskFull(this.directory, undefined))
    const outcomes: (() => void)[] = []
    try {
      // A child transaction, because only that is undone when a callback throws.
      await this.#store.childTransaction(() => {
        outcomes.length = 0
        for (const waiting of group) outcomes.push(this.#applyOne(waiting))
      })
    } catch (error) {
      this.#isBroken = true
      const cause = await rootCause(error)
      // LMDB reports a disk that fills up during a write as an input/output error.
      const isFull = freeBytes(this.directory) < bytes
      return rejectAll(
        group,
        isFull ? diskFull(this.directory, cause) : writeFailure(this.directory, cause),
      )
    }
    for (const settle of outcomes) settle()
  }

  #applyOne({ apply, resolve, reject }: Waiting): () => void {
    try {
      // The caller's type; `write` paired the two.
      const value = apply(this.#store) as never
      return () => resolve(value)
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      return () => reject(error)
    }
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
      this.#store = openStore(this.directory)
      this.#mappedBytes = 0
      this.#isBroken = false
      return null
    } catch (error) {
      this.#isBroken = true
      return writeFailure(this.directory, error)
    }
  }
}

function rejectAll(group: readonly Waiting[], failure: MillraceError): void {
  for (const { reject } of group) reject(failure)
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

function openStore(directory: string): LogStore {
  const store = open<Buffer, Buffer>({
    path: directory,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    mapSize: addressBytes,
  })
  // Slots of readers that were killed would keep deleted pages from being used again.
  store.readerCheck()
  return store
}

/** LMDB flushes its files, not the directory that names them. */
function syncDirectory(directory: string): void {
  for (const path of [directory, join(directory, '..')]) {
    const descriptor = openSync(path, 'r')
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }
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

function closedError(): MillraceError {
  return new MillraceError('EVENT_LOG_UNAVAILABLE', 'Call refused: the event log has been closed.')
}

function unusable(directory: string, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `Event log refused: '${directory}' cannot be opened for writing (${reason}). Choose another directory or correct its permissions.`,
    { cause },
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

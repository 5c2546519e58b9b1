/**
 * The database of the embedded event log. A process opens a directory once, however many logs it
 * has there: LMDB's locks between processes are lost when one process opens the same file twice.
 */
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { checkMetaPages, checkPages } from './embedded-file-check.ts'
import { formatKey, formatVersion, type LogStore } from './embedded-keys.ts'
import { type OpenStore, openStore } from './embedded-store.ts'
import { Transactions } from './embedded-transactions.ts'

/** Room that a new log needs before its first append. */
const newLogBytes = 1024 * 1024

interface Shared {
  readonly transactions: Promise<Transactions>
  users: number
  closing: Promise<void> | null
}

const opened = new Map<string, Shared>()

export class LogDatabase implements AsyncDisposable {
  readonly directory: string
  readonly #path: string
  readonly #transactions: Transactions
  readonly #diskReserveBytes: number
  #isClosed = false

  private constructor(
    directory: string,
    path: string,
    transactions: Transactions,
    diskReserveBytes: number,
  ) {
    this.directory = directory
    this.#path = path
    this.#transactions = transactions
    this.#diskReserveBytes = diskReserveBytes
  }

  /** Throws DATA_DIRECTORY_UNUSABLE, EVENT_LOG_CORRUPT, DISK_FULL. */
  static async open(directory: string, diskReserveBytes: number): Promise<LogDatabase> {
    const path = prepareDirectory(directory)
    const shared = await enter(path, directory)
    try {
      const database = new LogDatabase(directory, path, await shared.transactions, diskReserveBytes)
      await database.#prepareFormat()
      return database
    } catch (error) {
      await leave(path, shared)
      throw error
    }
  }

  /** Runs synchronous reads on the newest commit. `bytes` of what it gives are counted as mapped. */
  async view<T>(read: (store: LogStore) => T, bytes: (value: T) => number = () => 0): Promise<T> {
    if (this.#isClosed) throw closedError()
    return this.#transactions.view(read, bytes)
  }

  /** Runs `apply` in the next transaction; resolves when that is durable. */
  async write<T>(bytes: number, apply: (store: LogStore) => T): Promise<T> {
    if (this.#isClosed) throw closedError()
    return this.#transactions.write({ bytes, reserveBytes: this.#diskReserveBytes, apply })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const shared = opened.get(this.#path)
    if (shared !== undefined) await leave(this.#path, shared)
  }

  /** What the file has was checked when it was opened. */
  async #prepareFormat(): Promise<void> {
    const isNew = (store: LogStore) => store.get(formatKey) === undefined
    if (!(await this.view(isNew))) return
    await this.write(0, (store) => {
      if (isNew(store)) void store.put(formatKey, Buffer.from(formatVersion))
    })
  }
}

async function enter(path: string, directory: string): Promise<Shared> {
  let shared = opened.get(path)
  while (shared !== undefined && shared.closing !== null) {
    await shared.closing
    shared = opened.get(path)
  }
  shared ??= { transactions: openTransactions(directory), users: 0, closing: null }
  opened.set(path, shared)
  shared.users += 1
  return shared
}

async function leave(path: string, shared: Shared): Promise<void> {
  shared.users -= 1
  if (shared.users > 0) return
  const close = async () => {
    try {
      await (await shared.transactions)[Symbol.asyncDispose]()
    } catch {
      // It could not be opened, as whoever tried has been told.
    } finally {
      opened.delete(path)
    }
  }
  shared.closing = close()
  await shared.closing
}

async function openTransactions(directory: string): Promise<Transactions> {
  let found: OpenStore
  try {
    checkMetaPages(directory)
    found = await openStore(directory)
    syncDirectory(directory)
  } catch (error) {
    throw error instanceof MillraceError ? error : unusable(directory, error)
  }
  try {
    // What a read transaction sees is not overwritten by other processes while it is being checked.
    const pinned = found.store.useReadTransaction()
    checkPages(directory)
    pinned.done()
  } catch (error) {
    await found.store.close()
    throw error
  }
  return new Transactions(directory, found)
}

/** Returns the one name of the directory. */
function prepareDirectory(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true })
    accessSync(directory, constants.W_OK)
    for (const name of ['data.mdb', 'lock.mdb']) prepareFile(directory, join(directory, name))
    return realpathSync(directory)
  } catch (error) {
    throw error instanceof MillraceError ? error : unusable(directory, error)
  }
}

/** The driver ends the process with a signal when LMDB cannot open or begin one of its files. */
function prepareFile(directory: string, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) {
    const { bavail, bsize } = statfsSync(directory)
    if (bavail * bsize < newLogBytes) throw diskFull(directory)
  } else {
    accessSync(path, constants.R_OK | constants.W_OK)
    if (!found.isFile()) throw new Error(`'${path}' is not a file`)
  }
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

function diskFull(directory: string): MillraceError {
  return new MillraceError(
    'DISK_FULL',
    `Event log refused: '${directory}' has no room for a new one. Free some space.`,
  )
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

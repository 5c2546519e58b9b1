/**
 * The LMDB environment of one process, and two faults of the driver's LMDB that it must not meet
 * unprepared (lmdb 3.5.6, whose copy of LMDB lacks the fixes).
 *
 * *An opening process sets the log back* (LMDB's ITS#9496). `mdb_env_open` reads the number of the
 * last commit from the file and writes it to the memory that all processes share. A commit of another
 * process in between is forgotten: the next transaction begins before it and overwrites it, though it
 * was acknowledged. So each transaction first compares its number with the commits in the file,
 * which only the holder of the writer lock changes (`isBehind`), and writes nothing when one is
 * missing; opening once more sets the number right. An opening process checks its own work in the same
 * way, so that what it hid is seen again at once, at the latest when somebody writes.
 *
 * *A closing process takes the locks away.* The last one that closes destroys the mutexes; one that
 * opens at that moment gets them destroyed. It closes, waits and opens again: the first that is alone
 * makes new ones.
 */
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { openAsClass } from 'lmdb'
import type { LogStore } from './embedded-keys.ts'

/**
 * Addresses set aside for the file, which takes only the space that it fills: a map that had to grow
 * while several processes append would make each of them begin its transaction again.
 */
const addressBytes = 2 ** 40
const attemptsMax = 100
const waitMsMax = 20

/** What lmdb-js does not put into its types. */
interface LmdbClass {
  new (name: null, options: object): LogStore
  readonly prototype: LogStore
}

export interface OpenStore {
  readonly store: LogStore
  /** The number of the newest commit when it was opened. */
  readonly newest: bigint
}

export async function openStore(directory: string): Promise<OpenStore> {
  for (let attempt = 1; ; attempt += 1) {
    const store = await tryOpen(directory, attempt === attemptsMax)
    if (store !== null) {
      // Inside a transaction, where no other process commits.
      const newest = store.transactionSync(() => (isBehind(store) ? null : newestCommit(store)))
      if (newest !== null) {
        // Slots of readers that were killed would keep deleted pages from being used again.
        store.readerCheck()
        return { store, newest: BigInt(newest) }
      }
      await store.close()
      if (attempt === attemptsMax) throw new Error('other processes open and close it all the time')
    }
    await sleep(Math.random() * waitMsMax)
  }
}

/** Whether a commit is missing in what the write transaction that is under way sees. */
export function isBehind(store: LogStore): boolean {
  return store.getWriteTxnId() !== newestCommit(store) + 1
}

/** The number of the newest commit in the file, whichever this process sees. */
function newestCommit(store: LogStore): number {
  const { env } = store as unknown as { env: { info(): { lastTxnId: number } } }
  return env.info().lastTxnId
}

/** Null: the locks were destroyed while we opened. */
async function tryOpen(directory: string, isLast: boolean): Promise<LogStore | null> {
  const options = {
    path: directory,
    encoding: 'binary' as const,
    keyEncoding: 'binary' as const,
    overlappingSync: false,
    mapSize: addressBytes,
    isRoot: true,
  }
  // In two steps, because `open` keeps the file open when only its second step fails.
  const Store = openAsClass<Buffer, Buffer>(options) as unknown as LmdbClass
  try {
    return new Store(null, options)
  } catch (error) {
    const closer: LogStore = Object.assign(Object.create(Store.prototype), { isRoot: true })
    await closer.close()
    const isInvalid =
      error instanceof Error && 'code' in error && error.code === constants.errno.EINVAL
    if (!isInvalid || isLast) throw error
    return null
  }
}

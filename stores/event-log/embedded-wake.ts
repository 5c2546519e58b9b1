/**
 * Wakes readers that wait for records. Appends of this process wake them at once; appends of other
 * processes touch a small file that is watched. Both are hints: a waiting reader also looks by
 * itself every `idlePollMs`, for a process that died between its commit and its touch and for file
 * systems that report no changes.
 */
import { closeSync, type FSWatcher, openSync, watch, writeSync } from 'node:fs'
import { join } from 'node:path'

/** How often a reader looks where changes of files are not reported. */
const blindPollMs = 20

export class WakeUp implements Disposable {
  readonly #path: string
  readonly #descriptor: number
  readonly #idlePollMs: number
  readonly #sleepers = new Set<() => void>()
  #watcher: FSWatcher | null = null
  #hints = 0

  constructor(directory: string, idlePollMs: number) {
    this.#path = join(directory, 'appended')
    this.#idlePollMs = idlePollMs
    // Created at once: a file that appears after the watcher would not be seen.
    closeSync(openSync(this.#path, 'a'))
    this.#descriptor = openSync(this.#path, 'r+')
  }

  /** After a commit: everybody who waits looks again. */
  appended(): void {
    this.wakeAll()
    try {
      writeSync(this.#descriptor, Buffer.from([this.#hints % 256]), 0, 1, 0)
    } catch {
      // The records are stored; without the hint other processes find them by looking.
    }
  }

  wakeAll(): void {
    this.#hints += 1
    for (const wake of [...this.#sleepers]) wake()
  }

  /** To be taken before looking at the log and given to `wait` when nothing was there. */
  ticket(): number {
    this.#watcher ??= this.#startWatching()
    return this.#hints
  }

  /**
   * Resolves at the first hint after the ticket, after `ms` or `idlePollMs`, or when `signal` aborts.
   */
  wait(ticket: number, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const waitMs = Math.min(ms, this.#watcher === null ? blindPollMs : this.#idlePollMs)
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#sleepers.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, waitMs)
      this.#sleepers.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
      if (signal?.aborted || ticket !== this.#hints) wake()
    })
  }

  [Symbol.dispose](): void {
    this.#watcher?.close()
    this.wakeAll()
    closeSync(this.#descriptor)
  }

  #startWatching(): FSWatcher | null {
    try {
      const watcher = watch(this.#path, { persistent: false }, () => this.wakeAll())
      // Without the watcher the periodic look remains.
      watcher.on('error', () => watcher.close())
      return watcher
    } catch {
      // No watch left on this machine: the periodic look remains.
      return null
    }
  }
}

/**
 * Wakes the shipper when something happens in a directory. Only a hint: what is read is decided by our
 * own scans and looks at open files.
 *
 * Two sources, because neither is enough. The operating system's events name the written file at once,
 * but network mounts have none. chokidar looks at the directories themselves each second, which works
 * everywhere; with events it would list a directory again for every line that is appended in it.
 */
import { type FSWatcher, statSync, watch as watchEvents } from 'node:fs'
import { dirname, join } from 'node:path'
import { watch as watchPolling } from 'chokidar'

export interface DirectoryEvents {
  /** The file of this path was written to. */
  changed(path: string): void
  /** Something appeared in, moved in or left a directory. */
  moved(): void
  failed(error: unknown): void
}

interface Watched {
  readonly inode: number
  readonly watcher: FSWatcher | null
}

const pollIntervalMs = 1000

export class DirectoryWatcher implements AsyncDisposable {
  readonly #events: DirectoryEvents
  readonly #watched = new Map<string, Watched>()
  readonly #poller

  constructor(events: DirectoryEvents) {
    this.#events = events
    this.#poller = watchPolling([], {
      usePolling: true,
      interval: pollIntervalMs,
      depth: 0,
      ignoreInitial: true,
      ignored: (_path, stats) => stats?.isFile() === true,
    })
    this.#poller.on('raw', () => events.moved())
    this.#poller.on('error', (error) => events.failed(error))
  }

  /** Watches these directories from now on; for one that does not exist yet, its nearest ancestor. */
  follow(directories: ReadonlySet<string>): void {
    const wanted = new Map<string, number>()
    for (const directory of directories) {
      const { path, inode } = nearestExisting(directory)
      wanted.set(path, inode)
    }
    for (const [path, { inode, watcher }] of this.#watched) {
      // A directory that was deleted and made again is another one for the operating system.
      if (wanted.get(path) === inode) continue
      watcher?.close()
      this.#poller.unwatch(path)
      this.#watched.delete(path)
    }
    for (const [path, inode] of wanted) {
      if (this.#watched.has(path)) continue
      this.#watched.set(path, { inode, watcher: this.#watch(path) })
      this.#poller.add(path)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { watcher } of this.#watched.values()) watcher?.close()
    await this.#poller.close()
  }

  #watch(directory: string): FSWatcher | null {
    try {
      const watcher = watchEvents(directory, { persistent: false })
      watcher.on('error', this.#events.failed)
      watcher.on('change', (event, name) => {
        // 'rename' stands for everything but a write.
        if (event === 'change' && name !== null) this.#events.changed(join(directory, String(name)))
        else this.#events.moved()
      })
      return watcher
    } catch (error) {
      // No events here, or no watch left: chokidar and the scans find what happens, a little later.
      this.#events.failed(error)
      return null
    }
  }
}

function nearestExisting(directory: string): { readonly path: string; readonly inode: number } {
  for (let path = directory; ; path = dirname(path)) {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats !== undefined) return { path, inode: stats.ino }
    if (dirname(path) === path) return { path, inode: 0 }
  }
}

/**
 * Wakes the shipper when something happens in a directory. Only a hint: chokidar leaves events out, so
 * what is read is decided by our own scans and looks at open files.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { watch } from 'chokidar'

export interface DirectoryEvents {
  /** The file of this path was written to. */
  changed(path: string): void
  /** Something appeared in, moved or left this path. */
  moved(path: string): void
  failed(error: unknown): void
}

export class DirectoryWatcher implements AsyncDisposable {
  readonly #watched = new Set<string>()
  readonly #watcher

  constructor(events: DirectoryEvents) {
    // Files are ignored, so there is one watch per directory and no stat per event; the raw events of
    // the directory's watch name the file.
    this.#watcher = watch([], {
      depth: 0,
      ignoreInitial: true,
      ignored: (_path, stats) => stats?.isFile() === true,
    })
    this.#watcher.on('raw', (event, name, details: unknown) => {
      const directory = watchedPathOf(details)
      if (directory === null) return
      // inotify says 'rename' for everything but a write.
      const path = name ? join(directory, String(name)) : directory
      if (event === 'change') events.changed(path)
      else events.moved(path)
    })
    this.#watcher.on('error', (error) => events.failed(error))
  }

  /** Watches these directories from now on; for one that does not exist yet, its nearest ancestor. */
  follow(directories: ReadonlySet<string>): void {
    const wanted = new Set([...directories].map(nearestExisting))
    const added = [...wanted].filter((directory) => !this.#watched.has(directory))
    const left = [...this.#watched].filter((directory) => !wanted.has(directory))
    if (left.length > 0) this.#watcher.unwatch(left)
    if (added.length > 0) this.#watcher.add(added)
    for (const directory of left) this.#watched.delete(directory)
    for (const directory of added) this.#watched.add(directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher.close()
  }
}

function watchedPathOf(details: unknown): string | null {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) return null
  return typeof details.watchedPath === 'string' ? details.watchedPath : null
}

function nearestExisting(directory: string): string {
  let path = directory
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path)
  return path
}

/**
 * Where lake files lie: a flat space of `/`-separated paths below the lake's root. Adapters:
 * `local.ts`, WebHDFS. Every adapter passes `storage-conformance.ts`. `putIfAbsent` is the only atomic step that
 * the lake relies on.
 */

export interface StoredFile {
  readonly path: string
  readonly bytes: number
  readonly modifiedMs: number
}

export interface LakeStorage extends AsyncDisposable {
  /**
   * A folder of this process on the local file system for files about to be put. Adapters that can
   * move a file into place give one on the same file system.
   */
  readonly stagingDirectory: string
  /** Moves or uploads a local file to `path`, durably: it survives a power cut once this resolves. */
  putFile(path: string, localFile: string): Promise<void>
  /** Writes or replaces `path`, durably and in one step: readers see the old bytes or the new. */
  put(path: string, bytes: Buffer): Promise<void>
  /** Creates `path` with these bytes, durably, or returns false and changes nothing if it exists. */
  putIfAbsent(path: string, bytes: Buffer): Promise<boolean>
  /** The bytes of `path`, or null when there is no such file. */
  read(path: string): Promise<Buffer | null>
  exists(path: string): Promise<boolean>
  /** All files below a folder, at any depth, ascending by path; none when there is no such folder. */
  list(folder: string): Promise<StoredFile[]>
  /** Removes files; one that is not there is not an error. */
  remove(paths: readonly string[]): Promise<void>
  /** A name under which DuckDB can open the file now (the file itself, or a local copy of it). */
  readablePath(path: string): Promise<string>
}

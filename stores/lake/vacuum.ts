/** Removal of what no reader can hold: data files and old log entries. */
import { parseLogName } from './delta-log.ts'
import type { LakeStorage, StoredFile } from './storage.ts'
import type { TableState } from './table-state.ts'

interface VacuumRequest {
  readonly storage: LakeStorage
  readonly tablePath: string
  /** What was removed before this, epoch ms, may go. */
  readonly cutoffMs: number
  /**
   * A file that no version has named and that was written before this, epoch ms, may go. Much earlier
   * than `cutoffMs`: a writer whose disk is full may hold a file for hours before it can commit it.
   */
  readonly orphanCutoffMs: number
  /** Called after listing: a file that was committed meanwhile must be seen as live. */
  readonly newestState: () => Promise<TableState>
}

/** Returns how many files were deleted. */
export async function vacuumTable(request: VacuumRequest): Promise<number> {
  const { storage, tablePath, cutoffMs, orphanCutoffMs, newestState } = request
  const listed = await storage.list(tablePath)
  const state = await newestState()
  const live = new Set(state.snapshot.files.map((file) => `${tablePath}/${file.path}`))
  const isExpired = ({ path, modifiedMs }: StoredFile) => {
    const removedAtMs = state.removedAtMs.get(path.slice(tablePath.length + 1))
    return removedAtMs === undefined ? modifiedMs <= orphanCutoffMs : removedAtMs <= cutoffMs
  }
  const data = listed.filter(
    (file) =>
      !file.path.startsWith(`${tablePath}/_delta_log/`) && !live.has(file.path) && isExpired(file),
  )
  const paths = [...data, ...expiredLogEntries(listed, cutoffMs)].map((file) => file.path)
  await storage.remove(paths)
  return paths.length
}

/** Everything before the newest checkpoint that is itself older than the cutoff. */
function expiredLogEntries(listed: readonly StoredFile[], cutoffMs: number): StoredFile[] {
  const entries = listed.flatMap((file) => {
    const name = parseLogName(file.path)
    return name === null ? [] : [{ file, ...name }]
  })
  let keptFrom = -1
  for (const { file, isCheckpoint, version } of entries) {
    if (isCheckpoint && file.modifiedMs <= cutoffMs && version > keptFrom) keptFrom = version
  }
  return entries.filter(({ version }) => version < keptFrom).map(({ file }) => file)
}

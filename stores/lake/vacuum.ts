/** Removal of what no reader can hold: data files and old log entries. */
import { parseLogName } from './delta-log.ts'
import type { LakeStorage, StoredFile } from './storage.ts'
import type { TableState } from './table-state.ts'

interface VacuumRequest {
  readonly storage: LakeStorage
  readonly tablePath: string
  /** What was last changed or removed before this, epoch ms, may go. */
  readonly cutoffMs: number
  /** Called after listing: a file that was committed meanwhile must be seen as live. */
  readonly newestState: () => Promise<TableState>
}

/** Returns how many files were deleted. */
export async function vacuumTable(request: VacuumRequest): Promise<number> {
  const { storage, tablePath, cutoffMs, newestState } = request
  const listed = await storage.list(tablePath)
  const state = await newestState()
  const live = new Set(state.snapshot.files.map((file) => `${tablePath}/${file.path}`))
  const isHeld = (path: string) =>
    live.has(path) || (state.removedAtMs.get(path.slice(tablePath.length + 1)) ?? 0) > cutoffMs
  const data = listed.filter(
    ({ path, modifiedMs }) =>
      !path.startsWith(`${tablePath}/_delta_log/`) && modifiedMs <= cutoffMs && !isHeld(path),
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

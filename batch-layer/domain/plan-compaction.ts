/** Which small files of a table to merge. Pure: files in, groups of files out. */
import { type Offsets, offsetOf } from '../../core/offsets.ts'

/** What the plan needs to know of a file; a lake table's `DataFile` has it all. */
interface CandidateFile {
  readonly path: string
  readonly bytes: number
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly stats: {
    readonly min: Readonly<Record<string, unknown>>
    readonly max: Readonly<Record<string, unknown>>
  }
}

interface CompactionLimits {
  readonly compactionFileBytesMax: number
  readonly compactionFilesMin: number
  readonly compactionBytesMax: number
}

/**
 * Groups of files of one partition folder each, to be rewritten as one file a group. Only files whose
 * rows all lie below `settled`, the offsets that every view's batch part covers: newer rows are
 * still read by offsets, commit by commit, and merging them would make those readers read more.
 */
export function planCompaction<File extends CandidateFile>(
  files: readonly File[],
  settled: Offsets,
  limits: CompactionLimits,
): File[][] {
  const folders = new Map<string, File[]>()
  for (const file of files) {
    if (file.bytes >= limits.compactionFileBytesMax || !isSettled(file, settled)) continue
    const folder = JSON.stringify(file.partitionValues)
    folders.set(folder, [...(folders.get(folder) ?? []), file])
  }
  let budget = limits.compactionBytesMax
  const groups: File[][] = []
  // The fullest folder first: it costs readers the most.
  for (const folder of [...folders.values()].sort((a, b) => b.length - a.length)) {
    const group = takeWithin(folder, budget)
    if (group.length < limits.compactionFilesMin) continue
    groups.push(group)
    budget -= bytesOf(group)
  }
  return groups
}

function isSettled({ stats }: CandidateFile, settled: Offsets): boolean {
  const first = stats.min['_partition']
  const last = stats.max['_partition']
  const offsetMax = stats.max['_offset']
  // Without statistics nothing is known about the rows: such a file is left alone.
  if (typeof first !== 'number' || typeof last !== 'number') return false
  if (typeof offsetMax !== 'number') return false
  for (let partition = first; partition <= last; partition++) {
    if (BigInt(offsetMax) >= offsetOf(settled, partition)) return false
  }
  return true
}

function takeWithin<File extends CandidateFile>(files: readonly File[], bytesMax: number): File[] {
  const taken: File[] = []
  let bytes = 0
  for (const file of files) {
    if (bytes + file.bytes > bytesMax) break
    taken.push(file)
    bytes += file.bytes
  }
  return taken
}

function bytesOf(files: readonly CandidateFile[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0)
}

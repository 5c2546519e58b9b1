/** Which small files of a table to merge. Pure: files in, groups of files out. */
/** What the plan needs to know of a file; a lake table's `DataFile` has it all. */
interface CandidateFile {
  readonly path: string
  readonly bytes: number
  readonly partitionValues: Readonly<Record<string, string | null>>
}

interface CompactionLimits {
  readonly compactionFileBytesMax: number
  readonly compactionFilesMin: number
  readonly compactionBytesMax: number
}

/** Groups of files of one partition folder each, to be rewritten as one file a group. */
export function planCompaction<File extends CandidateFile>(
  files: readonly File[],
  limits: CompactionLimits,
): File[][] {
  const folders = new Map<string, File[]>()
  for (const file of files) {
    if (file.bytes >= limits.compactionFileBytesMax) continue
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

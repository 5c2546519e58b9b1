import { z } from 'zod'

export const batchSettings = z.strictObject({
  intervalMs: z
    .int()
    .min(100)
    .max(86_400_000)
    .default(60_000)
    .describe('Time from the end of one batch to the start of the next, ms.'),
  fullIntervalMs: z
    .int()
    .min(0)
    .default(86_400_000)
    .describe(
      'A view is recomputed from all rows when its last full recompute is this old, ms; 0 does so only when asked or when its definition changed.',
    ),
  lockWaitMs: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(60_000)
    .describe('How long to wait for another batch on the same data directory to end, ms.'),
  compactionFileBytesMax: z
    .int()
    .min(0)
    .default(8 * 1024 * 1024)
    .describe('Files of a lake table below this size count as small and are merged, bytes.'),
  compactionFilesMin: z
    .int()
    .min(2)
    .default(8)
    .describe('Small files in one partition folder before they are merged, count.'),
  compactionBytesMax: z
    .int()
    .min(1)
    .default(64 * 1024 * 1024)
    .describe('Files merged per table and batch, bytes: bounds how long a batch is kept waiting.'),
  retentionMs: z
    .int()
    .min(1000)
    .max(86_400_000)
    .default(600_000)
    .describe(
      'Files that a newer version replaced are kept this long for queries that still read them, ms.',
    ),
  rebuildChunkBytesMax: z
    .int()
    .min(1)
    .default(16 * 1024 * 1024)
    .describe(
      'Files of raw that a rebuild reads at once, bytes as they lie in the lake; their rows take several times as much memory.',
    ),
  threads: z
    .int()
    .min(1)
    .max(1024)
    .default(2)
    .describe('Threads of the DuckDB that recomputes views.'),
  memoryBytesMax: z
    .int()
    .min(64 * 1024 * 1024)
    .default(512 * 1024 * 1024)
    .describe('Memory of the DuckDB that recomputes views; beyond it, it writes to disk, bytes.'),
})

export type BatchSettings = z.infer<typeof batchSettings>

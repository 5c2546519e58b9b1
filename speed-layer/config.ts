/** Settings of the speed layer. */
import { z } from 'zod'

const mebibyte = 1024 * 1024

export const speedSettings = z.strictObject({
  microBatchIntervalMs: z
    .int()
    .min(1)
    .max(10_000)
    .default(85)
    .describe('How long records are gathered before they are processed together, in ms.'),
  microBatchBytesMax: z
    .int()
    .min(1024)
    .max(256 * mebibyte)
    .default(24 * mebibyte)
    .describe('Most bytes of record values processed at once.'),
  fileRecordsMin: z
    .int()
    .min(1)
    .default(2000)
    .describe('From this many records on, a micro-batch goes to DuckDB as a file in memory.'),
  recordBytesMax: z
    .int()
    .min(1024)
    .max(64 * mebibyte)
    .default(mebibyte)
    .describe('Longest record that is parsed, in bytes; a longer one is kept as rejected.'),
  lakeCommitIntervalMs: z
    .int()
    .min(100)
    .default(5000)
    .describe('Longest time until new rows are committed to the lake, in ms.'),
  lakeCommitBytesMax: z
    .int()
    .min(1024)
    .default(32 * mebibyte)
    .describe('Bytes of record values that start a lake commit before its time.'),
  lakeCommitRowsMax: z
    .int()
    .min(1)
    .default(500_000)
    .describe('Number of records that start a lake commit before its time.'),
  pendingBytesMax: z
    .int()
    .min(1024)
    .default(64 * mebibyte)
    .describe(
      'Most bytes of record values of one pipeline that wait for the lake; beyond it reading stops.',
    ),
  retryDelayMsMin: z
    .int()
    .min(1)
    .default(100)
    .describe('Pause before the first retry after a store failed, in ms; it doubles each time.'),
  retryDelayMsMax: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Longest pause between two retries, in ms.'),
  shutdownCommitMs: z
    .int()
    .min(0)
    .default(3000)
    .describe('How long the last lake commit may take at the end, in ms.'),
  threads: z
    .int()
    .min(1)
    .max(256)
    .default(1)
    .describe(
      'Threads of the DuckDB that parses records. Parsing, enriching and committing run beside each other ' +
        'anyway, and a statement that waits for threads of its own keeps a core busy: more than 1 only pays ' +
        'where there are cores to spare.',
    ),
  memoryBytesMax: z
    .int()
    .min(64 * mebibyte)
    .default(512 * mebibyte)
    .describe('Most memory of the DuckDB that parses records, in bytes.'),
})

export type SpeedSettings = z.infer<typeof speedSettings>

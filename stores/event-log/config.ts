import { z } from 'zod'

/** Settings of the embedded event log. */
export const eventLogSettings = z.strictObject({
  recordBytesMax: z
    .int()
    .min(1024)
    .max(128 * 1024 * 1024)
    // A line of 1 MiB whose every byte is escaped to six in a JSON envelope, and the envelope.
    .default(8 * 1024 * 1024)
    .describe(
      'Largest value of one record in bytes; a larger one is refused with RECORD_TOO_LARGE.',
    ),
  diskReserveBytes: z
    .int()
    .min(0)
    .default(64 * 1024 * 1024)
    .describe(
      'Appends are refused with DISK_FULL when the disk has less than this many bytes left.',
    ),
  retentionMs: z
    .int()
    .min(1000)
    .default(7 * 24 * 3600 * 1000)
    .describe('How long records are kept in ms; whole batches older than this are deleted.'),
  retentionBytes: z
    .int()
    .min(1024 * 1024)
    .default(64 * 1024 * 1024 * 1024)
    .describe('Most bytes kept per partition; beyond it the oldest whole batches are deleted.'),
  retentionCheckMs: z
    .int()
    .min(100)
    .default(60_000)
    .describe('Time between two checks of the retention limits in ms.'),
  idlePollMs: z
    .int()
    .min(1)
    .max(60_000)
    .default(250)
    .describe('A waiting reader looks at the log at least this often, in ms, hints or not.'),
  leaseMs: z
    .int()
    .min(1000)
    .default(15_000)
    .describe(
      'A group member on another machine or in another container counts as dead after this many ms without a sign of life.',
    ),
})

export type EventLogSettings = z.infer<typeof eventLogSettings>

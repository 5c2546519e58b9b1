import { z } from 'zod'

/** Settings of the hot store in memory. */
export const hotStoreSettings = z.strictObject({
  bytesMax: z
    .int()
    .min(1024 * 1024)
    .default(256 * 1024 * 1024)
    .describe('Rows that are held until the lake has them, of all pipelines together, in bytes.'),
  fullWaitMs: z
    .int()
    .min(0)
    .max(60_000)
    .default(1000)
    .describe(
      'How long an append waits for room before the speed layer commits to the lake, in ms.',
    ),
})

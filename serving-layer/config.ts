/** Settings of the serving layer. */
import { z } from 'zod'

const mebibyte = 1024 * 1024

/** Mirror, queries and GraphQL. */
export const servingSettings = z.strictObject({
  threads: z
    .int()
    .min(1)
    .max(1024)
    .default(2)
    .describe('Threads that DuckDB uses for all queries together.'),
  memoryBytesMax: z
    .int()
    .min(64 * mebibyte)
    .default(512 * mebibyte)
    .describe('Memory that recent rows, tails and running queries may use together, in bytes.'),
  lakePollIntervalMs: z
    .int()
    .min(10)
    .max(60_000)
    .default(500)
    .describe('How often the lake is asked for new commits and published views, in ms.'),
  hotReadBytesMax: z
    .int()
    .min(64 * 1024)
    .default(16 * mebibyte)
    .describe('Bytes of recent rows that are read from the hot store at once.'),
  hotGatherMs: z
    .int()
    .min(0)
    .max(1000)
    .default(5)
    .describe('How long recent rows that follow closely on others are waited for, in ms.'),
  recentOffsetsMax: z
    .int()
    .min(1000)
    .default(2_000_000)
    .describe(
      'Offsets per pipeline that may be ahead of the lake in memory before following pauses.',
    ),
  backlogOffsetsMin: z
    .int()
    .min(1)
    .default(200_000)
    .describe(
      'Offsets by which the hot store must be behind the event log for its rows to wait for the lake.',
    ),
  tailSegmentsMax: z
    .int()
    .min(1)
    .default(64)
    .describe('Tail segments per view that are kept before they are merged into one.'),
  queriesRunningMax: z
    .int()
    .min(1)
    .max(256)
    .default(3)
    .describe('Queries that run at once; keep it below UV_THREADPOOL_SIZE (4 unless set).'),
  queriesWaitingMax: z
    .int()
    .min(0)
    .max(100_000)
    .default(100)
    .describe('Queries that may wait for their turn; more are refused with QUERY_OVERLOADED.'),
  queryTimeoutMs: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(30_000)
    .describe('Time after which a query is ended, waiting included, in ms.'),
  rowsDefault: z
    .int()
    .min(1)
    .default(1000)
    .describe('Rows an answer has at most when the caller states no limit.'),
  rowsMax: z.int().min(1).default(100_000).describe('Rows a caller may ask for in one answer.'),
  resultBytesMax: z
    .int()
    .min(1024)
    .default(32 * mebibyte)
    .describe('Bytes of one answer, counted as JSON; what is beyond is left out and marked.'),
  sqlBytesMax: z
    .int()
    .min(1024)
    .default(128 * 1024)
    .describe('Length of a query text, in bytes.'),
  graphqlDepthMax: z
    .int()
    .min(1)
    .default(12)
    .describe('Levels of nested fields in a GraphQL document.'),
  graphqlCostMax: z
    .int()
    .min(1)
    .default(1000)
    .describe('Cost of a GraphQL document: 50 for each field that runs a query, 1 for any other.'),
  graphqlTokensMax: z
    .int()
    .min(100)
    .default(5000)
    .describe('Tokens in a GraphQL document, so that parsing stays cheap.'),
  subscriptionIntervalMs: z
    .int()
    .min(10)
    .max(3_600_000)
    .default(250)
    .describe('Shortest time between two messages of a subscription that states none, in ms.'),
  subscriptionsMax: z
    .int()
    .min(1)
    .default(200)
    .describe('Subscriptions that may be open at once in this process.'),
})

export type ServingSettings = z.infer<typeof servingSettings>

/** The HTTP server: GraphQL, its page, health and metrics. */
export const httpSettings = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address to listen on; 0.0.0.0 for all of them.'),
  port: z.int().min(0).max(65_535).default(4000).describe('Port to listen on; 0 for any free one.'),
  bodyBytesMax: z
    .int()
    .min(1024)
    .default(mebibyte)
    .describe('Bytes of one request body or WebSocket message.'),
  allowedHosts: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Host names, without port, that requests may be addressed to besides localhost when ' +
        'listening on a loopback address.',
    ),
  allowedOrigins: z
    .array(z.string().min(1))
    .default([])
    .describe('Origins, e.g. https://ops.example.com, whose pages may open WebSockets here.'),
})

export type HttpSettings = z.infer<typeof httpSettings>

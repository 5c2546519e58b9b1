/** `millrace status`: how the pipelines of a running server are doing. */
import { formatAnswer } from '../format-answer.ts'
import { askServer, serverUrl } from '../graphql-client.ts'
import { readSettings } from '../settings.ts'

export interface StatusOptions {
  readonly json?: boolean
  readonly url?: string
  readonly config?: string
}

interface PipelineStatus {
  readonly name: string
  readonly topic: string
  readonly lag: number | string
  readonly freshnessMs: number | null
  readonly batchAgeMs: number | null
  readonly rejectedCount: number | string
}

const query =
  '{ pipelines { name topic lag freshnessMs batchAgeMs rejectedCount log realtime lake batch } }'

export async function runStatus(options: StatusOptions): Promise<void> {
  const url = options.url ?? serverUrl(readSettings(options.config))
  const { pipelines } = await askServer<{ readonly pipelines: readonly PipelineStatus[] }>(
    url,
    query,
  )
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ url, pipelines })}\n`)
    return
  }
  const columns = ['pipeline', 'topic', 'lag', 'freshness_ms', 'batch_age_s', 'rejected'].map(
    (name, index) => ({ name, type: index < 2 ? 'VARCHAR' : 'BIGINT' }),
  )
  const rows = pipelines.map((one) => [
    one.name,
    one.topic,
    one.lag,
    rounded(one.freshnessMs, 1),
    rounded(one.batchAgeMs, 1000),
    one.rejectedCount,
  ])
  const answer = { columns, rows, coverage: [], isTruncated: false }
  process.stdout.write(`${formatAnswer(answer, 'table')} · ${url}\n`)
}

function rounded(ms: number | null, unit: number): number | string {
  return ms === null ? '-' : Math.round(ms / unit)
}

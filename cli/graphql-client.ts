/** Asks a running server over HTTP. */
import { type FailureCode, failures, MillraceError } from '../core/errors.ts'
import type { Settings } from './settings.ts'

/** `http://127.0.0.1:4000`: where `up` and `serve` listen by these settings. */
export function serverUrl({ http }: Settings): string {
  const host = http.host === '0.0.0.0' || http.host === '::' ? 'localhost' : http.host
  return `http://${host.includes(':') ? `[${host}]` : host}:${http.port}`
}

interface GraphqlReply {
  readonly data?: unknown
  readonly errors?: readonly {
    readonly message: string
    readonly extensions?: { readonly code?: string }
  }[]
}

/**
 * @throws MillraceError SERVER_UNREACHABLE when nobody answers at the URL, else the server's error
 *   under its own code.
 */
export async function askServer<Data>(
  url: string,
  query: string,
  { variables = {}, signal }: { readonly variables?: object; readonly signal?: AbortSignal } = {},
): Promise<Data> {
  const reply = await post(url, { query, variables }, signal)
  const [error] = reply.errors ?? []
  if (error !== undefined) {
    const code = error.extensions?.code ?? ''
    if (code in failures) throw new MillraceError(code as FailureCode, error.message)
    throw new Error(error.message)
  }
  return reply.data as Data
}

async function post(url: string, body: object, signal?: AbortSignal): Promise<GraphqlReply> {
  const headers = { 'content-type': 'application/json' }
  const request = { method: 'POST', headers, body: JSON.stringify(body), signal: signal ?? null }
  try {
    const response = await fetch(`${url}/graphql`, request)
    const text = await response.text()
    if (!text.startsWith('{')) throw new Error(`status ${response.status}: ${text.slice(0, 100)}`)
    return JSON.parse(text) as GraphqlReply
  } catch (cause) {
    if (signal?.aborted) throw new MillraceError('QUERY_CANCELLED', 'The query was cancelled.')
    throw new MillraceError(
      'SERVER_UNREACHABLE',
      `No millrace server answers at ${url}. Start one with 'npm start' (or 'millrace up'), or set MILLRACE_HTTP_PORT to its port.`,
      { cause },
    )
  }
}

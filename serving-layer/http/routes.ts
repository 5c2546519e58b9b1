/** What each path answers. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import type { HttpSettings } from '../config.ts'
import type { GraphqlServer } from '../graphql/graphql-server.ts'
import type { Mirror } from '../mirror/contract.ts'
import type { HttpSignals } from '../telemetry.ts'
import { isKnownHost } from './caller-check.ts'
import { graphiqlPage, pageHeaders } from './graphiql-page.ts'
import { HttpError, readJsonBody } from './request-body.ts'

export interface RouteContext {
  readonly graphql: GraphqlServer
  readonly mirror: Mirror
  readonly settings: HttpSettings
  readonly registry: Registry
  readonly signals: HttpSignals
}

type Route = (
  request: IncomingMessage,
  response: ServerResponse,
  context: RouteContext,
) => Promise<void> | void

const routes: ReadonlyMap<string, { readonly methods: readonly string[]; readonly route: Route }> =
  new Map([
    ['/', { methods: ['GET', 'HEAD'], route: answerPage }],
    ['/graphiql', { methods: ['GET', 'HEAD'], route: answerPage }],
    ['/graphql', { methods: ['GET', 'HEAD', 'POST'], route: answerGraphql }],
    ['/healthz', { methods: ['GET', 'HEAD'], route: answerHealth }],
    ['/readyz', { methods: ['GET', 'HEAD'], route: answerReadiness }],
    ['/metrics', { methods: ['GET', 'HEAD'], route: answerMetrics }],
  ])

export async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  context: RouteContext,
): Promise<void> {
  response.setHeader('x-content-type-options', 'nosniff')
  try {
    await routeOf(request, context)(request, response, context)
  } catch (error) {
    if (!(error instanceof HttpError)) throw error
    // The rest of a body that was refused is not worth reading.
    response.setHeader('connection', 'close')
    sendJson(response, error.status, { errors: [{ message: error.message }] })
  }
}

function routeOf(request: IncomingMessage, { settings }: RouteContext): Route {
  if (!isKnownHost(request.headers, settings)) {
    throw new HttpError(
      403,
      `Host '${request.headers.host ?? ''}' is not one that this server answers for. ` +
        'Add it to the setting allowedHosts.',
    )
  }
  const found = routes.get(pathOf(request))
  if (found === undefined) {
    throw new HttpError(404, `There is nothing here; try ${[...routes.keys()].join(', ')}.`)
  }
  if (!found.methods.includes(request.method ?? '')) {
    throw new HttpError(405, `Method '${request.method}' is not allowed here.`)
  }
  return found.route
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?')[0] ?? '/'
}

async function answerPage(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // Before rendering 9 MB, which a HEAD request does not want.
  if (request.method === 'HEAD') return sendText(response, 200, '', pageHeaders)
  sendText(response, 200, await graphiqlPage(), pageHeaders)
}

async function answerGraphql(
  request: IncomingMessage,
  response: ServerResponse,
  { graphql, settings }: RouteContext,
): Promise<void> {
  const closed = new AbortController()
  // Also emitted after a complete answer, when aborting has nothing left to do.
  response.on('close', () => closed.abort())
  const body = await readJsonBody(request, settings.bodyBytesMax)
  const search = new URL(request.url ?? '/', 'http://localhost').search
  const answer = await graphql.answer({
    method: request.method ?? 'GET',
    headers: headersOf(request),
    search,
    body,
    signal: closed.signal,
  })
  for (const [name, value] of answer.headers) response.setHeader(name, value)
  response.writeHead(answer.status).end(answer.body)
}

function* headersOf({ headers }: IncomingMessage): Generator<[string, string]> {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) yield [name, Array.isArray(value) ? value.join(', ') : value]
  }
}

function answerHealth(_: IncomingMessage, response: ServerResponse): void {
  sendJson(response, 200, { status: 'ok' })
}

function answerReadiness(
  _: IncomingMessage,
  response: ServerResponse,
  { mirror }: RouteContext,
): void {
  if (mirror.isReady) {
    sendJson(response, 200, { status: 'ready' })
    return
  }
  const reason = 'The data is still being loaded or can no longer be followed.'
  sendJson(response, 503, { status: 'not ready', reason })
}

async function answerMetrics(
  _: IncomingMessage,
  response: ServerResponse,
  { registry }: RouteContext,
): Promise<void> {
  const text = await registry.metrics()
  sendText(response, 200, text, { 'content-type': registry.contentType })
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, `${JSON.stringify(value)}\n`, {
    'content-type': 'application/json; charset=utf-8',
  })
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { 'cache-control': 'no-store', ...headers }).end(text)
}

/** The HTTP server: GraphQL with its page, health and metrics. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { MillraceError } from '../../core/errors.ts'
import type { SteadyClock } from '../../stores/clock.ts'
import type { Telemetry } from '../../stores/telemetry.ts'
import type { HttpSettings, ServingSettings } from '../config.ts'
import { GraphqlServer } from '../graphql/graphql-server.ts'
import type { Mirror } from '../mirror/contract.ts'
import type { QueryService } from '../query/query-service.ts'
import { type HttpSignals, httpSignals, stateGauges } from '../telemetry.ts'
import { isKnownHost, isKnownOrigin } from './caller-check.ts'
import { answerRequest, type RouteContext } from './routes.ts'

export interface HttpServerContext {
  readonly mirror: Mirror
  readonly queryService: QueryService
  readonly settings: HttpSettings
  readonly servingSettings: ServingSettings
  readonly telemetry: Telemetry
  readonly clock: SteadyClock
}

export interface HttpServer {
  /** E.g. `http://127.0.0.1:4000`. */
  readonly url: string
  /** Cancels what runs, closes every connection and WebSocket, and resolves when all is closed. */
  close(): Promise<void>
}

/** Listens once the address is bound. Throws `PORT_IN_USE`. Call it once per telemetry. */
export async function startHttpServer(context: HttpServerContext): Promise<HttpServer> {
  const { mirror, queryService, settings, servingSettings, telemetry, clock } = context
  const signals = httpSignals(telemetry)
  stateGauges(telemetry, { mirror, queryService })
  const services = { mirror, queryService, settings: servingSettings, clock }
  const graphql = await GraphqlServer.start(services, signals.requestFailed)
  const routes = { graphql, mirror, settings, registry: telemetry.registry, signals }
  const server = createServer((request, response) => answer(request, response, routes))
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: settings.bodyBytesMax,
    // GraphQL names the protocol; a client that speaks another is turned away by graphql-ws.
    handleProtocols: (protocols) =>
      protocols.has('graphql-transport-ws') ? 'graphql-transport-ws' : false,
  })
  const endSockets = graphql.serve(sockets)
  sockets.on('connection', (socket) => reportUnreadable(socket, settings, signals))
  server.on('upgrade', (request, socket, head) => {
    if (!isUpgradeAllowed(request, settings)) return refuseUpgrade(socket)
    sockets.handleUpgrade(request, socket, head, (accepted) =>
      sockets.emit('connection', accepted, request),
    )
  })
  const open = { server, sockets, endSockets, graphql, signals }
  const url = await listen(server, settings).catch(async (error: unknown) => {
    await endSockets()
    await graphql[Symbol.asyncDispose]()
    throw error
  })
  signals.listening(url)
  let closing: Promise<void> | undefined
  const closeOnce = () => {
    closing ??= close(open)
    return closing
  }
  return { url, close: closeOnce }
}

/** Everything that goes wrong while answering is answered or reported here. */
function answer(request: IncomingMessage, response: ServerResponse, routes: RouteContext): void {
  answerRequest(request, response, routes).catch((error: unknown) => {
    if (response.destroyed) return
    routes.signals.requestFailed(error)
    if (response.headersSent) response.destroy()
    else response.writeHead(500, { 'content-type': 'text/plain' }).end('Unexpected error.\n')
  })
}

function isUpgradeAllowed(request: IncomingMessage, settings: HttpSettings): boolean {
  const path = request.url?.split('?')[0]
  const { headers } = request
  return path === '/graphql' && isKnownHost(headers, settings) && isKnownOrigin(headers, settings)
}

function refuseUpgrade(socket: Duplex): void {
  socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
}

/** `ws` has closed such a socket with the code of its reason, e.g. 1009 for a message that is too long. */
function reportUnreadable(
  socket: WebSocket,
  { bodyBytesMax }: HttpSettings,
  signals: HttpSignals,
): void {
  // The one that graphql-ws has added takes it for a fault of ours and prints its stack.
  socket.removeAllListeners('error')
  socket.on('error', (error: NodeJS.ErrnoException) => {
    const isTooLong = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
    signals.socketUnreadable(
      isTooLong
        ? `A message is longer than ${bodyBytesMax} bytes (http.bodyBytesMax).`
        : error.message,
    )
  })
}

async function listen(server: Server, { host, port }: HttpSettings): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? portInUse(host, port, error) : error)
    })
    server.listen(port, host, resolve)
  })
  // A TCP server's address is never a path.
  const { port: bound } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}

function portInUse(host: string, port: number, cause: Error): MillraceError {
  return new MillraceError(
    'PORT_IN_USE',
    `Port '${port}' on ${host} is in use by another program. Stop that one or set ` +
      'MILLRACE_HTTP_PORT to another port.',
    { cause },
  )
}

interface Open {
  readonly server: Server
  readonly sockets: WebSocketServer
  readonly endSockets: () => Promise<void>
  readonly graphql: GraphqlServer
  readonly signals: HttpSignals
}

async function close({ server, sockets, endSockets, graphql, signals }: Open): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  // The sockets are told, and then not waited for: a client that does not answer must not hold us up.
  const told = endSockets()
  for (const socket of sockets.clients) socket.terminate()
  await told
  server.closeAllConnections()
  await closed
  await graphql[Symbol.asyncDispose]()
  signals.closed()
}

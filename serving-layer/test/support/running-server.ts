/** A served fake mirror and a client for it. */
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { systemClock } from '../../../stores/clock.ts'
import { createTelemetry } from '../../../stores/telemetry.ts'
import { httpSettings, type ServingSettings, servingSettings } from '../../config.ts'
import { type HttpServer, startHttpServer } from '../../http/server.ts'
import type { QueryService } from '../../query/query-service.ts'
import { FakeMirror, queryServiceOver } from './fake-mirror.ts'

export interface GraphqlAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes.
  readonly data: any
  readonly errors?: readonly {
    readonly message: string
    readonly extensions: { readonly code: string }
  }[]
}

export class RunningServer implements AsyncDisposable {
  readonly mirror: FakeMirror
  readonly queryService: QueryService
  readonly http: HttpServer
  /** What was logged, a JSON line each. */
  readonly logged: string[]
  readonly #clients: Client[] = []

  private constructor(parts: {
    mirror: FakeMirror
    queryService: QueryService
    http: HttpServer
    logged: string[]
  }) {
    this.mirror = parts.mirror
    this.queryService = parts.queryService
    this.http = parts.http
    this.logged = parts.logged
  }

  static async start(
    changes: {
      serving?: Partial<ServingSettings>
      http?: Partial<ReturnType<typeof httpSettings.parse>>
    } = {},
  ): Promise<RunningServer> {
    const mirror = await FakeMirror.open()
    const serving = { ...servingSettings.parse({}), subscriptionIntervalMs: 10, ...changes.serving }
    const queryService = await queryServiceOver(mirror, serving)
    const logged: string[] = []
    const telemetry = createTelemetry('info', { write: (line) => logged.push(line) })
    const http = await startHttpServer({
      mirror,
      queryService,
      settings: { ...httpSettings.parse({ port: 0 }), ...changes.http },
      servingSettings: serving,
      telemetry,
      clock: systemClock,
    })
    return new RunningServer({ mirror, queryService, http, logged })
  }

  async ask(query: string, variables: Record<string, unknown> = {}): Promise<GraphqlAnswer> {
    const response = await fetch(`${this.http.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    return {
      status: response.status,
      ...((await response.json()) as Omit<GraphqlAnswer, 'status'>),
    }
  }

  /** A WebSocket client that is closed with the server. */
  client(): Client {
    const client = createClient({
      url: `${this.http.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    })
    this.#clients.push(client)
    return client
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.dispose()
    await this.http.close()
    await this.queryService[Symbol.asyncDispose]()
    await this.mirror[Symbol.asyncDispose]()
  }
}

/** GraphQL over HTTP by Apollo Server and over WebSockets by graphql-ws, with one schema and one set of limits. */
import type { IncomingMessage } from 'node:http'
import { ApolloServer, HeaderMap } from '@apollo/server'
import {
  type ExecutionArgs,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  parse,
  specifiedRules,
  validate,
} from 'graphql'
import type { SubscribePayload } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import type { WebSocketServer } from 'ws'
import type { GraphqlServices, RequestContext } from './context.ts'
import { documentLimits } from './document-limits.ts'
import { graphqlSchema } from './schema.ts'
import { ShownErrors } from './shown-errors.ts'

export interface GraphqlHttpRequest {
  readonly method: string
  readonly headers: Iterable<readonly [name: string, value: string]>
  /** With its question mark, or empty. */
  readonly search: string
  /** The parsed JSON; undefined when there was none. */
  readonly body: unknown
  readonly signal: AbortSignal
}

export interface GraphqlHttpResponse {
  readonly status: number
  readonly headers: Iterable<readonly [name: string, value: string]>
  readonly body: string
}

interface SocketResult {
  readonly data?: Record<string, unknown> | null | undefined
  readonly errors?: readonly GraphQLError[] | undefined
}

export class GraphqlServer implements AsyncDisposable {
  readonly #schema: GraphQLSchema
  readonly #apollo: ApolloServer<RequestContext>
  readonly #errors: ShownErrors
  readonly #limits: ReturnType<typeof documentLimits>
  readonly #maxTokens: number
  readonly #closed = new WeakMap<IncomingMessage['socket'], AbortSignal>()

  private constructor(services: GraphqlServices, report: (error: unknown) => void) {
    const { graphqlDepthMax, graphqlCostMax, graphqlTokensMax } = services.settings
    this.#schema = graphqlSchema(services)
    this.#errors = new ShownErrors(report)
    this.#limits = documentLimits({ depthMax: graphqlDepthMax, costMax: graphqlCostMax })
    this.#maxTokens = graphqlTokensMax
    this.#apollo = new ApolloServer<RequestContext>({
      schema: this.#schema,
      introspection: true,
      includeStacktraceInErrorResponses: false,
      validationRules: [this.#limits],
      parseOptions: { maxTokens: graphqlTokensMax },
      csrfPrevention: true,
      allowBatchedHttpRequests: false,
      persistedQueries: false,
      cache: 'bounded',
      stopOnTerminationSignals: false,
      nodeEnv: 'production',
      status400ForVariableCoercionErrors: true,
      formatError: (formatted, error) => this.#errors.shown(formatted, error),
      logger: silentLogger,
    })
  }

  /** `report` is given each error that callers are not told about. */
  static async start(
    services: GraphqlServices,
    report: (error: unknown) => void,
  ): Promise<GraphqlServer> {
    const server = new GraphqlServer(services, report)
    await server.#apollo.start()
    return server
  }

  async answer(request: GraphqlHttpRequest): Promise<GraphqlHttpResponse> {
    const headers = new HeaderMap()
    for (const [name, value] of request.headers) headers.set(name, value)
    const { method, search, body, signal } = request
    const response = await this.#apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: { method, headers, search, body },
      context: async () => ({ signal }),
    })
    if (response.body.kind !== 'complete') throw new Error('Incremental delivery is not enabled.')
    return { status: response.status ?? 200, headers: response.headers, body: response.body.string }
  }

  /** Answers the sockets of `sockets`. Returns how to end all of them. */
  serve(sockets: WebSocketServer): () => Promise<void> {
    const server = useServer(
      {
        schema: this.#schema,
        connectionInitWaitTimeout: 5000,
        onSubscribe: (context, _id, payload) => this.#prepare(context.extra.request, payload),
        onNext: (_context, _id, _payload, _args, result) => this.#shownResult(result),
        onError: (_context, _id, _payload, errors) => errors.map((error) => this.#shown(error)),
      },
      sockets,
    )
    return async () => {
      await server.dispose()
    }
  }

  #prepare(
    request: IncomingMessage,
    { query, variables, operationName }: SubscribePayload,
  ): ExecutionArgs | readonly GraphQLError[] {
    try {
      const document = parse(query, { maxTokens: this.#maxTokens })
      const errors = validate(this.#schema, document, [...specifiedRules, this.#limits])
      if (errors.length > 0) return errors
      if (!getOperationAST(document, operationName)) {
        return [new GraphQLError('The document has no such operation.')]
      }
      const contextValue: RequestContext = { signal: this.#closedSignal(request) }
      return {
        schema: this.#schema,
        document,
        contextValue,
        operationName: operationName ?? null,
        variableValues: variables ?? null,
      }
    } catch (error) {
      if (error instanceof GraphQLError) return [error]
      throw error
    }
  }

  /** One for all operations of a socket. */
  #closedSignal({ socket }: IncomingMessage): AbortSignal {
    let closed = this.#closed.get(socket)
    if (closed === undefined) {
      const controller = new AbortController()
      socket.on('close', () => controller.abort())
      closed = controller.signal
      this.#closed.set(socket, closed)
    }
    return closed
  }

  #shownResult({ errors, ...rest }: SocketResult): FormattedExecutionResult {
    return {
      ...(rest.data === undefined ? {} : { data: rest.data }),
      ...(errors === undefined ? {} : { errors: errors.map((error) => this.#shown(error)) }),
    }
  }

  #shown(error: GraphQLError): GraphQLFormattedError {
    return this.#errors.shown(error.toJSON(), error)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#apollo.stop()
  }
}

/** Masked errors are reported by us; the rest of what Apollo says is about its own ways of use. */
const silentLogger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}

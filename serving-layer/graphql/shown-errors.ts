/** What callers are told about errors: ours with their code, GraphQL's own as they are, no others. */
import { GraphQLError, type GraphQLFormattedError } from 'graphql'
import { MillraceError } from '../../core/errors.ts'

const maskedMessage = 'Unexpected error.'

/** `report` is given each error that is masked, once. */
export class ShownErrors {
  readonly #report: (error: unknown) => void
  readonly #reported = new WeakSet<object>()

  constructor(report: (error: unknown) => void) {
    this.#report = report
  }

  /** `formatted` is what GraphQL would say; `error` is what was thrown. */
  shown(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
    const cause = causeOf(error)
    const { locations, path } = formatted
    const place = { ...(locations && { locations }), ...(path && { path }) }
    if (cause instanceof MillraceError) {
      return { message: cause.message, ...place, extensions: { code: cause.code } }
    }
    if (cause instanceof GraphQLError) {
      const code = formatted.extensions?.['code'] ?? 'GRAPHQL_INVALID'
      return { message: formatted.message, ...place, extensions: { code } }
    }
    this.#reportOnce(cause)
    return {
      message: maskedMessage,
      ...place,
      extensions: { code: 'INTERNAL_SERVER_ERROR' },
    }
  }

  #reportOnce(error: unknown): void {
    if (typeof error === 'object' && error !== null) {
      if (this.#reported.has(error)) return
      this.#reported.add(error)
    }
    this.#report(error)
  }
}

/** What a resolver threw; GraphQL wraps it once, or twice when it came through a subscription. */
function causeOf(error: unknown): unknown {
  let cause = error
  while (cause instanceof GraphQLError && cause.originalError !== undefined) {
    cause = cause.originalError
  }
  return cause
}

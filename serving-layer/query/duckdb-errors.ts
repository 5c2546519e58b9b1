/** What a caller is told about an error of DuckDB. */
import { MillraceError } from '../../core/errors.ts'

/** Errors that the query itself caused: `Binder Error: …` and its kin. */
const queryErrors =
  /^(?:Parser|Binder|Catalog|Conversion|Out of Range|Invalid Input|Mismatch Type|Not implemented|Syntax|Parameter Not Resolved|Parameter Not Allowed|Expression Depth|Constraint|Sequence|Invalid Type|Decimal|Permission|TransactionContext) Error: /i

/** The error to throw: a {@link MillraceError} where the cause is known, else the error as it is. */
export function explained(error: unknown): unknown {
  if (error instanceof MillraceError || !(error instanceof Error)) return error
  const { message } = error
  if (queryErrors.test(message)) {
    return new MillraceError('QUERY_INVALID', withoutPlaces(message.replace(queryErrors, '')), {
      cause: error,
    })
  }
  if (message.startsWith('Out of Memory Error')) {
    return new MillraceError(
      'QUERY_LIMIT_EXCEEDED',
      'The query needs more memory than the server may use. Ask for fewer rows, columns or groups.',
      { cause: error },
    )
  }
  if (message.startsWith('IO Error')) {
    return new MillraceError(
      'LAKE_UNAVAILABLE',
      'A file of the lake could not be read. Try again.',
      {
        cause: error,
      },
    )
  }
  return error
}

/** Drops the excerpt of the statement, which may be longer than what was sent, and paths of files. */
function withoutPlaces(message: string): string {
  const [text = ''] = message.split(/\n+LINE \d+: /)
  return text
    .replaceAll(/[^\s"']*[/\\][^\s"']*\.(?:parquet|json|csv|duckdb|db|tmp)\b/gi, '(file)')
    .trim()
}

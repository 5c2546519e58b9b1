import { MillraceError } from '../core/errors.ts'

/** Prints what went wrong as a sentence and gives the exit code. Stacks only at log level debug. */
export function reportError(error: unknown): number {
  const isExpected = error instanceof MillraceError
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`millrace: ${message}${isExpected ? ` (${error.code})` : ''}\n`)
  const level = process.env['MILLRACE_LOG_LEVEL']
  if (level === 'debug' || level === 'trace') {
    process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
  } else if (!isExpected) {
    process.stderr.write(
      'This was not expected. MILLRACE_LOG_LEVEL=debug shows where it happened.\n',
    )
  }
  return 1
}

/**
 * Every failure a user or caller can meet, by public code. Codes are `SUBJECT_FACT` and never
 * reused; `docs/errors.md` has one section per code and a test compares the two.
 */
interface FailureSpec {
  /** The same call may succeed later without anyone changing anything. */
  readonly retryable: boolean
  /** What a Hive client is told. */
  readonly sqlState: string
}

export const failures = {
  CONFIG_INVALID: { retryable: false, sqlState: 'HY000' },
  PIPELINE_INVALID: { retryable: false, sqlState: 'HY000' },
  VIEW_REFUSED: { retryable: false, sqlState: '0A000' },
  SHIPPER_CONFIG_INVALID: { retryable: false, sqlState: 'HY000' },
  REGISTRY_INVALID: { retryable: false, sqlState: 'HY000' },
  DATA_DIRECTORY_IN_USE: { retryable: false, sqlState: 'HY000' },
  DATA_DIRECTORY_UNUSABLE: { retryable: false, sqlState: 'HY000' },
  PORT_IN_USE: { retryable: false, sqlState: '08004' },
  DISK_FULL: { retryable: true, sqlState: '53100' },
  TOPIC_MISMATCH: { retryable: false, sqlState: 'HY000' },
  TOPIC_UNKNOWN: { retryable: false, sqlState: '42S02' },
  RECORD_TOO_LARGE: { retryable: false, sqlState: '22001' },
  EVENT_LOG_UNAVAILABLE: { retryable: true, sqlState: '08001' },
  EVENT_LOG_CORRUPT: { retryable: false, sqlState: 'HY000' },
  HOT_STORE_UNAVAILABLE: { retryable: true, sqlState: '08001' },
  LAKE_UNAVAILABLE: { retryable: true, sqlState: '08001' },
  LAKE_TABLE_INVALID: { retryable: false, sqlState: 'HY000' },
  LAKE_COMMIT_CONFLICT: { retryable: true, sqlState: '40001' },
  COVERAGE_HOLE: { retryable: false, sqlState: '58030' },
  LEASE_LOST: { retryable: true, sqlState: '40001' },
  BATCH_DIVERGED: { retryable: false, sqlState: 'HY000' },
  QUERY_INVALID: { retryable: false, sqlState: '42000' },
  QUERY_REFUSED: { retryable: false, sqlState: '42501' },
  QUERY_TIMEOUT: { retryable: false, sqlState: '57014' },
  QUERY_CANCELLED: { retryable: false, sqlState: '57014' },
  QUERY_LIMIT_EXCEEDED: { retryable: false, sqlState: '54000' },
  QUERY_OVERLOADED: { retryable: true, sqlState: '53300' },
  OBJECT_UNKNOWN: { retryable: false, sqlState: '42S02' },
  SERVER_UNREACHABLE: { retryable: true, sqlState: '08001' },
  NOT_READY: { retryable: true, sqlState: '57P03' },
} as const satisfies Record<string, FailureSpec>

export type FailureCode = keyof typeof failures

interface FailureContext {
  readonly cause?: unknown
  readonly details?: Readonly<Record<string, string | number | bigint>>
}

/**
 * An expected failure. The message is a sentence: what was refused, the value in quotes, what was
 * expected, what to do. A bug is not a MillraceError: it is an assertion and ends the process.
 */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly code: FailureCode
  readonly details: Readonly<Record<string, string | number | bigint>>

  constructor(code: FailureCode, message: string, { cause, details = {} }: FailureContext = {}) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    this.details = details
  }

  get retryable(): boolean {
    return failures[this.code].retryable
  }

  get sqlState(): string {
    return failures[this.code].sqlState
  }
}

/** One thing wrong with a file that a person wrote. */
export interface Problem {
  readonly file: string
  /** From 1; absent where the problem is about the file as a whole. */
  readonly line?: number
  /** What is wrong, what was expected and what to do, as one sentence. */
  readonly message: string
}

/** All problems of a configuration in one error, a line each: `file:line: message`. */
export function problemsError(code: FailureCode, headline: string, problems: readonly Problem[]) {
  const lines = problems.map(
    ({ file, line, message }) => `  ${file}${line === undefined ? '' : `:${line}`}: ${message}`,
  )
  return new MillraceError(code, [headline, ...lines].join('\n'))
}

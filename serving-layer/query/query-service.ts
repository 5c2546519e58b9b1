/**
 * Answers SQL over the catalog: parse → check → run → typed columns. GraphQL, HiveServer2, the web page
 * and the command line are skins over this.
 */
import { setImmediate } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.ts'
import type { Column } from '../../core/sql.ts'
import type { SteadyClock } from '../../stores/clock.ts'
import type { Session } from '../../stores/engine/duckdb.ts'
import { type JsonValue, jsonRowsOf } from '../../stores/engine/json-values.ts'
import type { ServingSettings } from '../config.ts'
import { type Coverage, type Mirror, type Mode, schemaOfMode } from '../mirror/contract.ts'
import type { QuerySignals } from '../telemetry.ts'
import { Admission } from './admission.ts'
import { explained } from './duckdb-errors.ts'
import { functionPolicyOf, functionsSql } from './function-policy.ts'
import type { ObjectUse } from './guard.ts'
import { StatementCache } from './statement-cache.ts'
import { TimeLimit } from './time-limit.ts'

/** Rows that are converted before other work gets its turn. */
const rowsPerTurn = 2048

export type QueryParameter = string | number | bigint | boolean | null

export interface QueryRequest {
  readonly sql: string
  /** What names without a database mean; `merged` when absent. */
  readonly mode?: Mode
  /** Rows answered at most; `rowsDefault` of the settings when absent. */
  readonly limit?: number
  /** Values of `$1`, `$2`, … */
  readonly parameters?: readonly QueryParameter[]
  /** At most `queryTimeoutMs` of the settings, which is the default. */
  readonly timeoutMs?: number
  /** Cancels. */
  readonly signal?: AbortSignal
}

export interface QueryAnswer {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly JsonValue[])[]
  /** One entry per mode and view or pipeline that the query names; all of one snapshot. */
  readonly coverage: readonly Coverage[]
  /** There are more rows: the row limit or the byte limit was reached. */
  readonly isTruncated: boolean
}

export interface QueryServiceContext {
  readonly mirror: Mirror
  readonly settings: ServingSettings
  readonly signals: QuerySignals
  readonly clock: SteadyClock
}

interface BoundRequest {
  readonly sql: string
  readonly mode: Mode
  readonly limit: number
  readonly parameters: readonly QueryParameter[]
  readonly timeLimit: TimeLimit
}

export class QueryService implements AsyncDisposable {
  readonly #context: QueryServiceContext
  readonly #statements: StatementCache
  readonly #admission: Admission
  readonly #curatedTables: ReadonlySet<string>
  readonly #closing = new AbortController()
  readonly #active = new Set<Promise<unknown>>()

  private constructor(context: QueryServiceContext, statements: StatementCache) {
    this.#context = context
    this.#statements = statements
    this.#curatedTables = new Set(context.mirror.pipelines.map(({ pipeline }) => pipeline.table))
    this.#admission = new Admission({
      runningMax: context.settings.queriesRunningMax,
      waitingMax: context.settings.queriesWaitingMax,
    })
  }

  /** Functions and macros that the mirror's database has by now are the ones that queries may call. */
  static async create(context: QueryServiceContext): Promise<QueryService> {
    const { database, objects } = context.mirror
    const functions = functionPolicyOf(await database.rows(functionsSql))
    const byName = new Map(objects.map((object) => [object.name.toLowerCase(), object]))
    const { sqlBytesMax } = context.settings
    return new QueryService(
      context,
      new StatementCache({ objects: byName, functions }, { sqlBytesMax }),
    )
  }

  /**
   * Throws `QUERY_INVALID`, `QUERY_REFUSED`, `OBJECT_UNKNOWN`, `QUERY_LIMIT_EXCEEDED`, `QUERY_TIMEOUT`,
   * `QUERY_CANCELLED`, `QUERY_OVERLOADED`, `LAKE_UNAVAILABLE` or `NOT_READY`; anything else is a bug.
   */
  async execute(request: QueryRequest): Promise<QueryAnswer> {
    const { clock, signals } = this.#context
    const mode = request.mode ?? 'merged'
    const startMs = clock.elapsed()
    const finished = (rowCount: number, failure?: { error: unknown }) =>
      signals.queryFinished({
        mode,
        durationMs: clock.elapsed() - startMs,
        rowCount,
        ...(failure === undefined ? {} : { code: codeOf(failure.error) }),
      })
    const work = this.#execute(request, mode)
    this.#active.add(work)
    try {
      const answer = await work
      finished(answer.rows.length)
      return answer
    } catch (cause) {
      const error = explained(cause)
      finished(0, { error })
      throw error
    } finally {
      this.#active.delete(work)
    }
  }

  async #execute(request: QueryRequest, mode: Mode): Promise<QueryAnswer> {
    const { mirror, settings } = this.#context
    if (!mirror.isReady) {
      throw new MillraceError('NOT_READY', 'The data is still being loaded. Try again in a moment.')
    }
    const limit = this.#checkedLimit(request.limit)
    const timeoutMs = Math.min(
      request.timeoutMs ?? settings.queryTimeoutMs,
      settings.queryTimeoutMs,
    )
    const caller =
      request.signal === undefined
        ? this.#closing.signal
        : AbortSignal.any([request.signal, this.#closing.signal])
    using timeLimit = new TimeLimit(timeoutMs, caller)
    const { sql, parameters = [] } = request
    return await this.#admission.admit(timeLimit.signal, () =>
      mirror.database.session((session) =>
        this.#run(session, { sql, mode, limit, parameters, timeLimit }),
      ),
    )
  }

  #checkedLimit(limit: number = this.#context.settings.rowsDefault): number {
    const { rowsMax } = this.#context.settings
    if (!Number.isSafeInteger(limit) || limit < 0 || limit > rowsMax) {
      throw new MillraceError(
        'QUERY_LIMIT_EXCEEDED',
        `Limit '${limit}' refused: expected a whole number from 0 to ${rowsMax}.`,
      )
    }
    return limit
  }

  async #run(session: Session, request: BoundRequest): Promise<QueryAnswer> {
    const { sql, mode, limit, parameters, timeLimit } = request
    const { uses, sqlFor } = await session.interruptible(timeLimit.signal, () =>
      this.#statements.prepare(session, sql),
    )
    return await inReadTransaction(session, mode, () =>
      session.interruptible(timeLimit.signal, async () => {
        const coverage = await this.#coverageOf(session, uses, mode)
        // One row more than asked tells whether there are more.
        const result = await session.run(sqlFor(limit + 1), parameters)
        const types = result.columnTypes()
        const columns = result
          .columnNames()
          .map((name, index) => ({ name, type: `${types[index]}` }))
        const rowBytesMax = this.#context.settings.resultBytesMax
        const bounded = await this.#boundedRows(
          jsonRowsOf(result, { rowBytesMax }),
          limit,
          timeLimit.signal,
        )
        return { columns, coverage, ...bounded }
      }),
    )
  }

  async #coverageOf(
    session: Session,
    uses: readonly ObjectUse[],
    queryMode: Mode,
  ): Promise<Coverage[]> {
    const coverage = new Map<string, Coverage>()
    for (const { object, mode: named } of uses) {
      const mode = named ?? queryMode
      // The curated table is covered by its pipeline's offsets; everything else states its own.
      const view = this.#curatedTables.has(object.name) ? {} : { view: object.name }
      const key = JSON.stringify([object.pipeline, mode, view])
      if (coverage.has(key)) continue
      coverage.set(
        key,
        await this.#context.mirror.coverageIn(session, object.pipeline, { mode, ...view }),
      )
    }
    return [...coverage.values()]
  }

  async #boundedRows(
    source: Iterable<JsonValue[] | null>,
    limit: number,
    signal: AbortSignal,
  ): Promise<Pick<QueryAnswer, 'rows' | 'isTruncated'>> {
    const { resultBytesMax } = this.#context.settings
    const rows: JsonValue[][] = []
    let bytes = 0
    for (const row of source) {
      if (rows.length === limit) return { rows, isTruncated: true }
      if (row !== null) bytes += jsonBytesOf(row)
      if (row === null || bytes > resultBytesMax) {
        if (rows.length > 0) return { rows, isTruncated: true }
        throw new MillraceError(
          'QUERY_LIMIT_EXCEEDED',
          `One row of the answer has more than ${resultBytesMax} bytes. Select fewer columns.`,
        )
      }
      rows.push(row)
      if (rows.length % rowsPerTurn === 0) {
        // A long answer must not hold up everybody else.
        await setImmediate()
        signal.throwIfAborted()
      }
    }
    return { rows, isTruncated: false }
  }

  /** Queries that run or wait at this moment. */
  get activeCount(): number {
    return this.#active.size
  }

  /** Cancels what runs and waits for it to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#active)
  }
}

/**
 * Runs `work` in a read-only transaction whose unqualified names are looked up in the mode's schema. The
 * connection goes back to a pool that others use, so the search path goes back to what it was.
 */
async function inReadTransaction<T>(
  session: Session,
  mode: Mode,
  work: () => Promise<T>,
): Promise<T> {
  await session.run(`SET search_path = '${schemaOfMode[mode]},main'`)
  try {
    await session.run('BEGIN TRANSACTION READ ONLY')
    try {
      return await work()
    } finally {
      // Nothing was written: there is nothing to commit, and a failed transaction ends the same way.
      await session.run('ROLLBACK')
    }
  } finally {
    await session.run("SET search_path = 'main'")
  }
}

/** An estimate that is never far below the length of the value's JSON, without making that JSON. */
function jsonBytesOf(value: JsonValue): number {
  if (typeof value === 'string') return value.length + 3
  if (typeof value !== 'object' || value === null) return 8
  let bytes = 2
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) bytes += jsonBytesOf(item)
    return bytes
  }
  for (const [key, item] of Object.entries(value)) bytes += key.length + 4 + jsonBytesOf(item)
  return bytes
}

function codeOf(error: unknown) {
  return error instanceof MillraceError ? error.code : 'UNEXPECTED'
}

/** Parses, checks and bounds query texts once; dashboards send the same few again and again. */
import { MillraceError } from '../../core/errors.ts'
import { quoteLiteral } from '../../core/sql.ts'
import type { Session } from '../../stores/engine/duckdb.ts'
import { boundedSql, type LimitForm, limitForms, withoutEnd } from './bounded-sql.ts'
import { quoteDefaultDatabase } from './default-database.ts'
import {
  type CheckedStatement,
  checkStatement,
  type GuardContext,
  type ObjectUse,
} from './guard.ts'

export interface PreparedStatement {
  readonly uses: readonly ObjectUse[]
  /** The text to run for at most `rows` rows. */
  readonly sqlFor: (rows: number) => string
}

const entriesMax = 500
/** Longer texts are made by programs and rarely come twice. */
const textLengthMax = 8192

export class StatementCache {
  readonly #context: GuardContext
  readonly #sqlBytesMax: number
  readonly #entries = new Map<string, PreparedStatement>()

  constructor(context: GuardContext, { sqlBytesMax }: { sqlBytesMax: number }) {
    this.#context = context
    this.#sqlBytesMax = sqlBytesMax
  }

  /** Throws what {@link checkStatement} throws, and `QUERY_LIMIT_EXCEEDED` for a text too long. */
  async prepare(session: Session, sql: string): Promise<PreparedStatement> {
    const known = this.#entries.get(sql)
    if (known !== undefined) {
      // Least recently used leaves first: a map keeps the order of insertion.
      this.#entries.delete(sql)
      this.#entries.set(sql, known)
      return known
    }
    const prepared = await this.#prepareNew(session, sql)
    if (sql.length <= textLengthMax) {
      this.#entries.set(sql, prepared)
      const [oldest] = this.#entries.keys()
      if (this.#entries.size > entriesMax && oldest !== undefined) this.#entries.delete(oldest)
    }
    return prepared
  }

  async #prepareNew(session: Session, written: string): Promise<PreparedStatement> {
    const sql = quoteDefaultDatabase(written)
    const bytes = Buffer.byteLength(sql)
    if (bytes > this.#sqlBytesMax) {
      throw new MillraceError(
        'QUERY_LIMIT_EXCEEDED',
        `The query has ${bytes} bytes; at most ${this.#sqlBytesMax} are allowed.`,
      )
    }
    const checked = await this.#check(session, sql)
    if (checked.kind === 'show-tables') return this.#showTables()
    const { limit, uses } = checked
    const text = withoutEnd(sql)
    // A DESCRIBE or SUMMARIZE has as many rows as its argument has columns, and takes no LIMIT.
    if (limit.kind === 'fixed') return { uses, sqlFor: () => sql }
    const form = await this.#formOf(session, text, checked)
    return {
      uses,
      sqlFor: (rows) =>
        limit.kind === 'constant' && limit.rows <= rows ? sql : boundedSql(text, form, rows),
    }
  }

  /** The first form that still passes the guard: what runs is what was checked. */
  async #formOf(
    session: Session,
    text: string,
    { limit }: Extract<CheckedStatement, { kind: 'select' }>,
  ): Promise<LimitForm> {
    let lastError: unknown
    for (const form of limitForms(limit)) {
      try {
        await this.#check(session, boundedSql(text, form, 1))
        return form
      } catch (error) {
        lastError = error
      }
    }
    throw lastError
  }

  async #check(session: Session, sql: string): Promise<CheckedStatement> {
    const [row] = await session.rows<{ text: string }>(
      'SELECT json_serialize_sql($1::VARCHAR) AS text',
      [sql],
    )
    return checkStatement(row?.text ?? '{}', this.#context)
  }

  #showTables(): PreparedStatement {
    const rows = [...this.#context.objects.values()].map(
      ({ name, kind, description }) =>
        `(${quoteLiteral(name)}, ${quoteLiteral(kind)}, ${quoteLiteral(description)})`,
    )
    const sql = `SELECT * FROM (VALUES ${rows.join(', ')}) AS catalog(name, kind, description)`
    return { uses: [], sqlFor: () => sql }
  }
}

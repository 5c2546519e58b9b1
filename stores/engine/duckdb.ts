/**
 * DuckDB in this process: one instance, a pool of connections, one statement at a time on each (two on
 * one connection cut each other's results short).
 */
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBMaterializedResult,
  type DuckDBValue,
} from '@duckdb/node-api'

export interface DatabaseOptions {
  readonly threads: number
  readonly memoryBytesMax: number
  /** Where to spill; absent forbids spilling, so that running out of memory is a clean error. */
  readonly spillDirectory?: string
  /** SQL run once after opening, e.g. macros. */
  readonly setupSql?: readonly string[]
}

const interruptEveryMs = 10

type Parameters = readonly DuckDBValue[]
type Row = Record<string, DuckDBValue>

/** One connection, held exclusively. */
export class Session {
  readonly connection: DuckDBConnection

  constructor(connection: DuckDBConnection) {
    this.connection = connection
  }

  /** Runs to the end and keeps the whole result: only a materialised result reports every error. */
  async run(sql: string, parameters: Parameters = []): Promise<DuckDBMaterializedResult> {
    return await this.connection.run(sql, parameters.length === 0 ? undefined : [...parameters])
  }

  /** Rows as objects with DuckDB's own values: BIGINT is a bigint, DECIMAL a DuckDBDecimalValue. */
  async rows<T = Row>(sql: string, parameters: Parameters = []): Promise<T[]> {
    const result = await this.run(sql, parameters)
    return (await result.getRowObjects()) as T[]
  }

  /** Commits when `work` returns, rolls back when it throws. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.run('BEGIN TRANSACTION')
    try {
      const value = await work()
      await this.run('COMMIT')
      return value
    } catch (error) {
      // A failed COMMIT has already ended the transaction; the first error is the one to report.
      await this.run('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /**
   * The same for statements that need nothing of each other's results: one call instead of one for
   * each, which is what counts for the small ones.
   */
  async transactionOf(statements: readonly string[]): Promise<void> {
    try {
      await this.run(['BEGIN TRANSACTION', ...statements, 'COMMIT'].join(';\n'))
    } catch (error) {
      await this.run('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /**
   * Runs `work`; when `signal` aborts, its statement ends with an error and so does `work`, with the
   * signal's reason. The connection stays usable.
   */
  async interruptible<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    let repeating: NodeJS.Timeout | undefined
    const interrupt = () => {
      this.connection.interrupt()
      // An interrupt between two statements is lost, so it is repeated until the work has ended.
      repeating = setInterval(() => this.connection.interrupt(), interruptEveryMs)
    }
    signal?.addEventListener('abort', interrupt, { once: true })
    try {
      return await work()
    } catch (error) {
      // The statement fails because it was interrupted; the reason is what the caller gave.
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', interrupt)
      clearInterval(repeating)
    }
  }
}

export class Database implements AsyncDisposable {
  readonly #instance: DuckDBInstance
  readonly #idle: Session[] = []
  #isClosed = false

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance
  }

  static async open(options: DatabaseOptions): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: `${options.threads}`,
      memory_limit: `${Math.floor(options.memoryBytesMax / 1024)}KiB`,
      temp_directory: options.spillDirectory ?? '',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
    })
    const database = new Database(instance)
    // A checkpoint of a database in memory compresses its tables, which costs more than filling them;
    // what is kept here goes as whole tables.
    await database.run("SET GLOBAL checkpoint_threshold = '1TB'")
    // It would keep every file that lives for milliseconds until memory runs out; the system caches files.
    await database.run('SET GLOBAL enable_external_file_cache = false')
    // Truncating a time to a day or an hour must mean the same everywhere.
    await database.run("SET GLOBAL TimeZone = 'UTC'")
    for (const sql of options.setupSql ?? []) await database.run(sql)
    return database
  }

  /** Lends a connection to `work`. */
  async session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error('The database is closed.')
    const session = this.#idle.pop() ?? new Session(await this.#instance.connect())
    try {
      return await work(session)
    } finally {
      if (this.#isClosed) session.connection.closeSync()
      else this.#idle.push(session)
    }
  }

  async run(sql: string, parameters: Parameters = []): Promise<void> {
    await this.session(async (session) => {
      await session.run(sql, parameters)
    })
  }

  async rows<T = Row>(sql: string, parameters: Parameters = []): Promise<T[]> {
    return await this.session((session) => session.rows<T>(sql, parameters))
  }

  async transaction<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return await this.session((session) => session.transaction(() => work(session)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const session of this.#idle.splice(0)) session.connection.closeSync()
    this.#instance.closeSync()
  }
}

/** A statement that runs often and stays planned: for small inputs planning costs more than running. */
import type { DuckDBMaterializedResult, DuckDBPreparedStatement } from '@duckdb/node-api'
import type { Session } from './duckdb.ts'

/**
 * After any change of the catalog, DuckDB plans a prepared statement for each run, from then on. Where
 * others create and drop tables it is prepared again now and then, which costs one plan.
 */
const runsMax = 10

export class PlannedStatement {
  readonly #sql: string
  #session: Session | null = null
  #prepared: DuckDBPreparedStatement | null = null
  #runs = 0

  constructor(sql: string) {
    this.#sql = sql
  }

  /** Sets the parameters with `bind` and runs to the end. One run at a time. */
  async run(
    session: Session,
    bind: (statement: DuckDBPreparedStatement) => void,
  ): Promise<DuckDBMaterializedResult> {
    if (this.#runs++ % runsMax === 0 || session !== this.#session) this.close()
    this.#session = session
    this.#prepared ??= await session.connection.prepare(this.#sql)
    bind(this.#prepared)
    return await this.#prepared.run()
  }

  close(): void {
    this.#prepared?.destroySync()
    this.#prepared = null
  }
}

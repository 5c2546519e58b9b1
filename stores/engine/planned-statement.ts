/** A statement that runs often and stays planned: for small inputs planning costs more than running. */
import {
  BIGINT,
  type DuckDBPreparedStatement,
  type DuckDBValue,
  INTEGER,
  LIST,
  VARCHAR,
} from '@duckdb/node-api'
import type { Session } from './duckdb.ts'

/**
 * After any change of the catalog, DuckDB plans a prepared statement for each run, from then on. Where
 * others create and drop tables it is prepared again now and then, which costs one plan.
 */
const runsMax = 10

/** A parameter that is a list, e.g. one value for each of several inputs. */
export type ListParameter =
  | { readonly type: 'INTEGER'; readonly values: readonly number[] }
  | { readonly type: 'BIGINT'; readonly values: readonly bigint[] }
  | { readonly type: 'VARCHAR'; readonly values: readonly string[] }

const types = { INTEGER, BIGINT, VARCHAR }

export class PlannedStatement {
  readonly #sql: string
  #session: Session | null = null
  #prepared: DuckDBPreparedStatement | null = null
  #runs = 0

  constructor(sql: string) {
    this.#sql = sql
  }

  /**
   * Runs to the end with `$1`, `$2`, … set to the parameters; one run at a time.
   *
   * @returns the rows, each as its values in order.
   */
  async run(session: Session, parameters: readonly ListParameter[]): Promise<DuckDBValue[][]> {
    if (this.#runs++ % runsMax === 0 || session !== this.#session) this.close()
    this.#session = session
    this.#prepared ??= await session.connection.prepare(this.#sql)
    const prepared = this.#prepared
    parameters.forEach(({ type, values }, index) => {
      prepared.bindList(index + 1, [...values], LIST(types[type]))
    })
    return await (await prepared.run()).getRows()
  }

  close(): void {
    this.#prepared?.destroySync()
    this.#prepared = null
  }
}

/**
 * A statement over columns of JavaScript values, without a table for them: creating one would cost a
 * small micro-batch more than its rows do.
 */
import {
  type DuckDBPreparedStatement,
  DuckDBTimestampTZValue,
  type DuckDBValue,
  LIST,
} from '@duckdb/node-api'
import { type Column, quoteIdentifier } from '../../core/sql.ts'
import { blobOf, type ColumnValues, types } from './append-columns.ts'
import type { Session } from './duckdb.ts'

/**
 * After any change of the catalog, DuckDB plans a prepared statement for each run, from then on. Other
 * sessions create and drop tables, so it is prepared again now and then, which costs one plan.
 */
const runsMax = 10

export class ColumnStatement {
  readonly #sql: string
  readonly #columns: readonly Column[]
  #prepared: DuckDBPreparedStatement | null = null
  #runs = 0

  /** @param sql SQL of the statement, given a relation with the columns; `$1` is a number of the run. */
  constructor(columns: readonly Column[], sql: (relation: string) => string) {
    const lists = columns.map(
      ({ name, type }, index) =>
        `unnest(CAST($${index + 2} AS ${type}[])) AS ${quoteIdentifier(name)}`,
    )
    this.#columns = columns
    this.#sql = sql(`(SELECT ${lists.join(', ')})`)
  }

  /** Columns that are absent (of VARCHAR or BLOB) are NULL in all `count` rows. One run at a time. */
  async run(
    session: Session,
    number: number,
    count: number,
    values: Readonly<Record<string, ColumnValues>>,
  ): Promise<void> {
    if (this.#runs++ % runsMax === 0) this.close()
    this.#prepared ??= await session.connection.prepare(this.#sql)
    const prepared = this.#prepared
    prepared.bindInteger(1, number)
    const nulls = new Array<null>(count).fill(null)
    this.#columns.forEach(({ name, type }, index) => {
      // With a list of another type than the column's, DuckDB would plan the statement for this run.
      const nullType = type === 'BLOB' ? 'BLOB' : 'VARCHAR'
      const column: ColumnValues = values[name] ?? { type: nullType, values: nulls }
      prepared.bindList(index + 2, valuesOf(column), LIST(types[column.type]))
    })
    await prepared.run()
  }

  close(): void {
    this.#prepared?.destroySync()
    this.#prepared = null
  }
}

function valuesOf(column: ColumnValues): DuckDBValue[] {
  switch (column.type) {
    case 'BLOB':
      return column.values.map(blobOf)
    case 'TIMESTAMPTZ':
      return Array.from(column.values, (us) => new DuckDBTimestampTZValue(us))
    default:
      return [...column.values]
  }
}

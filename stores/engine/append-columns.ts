/** Columns from JavaScript into a DuckDB table, a chunk at a time: numbers are copied as memory. */
import {
  BIGINT,
  BLOB,
  DuckDBBlobValue,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api'
import { columnDefinitions, quoteIdentifier } from '../../core/sql.ts'
import type { Session } from './duckdb.ts'

export type ColumnValues =
  | { readonly type: 'INTEGER'; readonly values: Int32Array }
  /** `TIMESTAMPTZ` is in epoch microseconds. */
  | { readonly type: 'BIGINT' | 'TIMESTAMPTZ'; readonly values: BigInt64Array }
  | { readonly type: 'VARCHAR'; readonly values: readonly (string | null)[] }
  | { readonly type: 'BLOB'; readonly values: readonly (Uint8Array | null)[] }

/** DuckDB's vector size: the most rows of a chunk. */
const chunkRowsMax = 2048

const types: Readonly<Record<ColumnValues['type'], DuckDBType>> = {
  INTEGER,
  BIGINT,
  TIMESTAMPTZ,
  VARCHAR,
  BLOB,
}

/** Creates or replaces the table `name` with these columns, all of the same length. */
export async function createTableOf(
  session: Session,
  name: string,
  columns: Readonly<Record<string, ColumnValues>>,
): Promise<void> {
  const entries = Object.entries(columns)
  const definitions = columnDefinitions(
    entries.map(([column, { type }]) => ({ name: column, type })),
  )
  await session.run(`CREATE OR REPLACE TABLE ${quoteIdentifier(name)} (${definitions})`)
  const values = entries.map(([, column]) => column)
  const rowCount = values[0]?.values.length ?? 0
  const appender = await session.connection.createAppender(name)
  try {
    for (let start = 0; start < rowCount; start += chunkRowsMax) {
      const count = Math.min(chunkRowsMax, rowCount - start)
      appender.appendDataChunk(chunkOf(values, start, count))
    }
  } finally {
    appender.closeSync()
  }
}

function chunkOf(columns: readonly ColumnValues[], start: number, count: number): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(
    columns.map(({ type }) => types[type]),
    count,
  )
  columns.forEach((column, index) => {
    const vector = chunk.getColumnVector(index)
    if (column.type === 'VARCHAR') {
      chunk.setColumnValues(index, column.values.slice(start, start + count))
    } else if (column.type === 'BLOB') {
      chunk.setColumnValues(index, column.values.slice(start, start + count).map(blobOf))
    } else {
      // The vectors of the fixed-width types show their memory as `items`.
      const { items } = vector as unknown as { items: Int32Array | BigInt64Array }
      if (items instanceof Int32Array && column.type === 'INTEGER') {
        items.set(column.values.subarray(start, start + count))
      } else if (items instanceof BigInt64Array && column.type !== 'INTEGER') {
        items.set(column.values.subarray(start, start + count))
      }
      vector.flush()
    }
  })
  return chunk
}

function blobOf(bytes: Uint8Array | null): DuckDBValue {
  return bytes === null ? null : new DuckDBBlobValue(bytes)
}

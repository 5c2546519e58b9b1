/** Records of the raw table as the relation of lines that parsing takes. */
import { quoteIdentifier } from '../core/sql.ts'
import { createTableOf } from '../stores/engine/append-columns.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import { recordProblem, recordText } from '../stores/record-text.ts'

export interface RawLines {
  /** The rows of raw. */
  readonly records: string
  readonly recordBytesMax: number
  /** For a table of the records whose bytes need a closer look. */
  readonly tableName: string
}

/**
 * The same text and problem for each record as when it came in. DuckDB decodes what is valid; the few
 * others are looked at one by one by the code that the speed layer runs.
 */
export async function rawLines(
  session: Session,
  { records, recordBytesMax, tableName }: RawLines,
): Promise<string> {
  const text = `CASE WHEN octet_length(value) BETWEEN 1 AND ${recordBytesMax} THEN TRY(decode(value)) END`
  const odd = await session.rows<{
    p: number
    o: bigint
    value: { readonly bytes: Uint8Array } | null
  }>(`SELECT _partition AS p, _offset AS o, value FROM (${records}) WHERE (${text}) IS NULL`)
  const values = odd.map(({ value }) => Buffer.from(value?.bytes ?? []))
  const problems = values.map((value) => recordProblem(value, recordBytesMax))
  await createTableOf(session, tableName, {
    p: { type: 'INTEGER', values: Int32Array.from(odd, ({ p }) => p) },
    o: { type: 'BIGINT', values: BigInt64Array.from(odd.map(({ o }) => o)) },
    text: {
      type: 'VARCHAR',
      values: values.map((value, index) => recordText(value, problems[index] ?? null)),
    },
    problem: { type: 'VARCHAR', values: problems },
  })
  return (
    `(SELECT _partition, _offset, _timestamp, NULL::BLOB AS _key, NULL::VARCHAR AS _headers, ` +
    `CASE WHEN odd.o IS NULL THEN ${text} ELSE odd.text END AS _value, NULL::BLOB AS _bytes, ` +
    `odd.problem AS _problem FROM (${records}) AS raw ` +
    `LEFT JOIN ${quoteIdentifier(tableName)} AS odd ON odd.p = _partition AND odd.o = _offset)`
  )
}

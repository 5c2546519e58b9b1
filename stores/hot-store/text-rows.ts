/**
 * Rows of a hot range as text, for the few rows of a small range: a Parquet file of them costs several
 * times as much to write and to read, and people with `redis-cli` can read text.
 *
 *   [{"name":"host","type":"VARCHAR"},…]\n      the columns
 *   [["web-1","200",…],…]                       each row's values as DuckDB casts them to VARCHAR
 *
 * Casting to VARCHAR and back gives the very value for every type that {@link hasTextForm} names.
 */
import { type Column, quoteIdentifier } from '../../core/sql.ts'

/** The first bytes of a Parquet file, which is the other form of a hot range's rows. */
const parquetMagic = 'PAR1'

const typesWithTextForm =
  /^(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|VARCHAR|DATE|TIMESTAMP WITH TIME ZONE)$/

/** Rows of these columns can be kept as text. */
export function hasTextForm(columns: readonly Column[]): boolean {
  return columns.every(({ type }) => typesWithTextForm.test(type))
}

/** SQL of one row as a JSON array of texts. */
export function rowTextSql(columns: readonly Column[]): string {
  const texts = columns.map(({ name }) => `CAST(${quoteIdentifier(name)} AS VARCHAR)`)
  return `CAST(to_json([${texts.join(', ')}]) AS VARCHAR)`
}

/** @param rows the texts of {@link rowTextSql} with commas between them. */
export function encodeTextRows(columns: readonly Column[], rows: string): Buffer {
  return Buffer.from(`${textRowsHeader(columns)}\n[${rows}]`)
}

/** The first line: rows with the same one have the same columns in the same order. */
function textRowsHeader(columns: readonly Column[]): string {
  return JSON.stringify(columns.map(({ name, type }) => ({ name, type })))
}

/** Null when the rows are a Parquet file. */
export function splitTextRows(rows: Buffer): { header: string; json: string } | null {
  if (rows.toString('latin1', 0, parquetMagic.length) === parquetMagic) return null
  const text = rows.toString()
  const end = text.indexOf('\n')
  return { header: text.slice(0, end), json: text.slice(end + 1) }
}

/**
 * A SELECT of `columns` from the JSON of rows that came with `header`; `$1` is a list of such JSON
 * texts. A column that the rows do not have is NULL.
 */
export function selectTextRows(header: string, columns: readonly Column[]): string {
  const names = (JSON.parse(header) as readonly Column[]).map(({ name }) => name)
  const values = columns.map(({ name, type }) => {
    const index = names.indexOf(name)
    const text = index < 0 ? 'NULL' : `_row[${index + 1}]`
    return `CAST(${text} AS ${type}) AS ${quoteIdentifier(name)}`
  })
  return (
    `SELECT ${values.join(', ')} FROM (SELECT unnest(from_json(_rows, '[["VARCHAR"]]')) AS _row ` +
    'FROM (SELECT unnest(CAST($1 AS VARCHAR[])) AS _rows))'
  )
}

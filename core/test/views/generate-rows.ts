/**
 * Random rows of many triples at once, made by DuckDB from a seed. Rows of one triple share `triple`;
 * `part` says which partial a row belongs to, whatever its place in the log.
 */
const rowsPerTripleMax = 40

/** A pseudo-random number for each row and purpose. */
const chance = (seed: number, purpose: number) => `(hash(t, i, ${seed * 64 + purpose}) >> 3)`

/** `NULL` for one row in `oneIn`, and for every row of some triples. */
function orNull(seed: number, purpose: number, value: string, oneIn = 6): string {
  const isNull = `${chance(seed, purpose + 32)} % ${oneIn} = 0 OR hash(t, ${seed * 64 + purpose}) % 29 = 0`
  return `CASE WHEN ${isNull} THEN NULL ELSE ${value} END`
}

function oneOf(seed: number, purpose: number, type: string, values: readonly string[]): string {
  return `CAST([${values.join(', ')}][1 + (${chance(seed, purpose)} % ${values.length})::INTEGER] AS ${type})`
}

/** Most values of a triple from a narrow range, some from a wide one. */
function numbers(seed: number, purpose: number, narrow: number, wide: bigint): string {
  const signed = (range: string) => `(${chance(seed, purpose)} % ${range})::HUGEINT - ${range} // 2`
  return `CASE WHEN ${chance(seed, purpose + 16)} % 5 = 0 THEN ${signed(`${wide}`)} ELSE ${signed(`${narrow}`)} END`
}

interface RowsRequest {
  readonly seed: number
  readonly triples: number
  readonly parts: number
}

/** A SELECT of the columns of `eventColumns` and `part`. */
export function rowsSql({ seed, triples, parts }: RowsRequest): string {
  const text = oneOf(seed, 2, 'VARCHAR', [
    "'a'",
    "'b'",
    "'c'",
    "'ü'",
    "'日本'",
    "''",
    "'A'",
    'chr(0)',
  ])
  const micros = `1795132800000000 + ${numbers(seed, 1, 7_200_000_000, 60_000_000_000_000_000n)}`
  const ratio = oneOf(seed, 6, 'DOUBLE', [
    ...["'0.0'", "'-0.0'", "'1.5'", "'-1.5'", "'1e300'", "'-1e-300'", "'3.25'", "'0.1'"],
    ...["'nan'", "'infinity'", "'-infinity'"],
  ])
  const huge = `CAST(${numbers(seed, 5, 2000, 2n ** 56n)} AS DECIMAL(38,0))`
  const columns = [
    `t::INTEGER AS triple`,
    `${orNull(seed, 1, `make_timestamptz((${micros})::BIGINT)`)} AS ts`,
    `${orNull(seed, 2, text)} AS host`,
    `${orNull(seed, 3, oneOf(seed, 3, 'INTEGER', ['100', '200', '200', '204', '301', '404', '500', '599', '0']))} AS status`,
    `${orNull(seed, 4, `(${numbers(seed, 4, 1000, 2n ** 62n)})::BIGINT`)} AS bytes`,
    `${orNull(seed, 7, `CAST(${numbers(seed, 7, 4000, 20_000_000n)} AS DECIMAL(12,0)) / 100`)}::DECIMAL(10,2) AS price`,
    `${orNull(seed, 5, `CAST(${huge} * CAST('2000000000000000' AS DECIMAL(17,0)) AS DECIMAL(38,4))`)} AS amount`,
    `${orNull(seed, 6, ratio)} AS ratio`,
    `${orNull(seed, 8, `${chance(seed, 8)} % 2 = 0`)} AS flag`,
    `${orNull(seed, 9, oneOf(seed, 9, 'DATE', ["'2026-11-20'", "'2026-11-21'", "'1969-12-31'"]))} AS day`,
    `(${chance(seed, 10)} % 3)::INTEGER AS _partition`,
    `(${chance(seed, 11)} % ${parts})::INTEGER AS part`,
  ]
  // One triple in seven has one row; none has more than the most.
  const count = `CASE WHEN hash(t, ${seed}) % 7 = 0 THEN 1 ELSE 1 + hash(t, ${seed}, 1) % ${rowsPerTripleMax} END`
  const rows = `SELECT ${columns.join(', ')} FROM range(${triples}) AS a(t), range(${rowsPerTripleMax}) AS b(i) WHERE i < ${count}`
  return `SELECT * EXCLUDE (part), row_number() OVER (PARTITION BY _partition ORDER BY hash(triple, ts, host, bytes, ${seed})) - 1 AS _offset, part FROM (${rows}) ORDER BY _partition, _offset`
}

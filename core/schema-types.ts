/** Which DuckDB types a schema may use, under every name DuckDB has for them. */

const canonical: ReadonlyMap<string, string> = new Map([
  ...aliases('VARCHAR', 'TEXT', 'STRING', 'CHAR'),
  ...aliases('BOOLEAN', 'BOOL'),
  ...aliases('TINYINT', 'INT1'),
  ...aliases('SMALLINT', 'INT2', 'SHORT'),
  ...aliases('INTEGER', 'INT', 'INT4'),
  ...aliases('BIGINT', 'INT8', 'LONG'),
  ...aliases('FLOAT', 'REAL', 'FLOAT4'),
  ...aliases('DOUBLE', 'FLOAT8'),
  ...aliases('DATE'),
  ...aliases('TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ'),
])

const remedies: ReadonlyMap<string, string> = new Map([
  ['TIMESTAMP', 'it has no time zone, which lake tables need. Use TIMESTAMPTZ'],
  ['DATETIME', 'it has no time zone, which lake tables need. Use TIMESTAMPTZ'],
  ['UTINYINT', 'lake tables have no unsigned integers. Use SMALLINT'],
  ['USMALLINT', 'lake tables have no unsigned integers. Use INTEGER'],
  ['UINTEGER', 'lake tables have no unsigned integers. Use BIGINT'],
  ['UBIGINT', 'lake tables have no unsigned integers. Use DECIMAL(20,0)'],
  ['HUGEINT', 'Parquet would store it as DOUBLE. Use DECIMAL(38,0)'],
  ['UHUGEINT', 'Parquet would store it as DOUBLE. Use DECIMAL(38,0)'],
  ['DECIMAL', 'its size must be stated. Use e.g. DECIMAL(18,3)'],
  ['NUMERIC', 'its size must be stated. Use e.g. DECIMAL(18,3)'],
  ['TIME', 'lake tables have no time of day. Use VARCHAR or a number of seconds'],
  ['INTERVAL', 'lake tables have no interval. Use a BIGINT of milliseconds'],
  ['UUID', 'lake tables have no UUID. Use VARCHAR'],
  ['JSON', 'lake tables have no JSON. Use VARCHAR, or one column per field'],
  ['BLOB', 'a record has no bytes as a field. Use VARCHAR; the raw table keeps every byte'],
])

function aliases(name: string, ...others: readonly string[]): readonly [string, string][] {
  return [name, ...others].map((other) => [other, name])
}

export type SchemaType =
  | { readonly type: string }
  /** Why not, and what to use, as the end of a sentence. */
  | { readonly refused: string }

export function schemaType(text: string): SchemaType {
  const name = text.trim().toUpperCase().replaceAll(/\s+/g, ' ')
  const type = canonical.get(name)
  if (type !== undefined) return { type }
  const decimal = /^(?:DECIMAL|NUMERIC) ?\( ?(\d+) ?, ?(\d+) ?\)$/.exec(name)
  if (decimal !== null) return decimalType(Number(decimal[1]), Number(decimal[2]))
  const remedy = remedies.get(name)
  if (remedy !== undefined) return { refused: `${remedy}.` }
  const known = [...new Set(canonical.values()), 'DECIMAL(p,s)'].join(', ')
  return { refused: `it is not one of the types of a schema. Use one of: ${known}.` }
}

function decimalType(precision: number, scale: number): SchemaType {
  if (precision < 1 || precision > 38 || scale > precision) {
    return { refused: 'a DECIMAL(p,s) has 1 to 38 digits, s of them after the point.' }
  }
  return { type: `DECIMAL(${precision},${scale})` }
}

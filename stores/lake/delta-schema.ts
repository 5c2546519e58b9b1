/**
 * Columns in DuckDB's words and in Delta's (reader 1, writer 2). Types that such a table cannot hold
 * are refused here, with what to use instead.
 */
import { MillraceError } from '../../core/errors.ts'
import type { Column } from '../../core/sql.ts'

const deltaTypes: Readonly<Record<string, string>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'byte',
  SMALLINT: 'short',
  INTEGER: 'integer',
  BIGINT: 'long',
  FLOAT: 'float',
  DOUBLE: 'double',
  VARCHAR: 'string',
  BLOB: 'binary',
  DATE: 'date',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
}

const duckDbTypes: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(deltaTypes).map(([duckDb, delta]) => [delta, duckDb]),
)

const aliases: Readonly<Record<string, string>> = {
  BOOL: 'BOOLEAN',
  INT: 'INTEGER',
  LONG: 'BIGINT',
  REAL: 'FLOAT',
  TEXT: 'VARCHAR',
  STRING: 'VARCHAR',
  BYTEA: 'BLOB',
  TIMESTAMPTZ: 'TIMESTAMP WITH TIME ZONE',
}

const remedies: Readonly<Record<string, string>> = {
  HUGEINT: 'use DECIMAL(38,0)',
  UHUGEINT: 'use DECIMAL(38,0)',
  UBIGINT: 'use DECIMAL(20,0)',
  UINTEGER: 'use BIGINT',
  USMALLINT: 'use INTEGER',
  UTINYINT: 'use SMALLINT',
  TIMESTAMP: 'use TIMESTAMPTZ',
  JSON: 'use VARCHAR',
  UUID: 'use VARCHAR',
}

/** One spelling for each type: `timestamptz` and `TIMESTAMP WITH TIME ZONE` are the same. */
export function canonicalType(type: string): string {
  const upper = type.trim().toUpperCase().replace(/\s+/g, ' ')
  const decimal = /^(?:DECIMAL|NUMERIC) ?\( ?(\d+) ?(?:, ?(\d+) ?)?\)$/.exec(upper)
  if (decimal !== null) return `DECIMAL(${decimal[1]},${decimal[2] ?? 0})`
  return aliases[upper] ?? upper
}

/** The `metaData.schemaString` of a table. Throws LAKE_TABLE_INVALID for what it cannot hold. */
export function schemaStringOf(columns: readonly Column[], partitionColumns: readonly string[]) {
  const names = new Set<string>()
  const fields = allColumns(columns, partitionColumns).map(({ name, type }) => {
    if (/[ ,;{}()\n\t=]/.test(name) || name === '' || names.has(name.toLowerCase())) {
      const rule = "use each name once, without spaces and without any of ',;{}()='"
      throw new MillraceError('LAKE_TABLE_INVALID', `Column '${name}' cannot be stored: ${rule}.`)
    }
    names.add(name.toLowerCase())
    return { name, type: deltaTypeOf(name, type), nullable: true, metadata: {} }
  })
  return JSON.stringify({ type: 'struct', fields })
}

function deltaTypeOf(name: string, type: string): string {
  const canonical = canonicalType(type)
  if (canonical.startsWith('DECIMAL(')) return canonical.toLowerCase()
  const delta = deltaTypes[canonical]
  if (delta !== undefined) return delta
  const remedy = remedies[canonical] ?? 'nested and other types are not supported: cast it'
  const sentence = `Column '${name}' of type '${type}' cannot be stored in a lake table: ${remedy}.`
  throw new MillraceError('LAKE_TABLE_INVALID', sentence)
}

/** Partition columns come last, as in the folders' names; they are always strings. */
function allColumns(columns: readonly Column[], partitionColumns: readonly string[]): Column[] {
  const own = withoutPartitions(columns, partitionColumns)
  return [...own, ...partitionColumns.map((name) => ({ name, type: 'VARCHAR' }))]
}

/** The columns that are inside the files, with canonical types. */
export function withoutPartitions(
  columns: readonly Column[],
  partitionColumns: readonly string[],
): Column[] {
  return columns
    .filter(({ name }) => !partitionColumns.includes(name))
    .map(({ name, type }) => ({ name, type: canonicalType(type) }))
}

interface SchemaField {
  readonly name: string
  readonly type: unknown
}

/** The inverse of {@link schemaStringOf}, without the partition columns. */
export function columnsOfSchema(schemaString: string, partitionColumns: readonly string[]) {
  // Only tables whose protocol we know get here, and the protocol says what the text is.
  const { fields } = JSON.parse(schemaString) as { fields: readonly SchemaField[] }
  const columns = fields.map(({ name, type }): Column => {
    const text = typeof type === 'string' ? type : 'struct'
    if (text.startsWith('decimal(')) return { name, type: canonicalType(text) }
    const duckDb = duckDbTypes[text]
    if (duckDb === undefined) {
      const sentence = `Column '${name}' of the lake table has type '${text}', which is not supported.`
      throw new MillraceError('LAKE_TABLE_INVALID', sentence)
    }
    return { name, type: duckDb }
  })
  return withoutPartitions(columns, partitionColumns)
}

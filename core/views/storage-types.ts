/**
 * How a value of a DuckDB type is kept in a partial: Parquet and Delta (reader 1, writer 2) know
 * fewer types than DuckDB. Every pair of conversions is exact and keeps the order of values.
 */
export interface StorageType {
  readonly type: string
  readonly encode: (sql: string) => string
  readonly decode: (sql: string) => string
}

const same = (sql: string) => sql

function asIs(type: string): StorageType {
  return { type, encode: same, decode: same }
}

function viaCast(type: string, original: string): StorageType {
  return {
    type,
    encode: (sql) => `CAST(${sql} AS ${type})`,
    decode: (sql) => `CAST(${sql} AS ${original})`,
  }
}

/** -0.0 and 0.0 are one group and one minimum, whose sign would depend on the order of rows. */
function withoutNegativeZero(type: string): StorageType {
  return { type, encode: (sql) => `(${sql}) + CAST(0 AS ${type})`, decode: same }
}

/**
 * A time without a zone as the same one in UTC, which is every session's zone. By way of microseconds,
 * several times as fast as a cast; infinity has none.
 */
const timestamp: StorageType = {
  type: 'TIMESTAMP WITH TIME ZONE',
  encode: (sql) =>
    `coalesce(make_timestamptz(epoch_us(${sql})), CAST(${sql} AS TIMESTAMP WITH TIME ZONE))`,
  decode: (sql) => `coalesce(make_timestamp(epoch_us(${sql})), CAST(${sql} AS TIMESTAMP))`,
}

const storable: ReadonlyMap<string, StorageType> = new Map(
  [
    asIs('BOOLEAN'),
    asIs('TINYINT'),
    asIs('SMALLINT'),
    asIs('INTEGER'),
    asIs('BIGINT'),
    asIs('VARCHAR'),
    asIs('BLOB'),
    asIs('DATE'),
    asIs('TIMESTAMP WITH TIME ZONE'),
    withoutNegativeZero('FLOAT'),
    withoutNegativeZero('DOUBLE'),
  ].map((storage) => [storage.type, storage]),
)

const converted: ReadonlyMap<string, StorageType> = new Map([
  ['UTINYINT', viaCast('SMALLINT', 'UTINYINT')],
  ['USMALLINT', viaCast('INTEGER', 'USMALLINT')],
  ['UINTEGER', viaCast('BIGINT', 'UINTEGER')],
  ['UBIGINT', viaCast('DECIMAL(20,0)', 'UBIGINT')],
  ['HUGEINT', viaCast('DECIMAL(38,0)', 'HUGEINT')],
  ['UUID', viaCast('VARCHAR', 'UUID')],
  ['JSON', viaCast('VARCHAR', 'JSON')],
  ['TIME', viaCast('VARCHAR', 'TIME')],
  ['TIMESTAMP', timestamp],
])

/** Null for a type that partials cannot hold, e.g. a list. */
export function storageOf(type: string): StorageType | null {
  if (/^DECIMAL\(\d+,\d+\)$/.test(type)) return asIs(type)
  return storable.get(type) ?? converted.get(type) ?? null
}

/**
 * DuckDB's values as JSON, one rule for every skin: an integer (DECIMAL with scale 0 too) is a number
 * while a double holds it exactly and a string of digits beyond; a DECIMAL with a scale is a string
 * with all its digits; times are ISO 8601 in UTC with microseconds; NaN and infinities are strings;
 * a BLOB is its text with `\xNN` for bytes that are not printable ASCII.
 */
import {
  DuckDBBlobVector,
  DuckDBListVector,
  type DuckDBMaterializedResult,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  DuckDBVarCharVector,
  type DuckDBVector,
} from '@duckdb/node-api'

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

type Converter = (value: DuckDBValue) => JsonValue

/**
 * Rows of a materialised result, one at a time, so that a caller can stop at its own limit. A row that
 * stores more than `rowBytesMax` bytes is null: it is measured before JavaScript values are made of it.
 */
export function* jsonRowsOf(
  result: DuckDBMaterializedResult,
  { rowBytesMax }: { readonly rowBytesMax: number },
): Generator<JsonValue[] | null> {
  const converters = result.columnTypes().map(converterOf)
  for (let chunkIndex = 0; chunkIndex < result.chunkCount; chunkIndex += 1) {
    const chunk = result.getChunk(chunkIndex)
    const vectors = converters.map((_, column) => chunk.getColumnVector(column))
    const measured = vectors.filter(hasOwnSize)
    for (let row = 0; row < chunk.rowCount; row += 1) {
      if (measured.reduce((sum, vector) => sum + storedBytes(vector, row), 0) > rowBytesMax) {
        yield null
        continue
      }
      yield converters.map((convert, column) => {
        const value = vectors[column]?.getItem(row) ?? null
        return value === null ? null : convert(value)
      })
    }
  }
}

function hasOwnSize(vector: DuckDBVector): boolean {
  return (
    vector instanceof DuckDBVarCharVector ||
    vector instanceof DuckDBBlobVector ||
    vector instanceof DuckDBListVector
  )
}

/** What the two kinds of text vectors keep to themselves: 16 bytes per value, the length first. */
interface TextMemory {
  readonly dataView: DataView
  readonly validity: { itemValid(index: number): boolean }
}

/** Bytes of a text or a list, read from the vector's memory; fixed sizes are not worth counting. */
function storedBytes(vector: DuckDBVector, row: number): number {
  if (vector instanceof DuckDBListVector) {
    if (vector.getItemVector(row) === null) return 0
    const length = vector.getEntryLength(row)
    let bytes = length * 8
    if (!hasOwnSize(vector.childVector)) return bytes
    const first = vector.getEntryOffset(row)
    for (let i = 0; i < length; i += 1) bytes += storedBytes(vector.childVector, first + i)
    return bytes
  }
  const { dataView, validity } = vector as unknown as TextMemory
  return validity.itemValid(row) ? dataView.getUint32(row * 16, true) : 0
}

function converterOf(type: DuckDBType): Converter {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return (value) => value as boolean
    case DuckDBTypeId.VARCHAR:
      return (value) => value as string
    case DuckDBTypeId.TIMESTAMP:
      return (value) => timestampText((value as { micros: bigint }).micros, '')
    case DuckDBTypeId.TIMESTAMP_TZ:
      return (value) => timestampText((value as { micros: bigint }).micros, 'Z')
    case DuckDBTypeId.TIMESTAMP_S:
      return (value) => timestampText((value as { seconds: bigint }).seconds * 1_000_000n, '')
    case DuckDBTypeId.TIMESTAMP_MS:
      return (value) => timestampText((value as { millis: bigint }).millis * 1000n, '')
    case DuckDBTypeId.DECIMAL:
      return (value) => {
        const decimal = value as { scale: number; value: bigint }
        return decimal.scale === 0 ? integerJson(decimal.value) : `${value}`
      }
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
    case DuckDBTypeId.STRUCT:
    case DuckDBTypeId.MAP:
    case DuckDBTypeId.UNION:
      return nestedConverterOf(type)
    default:
      return scalarJson
  }
}

function nestedConverterOf(type: DuckDBType): Converter {
  switch (type.typeId) {
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY: {
      const convert = nullable(converterOf(type.valueType))
      return (value) => (value as { items: readonly DuckDBValue[] }).items.map(convert)
    }
    case DuckDBTypeId.STRUCT: {
      const fields = type.entryNames.map((name, index) => {
        const entryType = type.entryTypes[index]
        return {
          name,
          convert: nullable(entryType === undefined ? scalarJson : converterOf(entryType)),
        }
      })
      return (value) => {
        const { entries } = value as { entries: Readonly<Record<string, DuckDBValue>> }
        return Object.fromEntries(
          fields.map(({ name, convert }) => [name, convert(entries[name] ?? null)]),
        )
      }
    }
    case DuckDBTypeId.MAP: {
      const key = nullable(converterOf(type.keyType))
      const item = nullable(converterOf(type.valueType))
      return (value) =>
        (value as { entries: readonly { key: DuckDBValue; value: DuckDBValue }[] }).entries.map(
          (entry) => ({ key: key(entry.key), value: item(entry.value) }),
        )
    }
    default:
      return (value) => `${value}`
  }
}

function nullable(convert: Converter): Converter {
  return (value) => (value === null ? null : convert(value))
}

/** By what JavaScript got; everything else has DuckDB's own text. */
function scalarJson(value: DuckDBValue): JsonValue {
  if (typeof value === 'bigint') return integerJson(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : `${value}`
  return `${value}`
}

function integerJson(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : `${value}`
}

const infiniteMicros = 9_223_372_036_854_775_807n
/** What a JavaScript Date can hold, in µs. */
const dateMicrosMax = 8_640_000_000_000_000_000n

function timestampText(micros: bigint, zone: '' | 'Z'): string {
  if (micros === infiniteMicros) return 'infinity'
  if (micros === -infiniteMicros) return '-infinity'
  const remainder = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const wholeMs = (micros - remainder) / 1000n
  if (wholeMs * 1000n > dateMicrosMax || wholeMs * 1000n < -dateMicrosMax) return `${micros} µs`
  const seconds = new Date(Number(wholeMs)).toISOString().slice(0, -'.000Z'.length)
  return `${seconds}.${remainder.toString().padStart(6, '0')}${zone}`
}

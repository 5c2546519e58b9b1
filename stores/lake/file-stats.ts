/**
 * File statistics: from what DuckDB's COPY returns to what a Delta log holds, and back. Bounds may be
 * looser than the data, never tighter; what cannot be stated exactly or rounded outwards is left out.
 */
import { type Column, quoteIdentifier } from '../../core/sql.ts'
import { canonicalType } from './delta-schema.ts'
import type { FileStats } from './types.ts'

/** Of one column, as COPY … (RETURN_STATS) gives it: `min`, `max`, `null_count`, `has_nan`, … */
export type CopyColumnStats = ReadonlyMap<string, string | null>

/** Longer strings are cut: bounds are for skipping files, not for reading. */
const stringLengthMax = 32

export function fileStatsOf(
  byColumn: ReadonlyMap<string, CopyColumnStats>,
  columns: readonly Column[],
): FileStats {
  const min: Record<string, unknown> = {}
  const max: Record<string, unknown> = {}
  const nullCount: Record<string, number> = {}
  for (const { name, type } of columns) {
    const stats = byColumn.get(quoteIdentifier(name))
    if (stats === undefined) continue
    const nulls = stats.get('null_count')
    if (nulls != null) nullCount[name] = Number(nulls)
    const bounds = boundsOf(stats, canonicalType(type))
    if (bounds === null) continue
    min[name] = bounds.min
    max[name] = bounds.max
  }
  return { min, max, nullCount }
}

interface Bounds {
  readonly min: unknown
  readonly max: unknown
}

function boundsOf(stats: CopyColumnStats, type: string): Bounds | null {
  const min = stats.get('min')
  const max = stats.get('max')
  if (min == null || max == null || stats.get('has_nan') === 'true') return null
  const low = boundOf(min, type, 'min')
  const high = boundOf(max, type, 'max')
  return low === null || high === null ? null : { min: low, max: high }
}

function boundOf(text: string, type: string, side: 'min' | 'max'): unknown {
  if (type.startsWith('DECIMAL')) return decimalBound(text)
  switch (type) {
    case 'BOOLEAN':
      return text === '1' || text === 'true'
    case 'TINYINT':
    case 'SMALLINT':
    case 'INTEGER':
    case 'BIGINT':
      return Number.isSafeInteger(Number(text)) ? Number(text) : null
    case 'FLOAT':
    case 'DOUBLE':
      return Number.isFinite(Number(text)) ? Number(text) : null
    case 'DATE':
      return /^\d{4}-\d\d-\d\d$/.test(text) ? text : null
    case 'TIMESTAMP WITH TIME ZONE':
      return timestampBound(text, side)
    case 'VARCHAR':
      return stringBound(text, side)
    default:
      // Delta has no bounds for binary.
      return null
  }
}

/** A double holds 15 decimal digits exactly as written. */
function decimalBound(text: string): number | null {
  return text.replace(/[-.]/g, '').replace(/^0+/, '').length <= 15 ? Number(text) : null
}

/** `2026-01-01 00:00:00.123456+00` as ISO with milliseconds, the maximum rounded up. */
function timestampBound(text: string, side: 'min' | 'max'): string | null {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text)
  if (match === null) return null
  const micros = (match[3] ?? '').padEnd(6, '0')
  const floor = Date.parse(`${match[1]}T${match[2]}.${micros.slice(0, 3)}Z`)
  const isCut = micros.slice(3) !== '000'
  return new Date(side === 'max' && isCut ? floor + 1 : floor).toISOString()
}

function stringBound(text: string, side: 'min' | 'max'): string {
  if (text.length <= stringLengthMax) return text
  const prefix = [...text].slice(0, stringLengthMax).join('')
  if (prefix === text) return text
  // The highest code point sorts after whatever was cut.
  return side === 'min' ? prefix : `${prefix}\u{10ffff}`
}

interface StatsJson {
  readonly numRecords?: number
  readonly minValues?: Readonly<Record<string, unknown>>
  readonly maxValues?: Readonly<Record<string, unknown>>
  readonly nullCount?: Readonly<Record<string, unknown>>
}

export function statsToJson(rowCount: number, stats: FileStats): string {
  const json = {
    numRecords: rowCount,
    minValues: stats.min,
    maxValues: stats.max,
    nullCount: stats.nullCount,
  }
  return JSON.stringify(json satisfies StatsJson)
}

/** What another writer left out, or wrote in a way that we cannot hold exactly, counts as unknown. */
export function statsFromJson(text: string | null | undefined) {
  const json = parsedStats(text)
  const min: Record<string, unknown> = {}
  const max: Record<string, unknown> = {}
  for (const [name, low] of Object.entries(json.minValues ?? {})) {
    const high = json.maxValues?.[name]
    if (!isExact(low) || !isExact(high)) continue
    min[name] = low
    max[name] = high
  }
  const counts = Object.entries(json.nullCount ?? {}).filter(([, n]) => typeof n === 'number')
  const nullCount = Object.fromEntries(counts) as Record<string, number>
  return { rowCount: json.numRecords ?? 0, stats: { min, max, nullCount } satisfies FileStats }
}

function parsedStats(text: string | null | undefined): StatsJson {
  if (text == null || text === '') return {}
  return JSON.parse(text) as StatsJson
}

function isExact(value: unknown): boolean {
  if (typeof value === 'string' || typeof value === 'boolean') return true
  return typeof value === 'number' && (!Number.isInteger(value) || Number.isSafeInteger(value))
}

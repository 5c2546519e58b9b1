/** Reading lake files: which ones can matter, and the SELECT over them. */
import type { OffsetRange } from '../../core/offsets.ts'
import { type Column, quoteIdentifier, quoteList } from '../../core/sql.ts'
import type { DataFile } from './types.ts'

export interface ScanShape {
  /** The columns to give, in this order; partition columns may be among them. */
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** True when {@link filesHaveColumns} says so: then reading is cheaper by a third. */
  readonly isUniform?: boolean
}

/**
 * A SELECT with exactly these columns and types over Parquet files, given as DuckDB-readable paths. A
 * file that lacks a column reads as NULL there; no files give no rows.
 */
export function scanSql(
  paths: readonly string[],
  { columns, partitionColumns, isUniform = false }: ScanShape,
): string {
  const empty = columns.map(({ name, type }) => `NULL::${type} AS ${quoteIdentifier(name)}`)
  const none = `SELECT ${empty.join(', ')} WHERE false`
  if (paths.length === 0) return none
  const shown = columns.map(({ name, type }) => {
    const quoted = quoteIdentifier(name)
    return `CAST(${quoted} AS ${type}) AS ${quoted}`
  })
  const options = hiveOptions(partitionColumns)
  const files = `read_parquet(${quoteList(paths)}, union_by_name = ${!isUniform}, ${options})`
  if (isUniform) return `SELECT ${shown.join(', ')} FROM ${files} AS files`
  // The empty relation names every column, also one that no file has.
  const all = `SELECT * FROM ${files} UNION ALL BY NAME ${none}`
  return `SELECT ${shown.join(', ')} FROM (${all}) AS files`
}

function hiveOptions(partitionColumns: readonly string[]): string {
  if (partitionColumns.length === 0) return 'hive_partitioning = false'
  const types = partitionColumns.map((name) => `${quoteIdentifier(name)}: VARCHAR`)
  return `hive_partitioning = true, hive_types = {${types.join(', ')}}`
}

/** Whether every file surely has every column, by its statistics or its folder. */
export function filesHaveColumns(files: readonly DataFile[], columns: readonly Column[]): boolean {
  return files.every(({ stats, partitionValues }) =>
    columns.every(({ name }) => name in stats.nullCount || name in partitionValues),
  )
}

/** What rows must satisfy; a file is left out only when none of its rows can. All parts must hold. */
export interface Pruning {
  /** Rows in any of these ranges, by `_partition` and `_offset`. */
  readonly ranges?: readonly OffsetRange[]
  /** Values of partition columns; null is the NULL folder. */
  readonly equals?: Readonly<Record<string, string | null>>
  /** Inclusive bounds on columns' values; times as `Date.toISOString()` writes them. */
  readonly between?: Readonly<Record<string, ValueRange>>
}

/** Bounds as statistics hold them: numbers, booleans, strings; dates and times as ISO text. */
interface ValueRange {
  readonly min?: string | number | boolean
  readonly max?: string | number | boolean
}

/** The files that can hold matching rows, in order. A file without statistics is kept. */
export function pruneFiles(files: readonly DataFile[], pruning: Pruning): DataFile[] {
  const { ranges, equals = {}, between = {} } = pruning
  return files.filter(
    (file) =>
      (ranges === undefined || ranges.some((range) => canHoldRange(file, range))) &&
      Object.entries(equals).every(([name, value]) => hasPartitionValue(file, name, value)) &&
      Object.entries(between).every(([name, range]) => canHoldValues(file, name, range)),
  )
}

function canHoldRange(file: DataFile, { partition, from, until }: OffsetRange): boolean {
  const { min, max } = file.stats
  if (isOutside(min['_partition'], max['_partition'], BigInt(partition), BigInt(partition))) {
    return false
  }
  return from < until && !isOutside(min['_offset'], max['_offset'], from, until - 1n)
}

function isOutside(low: unknown, high: unknown, from: bigint, to: bigint): boolean {
  if (typeof low !== 'number' || typeof high !== 'number') return false
  return BigInt(high) < from || BigInt(low) > to
}

function hasPartitionValue(file: DataFile, name: string, value: string | null): boolean {
  const stored = file.partitionValues[name]
  return stored === undefined || stored === value
}

function canHoldValues(file: DataFile, name: string, { min, max }: ValueRange): boolean {
  const { rowCount, stats } = file
  // NULL satisfies no bound.
  if (rowCount > 0 && stats.nullCount[name] === rowCount) return false
  const low = stats.min[name]
  const high = stats.max[name]
  if (low === undefined || high === undefined) return true
  const isBelow = min !== undefined && isLess(high, min)
  const isAbove = max !== undefined && isLess(max, low)
  return !(isBelow || isAbove)
}

/** False whenever the two cannot be compared. Strings compare by their UTF-8 bytes, as in DuckDB. */
function isLess(left: unknown, right: unknown): boolean {
  if (typeof left === 'string' && typeof right === 'string') {
    return Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0
  }
  if (typeof left !== typeof right) return false
  if (typeof left === 'number' && typeof right === 'number') return left < right
  return typeof left === 'boolean' && !left && right === true
}

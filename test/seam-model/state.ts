/** What the model of the seam consists of: stores that processes share, and what each process knows. */

/** One next offset per partition, by index. */
export type Offsets = readonly number[]

/**
 * Which records of each partition were taken in, one bit each: what a sink keeps of a record, be it a
 * row or nothing. `twiceBit` stays set once a record was added that was there already.
 */
export type Rows = readonly number[]

export interface Range {
  readonly partition: number
  readonly from: number
  readonly until: number
}

/** Rows with the offsets that were stored in the same step. */
export interface Covered {
  readonly offsets: Offsets
  readonly rows: Rows
}

/** Of one partition: the ranges that are held, and the end of what was ever stored. */
export interface HotPartition {
  readonly end: number
  readonly ranges: readonly Range[]
}

export const sinks = ['raw', 'rejected', 'curated'] as const
export type Sink = (typeof sinks)[number]
export type Lake = Readonly<Record<Sink, Covered>>

/** A running lake commit: frozen pending rows and what each table lacked when it began. */
export interface LakeCommit {
  readonly from: Offsets
  readonly until: Offsets
  readonly missing: Readonly<Record<Sink, readonly Range[]>>
  /** How many steps are done. */
  readonly done: number
  readonly isFailed: boolean
}

export interface Worker {
  /** Dead and not yet begun are the same; a commit may still run behind one that begins again. */
  readonly phase: 'idle' | 'starting' | 'resetting' | 'running'
  /** The offsets of each table as the process knows them. */
  readonly seen: Readonly<Record<Sink, Offsets>>
  readonly positions: Offsets
  readonly hot: Offsets
  /** Records from here to the positions are pending. */
  readonly pendingFrom: Offsets
  readonly resets: readonly Range[]
  readonly commit: LakeCommit | null
}

export interface Batch {
  readonly curated: Covered
  /** Null until the published version has been looked at. */
  readonly plan: { readonly result: Covered; readonly isBaseNewest: boolean } | null
}

export interface TailSegment extends Covered {
  readonly id: number
}

export interface Reader {
  readonly phase: 'down' | 'opening' | 'open'
  readonly batch: Covered
  readonly tailFrom: Offsets
  readonly segments: readonly TailSegment[]
  readonly lake: Covered
  readonly recent: Rows
  readonly realtime: Offsets
  /** Commits of curated that it has not applied: what each added, up to where. */
  readonly unseen: readonly Covered[]
}

export interface State {
  readonly lake: Lake
  /** Null: never written, or lost. */
  readonly hot: readonly (HotPartition | null)[]
  readonly published: Covered
  readonly workers: readonly Worker[]
  readonly batches: readonly (Batch | null)[]
  readonly reader: Reader
}

/** How large the model is: all of it is visited. */
export interface Scope {
  readonly name: string
  /** In each partition of the log. */
  readonly recordCounts: readonly number[]
  /** The partitions of each worker; those that two have show what a zombie can do. */
  readonly workers: readonly (readonly number[])[]
  readonly batchCount: number
  readonly hasReader: boolean
  readonly tailSegmentsMax: number
  /** `alone`: of another machine; it may also come back older, and workers do not hear of either. */
  readonly hotStoreDies: 'with the workers' | 'alone'
}

const twiceBit = 1 << 8

function rangeRows(from: number, until: number): number {
  return from >= until ? 0 : (1 << until) - (1 << from)
}

export function rowsBelow(offsets: Offsets): Rows {
  return offsets.map((offset) => rangeRows(0, offset))
}

export function rowsOfRanges(partitions: number, ranges: readonly Range[]): Rows {
  return Array.from({ length: partitions }, (_, partition) =>
    ranges
      .filter((range) => range.partition === partition)
      .reduce((bits, { from, until }) => addBits(bits, rangeRows(from, until)), 0),
  )
}

export function addRows(left: Rows, right: Rows): Rows {
  return left.map((bits, partition) => addBits(bits, right[partition] ?? 0))
}

function addBits(left: number, right: number): number {
  return left | right | ((left & right) === 0 ? 0 : twiceBit)
}

/** Keeps the mark of a record that is there twice. */
export function rowsBetween(rows: Rows, from: Offsets, until: Offsets): Rows {
  return rows.map(
    (bits, partition) => bits & (rangeRows(at(from, partition), at(until, partition)) | twiceBit),
  )
}

export function sameRows(left: Rows, right: Rows): boolean {
  return left.every((bits, partition) => bits === right[partition])
}

export function covers(offsets: Offsets, needed: Offsets): boolean {
  return needed.every((offset, partition) => at(offsets, partition) >= offset)
}

export function maxOffsets(left: Offsets, right: Offsets): Offsets {
  return left.map((offset, partition) => Math.max(offset, at(right, partition)))
}

export function at(offsets: Offsets, partition: number): number {
  return offsets[partition] ?? 0
}

export function replaceAt<T>(list: readonly T[], index: number, value: T): T[] {
  return list.map((old, place) => (place === index ? value : old))
}

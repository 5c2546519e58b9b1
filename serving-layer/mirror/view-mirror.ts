/**
 * One view's part of the mirror: the published partials and the tail behind them. Methods run inside
 * the caller's transaction and return what to call once it has committed, so that this object never
 * knows more than the database does.
 */
import { covers, noOffsets, type Offsets } from '../../core/offsets.ts'
import { definitionHashKey } from '../../core/pipeline.ts'
import type { CompiledView } from '../../core/views/compiled-view.ts'
import type { Session } from '../../stores/engine/duckdb.ts'
import { scanSql } from '../../stores/lake/scan.ts'
import type { LakeSnapshot, LakeTable } from '../../stores/lake/types.ts'
import { cutTail, joinSegments, joinThrough, type Tail } from '../domain/tail.ts'
import { batchTable, columnList, segmentColumn, tailTable } from './relations.ts'

/** To be called after the transaction has committed. */
export type Adopt = () => void

/** One curated version's rows as a parenthesised SELECT. */
export interface FoldStep {
  readonly version: number
  readonly until: Offsets
  readonly rows: string
}

/** A curated version; `rowsSince` gives its rows from some offsets on, as a parenthesised SELECT. */
export interface LakeRows {
  readonly version: number
  readonly offsets: Offsets
  readonly rowsSince: (from: Offsets) => Promise<string>
}

/** What a published version does to the view, decided before the transaction begins. */
export interface PublishedPart {
  readonly snapshot: LakeSnapshot
  readonly paths: readonly string[]
}

export class ViewMirror {
  readonly view: CompiledView
  readonly #table: LakeTable
  #seenVersion = -1
  #batch: Offsets = noOffsets
  #publishedMs: number | null = null
  #tail: Tail = { from: noOffsets, segments: [] }

  constructor(view: CompiledView, table: LakeTable) {
    this.view = view
    this.#table = table
  }

  /** The offsets of the published part: the tail begins here. */
  get batch(): Offsets {
    return this.#batch
  }

  get publishedMs(): number | null {
    return this.#publishedMs
  }

  /** A published version that has not been applied yet, or null. One of another definition is passed over. */
  async newPart(): Promise<PublishedPart | null> {
    const snapshot = await this.#table.refresh()
    if (snapshot.version === this.#seenVersion) return null
    if (snapshot.configuration[definitionHashKey] !== this.view.definitionHash) {
      this.#seenVersion = snapshot.version
      return null
    }
    return { snapshot, paths: await this.#table.readablePaths(snapshot.files) }
  }

  /** Replaces the published part and what the tail has of it. */
  async publish(
    session: Session,
    { snapshot, paths }: PublishedPart,
    lake: LakeRows,
  ): Promise<Adopt> {
    await this.#replaceBatchPart(session, paths)
    const change = cutTail(this.#tail, snapshot.offsets)
    if (change.kind === 'cut' && change.dropThrough !== null) {
      await this.#dropSegments(session, change.dropThrough)
    }
    const tail =
      change.kind === 'cut' ? change.tail : await this.#replaceTail(session, snapshot.offsets, lake)
    return () => {
      this.#seenVersion = snapshot.version
      this.#batch = snapshot.offsets
      this.#publishedMs = snapshot.committedAtMs
      this.#tail = tail
    }
  }

  /** Computes the whole tail again from the lake's rows. */
  async rebuildTail(session: Session, lake: LakeRows): Promise<Adopt> {
    const tail = await this.#replaceTail(session, this.#batch, lake)
    return () => {
      this.#tail = tail
    }
  }

  /** Adds the partials of new curated versions to the tail. */
  async fold(session: Session, steps: readonly FoldStep[], segmentsMax: number): Promise<Adopt> {
    for (const { version, rows } of steps) await this.#insertSegment(session, version, rows)
    const segments = steps.map(({ version, until }) => ({ id: version, until }))
    const tail = { from: this.#tail.from, segments: [...this.#tail.segments, ...segments] }
    const joined = await this.#joinOldSegments(session, tail, segmentsMax)
    return () => {
      this.#tail = joined
    }
  }

  async #replaceTail(session: Session, from: Offsets, lake: LakeRows): Promise<Tail> {
    const table = tailTable(this.view)
    await session.run(`CREATE OR REPLACE TABLE ${table} AS SELECT * FROM ${table} WHERE false`)
    if (covers(from, lake.offsets)) return { from, segments: [] }
    await this.#insertSegment(session, lake.version, await lake.rowsSince(from))
    return { from, segments: [{ id: lake.version, until: lake.offsets }] }
  }

  async #insertSegment(session: Session, id: number, rows: string): Promise<void> {
    const columns = columnList(this.view.partialColumns)
    const partials = this.view.partialSql(rows)
    await session.run(
      `INSERT INTO ${tailTable(this.view)} SELECT ${columns}, ${id} FROM (${partials})`,
    )
  }

  async #dropSegments(session: Session, through: number): Promise<void> {
    const table = tailTable(this.view)
    await session.run(
      `CREATE OR REPLACE TABLE ${table} AS SELECT * FROM ${table} WHERE ${segmentColumn} > ${through}`,
    )
  }

  async #joinOldSegments(session: Session, tail: Tail, segmentsMax: number): Promise<Tail> {
    const id = joinThrough(tail, segmentsMax)
    if (id === null) return tail
    const table = tailTable(this.view)
    const columns = columnList(this.view.partialColumns)
    const old = `(SELECT ${columns} FROM ${table} WHERE ${segmentColumn} <= ${id})`
    await session.run(
      `CREATE OR REPLACE TABLE ${table} AS
       SELECT ${columns}, ${id}::BIGINT AS ${segmentColumn} FROM (${this.view.mergeSql(old)})
       UNION ALL SELECT ${columns}, ${segmentColumn} FROM ${table} WHERE ${segmentColumn} > ${id}`,
    )
    return joinSegments(tail, id)
  }

  async #replaceBatchPart(session: Session, paths: readonly string[]): Promise<void> {
    const columns = this.view.partialColumns
    const scan = scanSql(paths, { columns, partitionColumns: [] })
    await session.run(
      `CREATE OR REPLACE TABLE ${batchTable(this.view)} AS SELECT ${columnList(columns)} FROM (${scan})`,
    )
  }
}

/**
 * One pipeline's part of the mirror. Every change below is one DuckDB transaction, so a query, which
 * is one transaction too, sees the state before or after it and never a mix. All changes of a mirror
 * are made one after the other.
 *
 *   applyHot    rows of the hot store become visible                       realtime offsets move
 *   applyLake   a curated version: its rows move from recent to the tails  lake offsets move
 *   applyBatch  a published view: its rows leave the tail                  batch offsets move
 */
import { MillraceError } from '../../core/errors.ts'
import {
  covers,
  maxOffsets,
  noOffsets,
  type Offsets,
  offsetOf,
  offsetsPredicate,
  offsetsToJson,
  rangesBetween,
} from '../../core/offsets.ts'
import type { LoadedPipeline } from '../../core/pipeline.ts'
import { quoteLiteral } from '../../core/sql.ts'
import type { Database, Session } from '../../stores/engine/duckdb.ts'
import type { HotRange } from '../../stores/hot-store/port.ts'
import type { PipelineTables } from '../../stores/lake/pipeline-tables.ts'
import { filesHaveColumns, pruneFiles, scanSql } from '../../stores/lake/scan.ts'
import { lakeFileError } from '../../stores/lake/storage-errors.ts'
import type { DataFile, LakeCommit, LakeSnapshot, LakeTable } from '../../stores/lake/types.ts'
import { HotRows } from './hot-rows.ts'
import {
  curatedViewsSql,
  lakeOnlyViewsSql,
  objectCoverage,
  pipelineCoverage,
  readableRawSql,
  recentTable,
} from './relations.ts'
import {
  type Adopt,
  type FoldStep,
  type LakeRows,
  type PublishedPart,
  ViewMirror,
} from './view-mirror.ts'

export interface PipelineMirrorOptions {
  readonly database: Database
  readonly loaded: LoadedPipeline
  readonly tables: PipelineTables
  readonly scratchDirectory: string
  readonly tailSegmentsMax: number
}

/** Before the first curated snapshot a tail is empty, and nothing asks for its rows. */
const noLakeRows: LakeRows = {
  version: -1,
  offsets: noOffsets,
  rowsSince: () => Promise.reject(new Error('No rows are needed before the first snapshot.')),
}

interface VisibleState {
  readonly lake: Offsets
  readonly realtime: Offsets
  readonly newestMs: number | null
}

export class PipelineMirror {
  readonly loaded: LoadedPipeline
  readonly views: readonly ViewMirror[]
  readonly #options: PipelineMirrorOptions
  readonly #hotRows: HotRows
  readonly #lakeOnlyVersions = new Map<LakeTable, number>()
  #curated: LakeSnapshot
  #visible: VisibleState = { lake: noOffsets, realtime: noOffsets, newestMs: null }

  private constructor(options: PipelineMirrorOptions, views: readonly ViewMirror[]) {
    this.#options = options
    this.loaded = options.loaded
    this.#hotRows = new HotRows(options.loaded, options.scratchDirectory)
    this.#curated = options.tables.curated.current()
    this.views = views
  }

  /** Loads the lake as it is now: published parts, tails, file lists. Recent rows start empty. */
  static async open(options: PipelineMirrorOptions): Promise<PipelineMirror> {
    const views: ViewMirror[] = []
    for (const view of options.loaded.views) {
      views.push(new ViewMirror(view, await options.tables.view(view)))
    }
    const mirror = new PipelineMirror(options, views)
    try {
      await mirror.#load()
    } catch (error) {
      throw lakeFileError(error, mirror.name)
    }
    return mirror
  }

  get name(): string {
    return this.loaded.pipeline.name
  }

  get visible(): VisibleState {
    return this.#visible
  }

  /** Where the hot store is to be read from: one position for every partition of the topic. */
  get positions(): Offsets {
    const { partitions } = this.loaded.pipeline
    const { realtime } = this.#visible
    return new Map(Array.from({ length: partitions }, (_, p) => [p, offsetOf(realtime, p)]))
  }

  get rejectedCount(): bigint {
    const { files } = this.#options.tables.rejected.current()
    return files.reduce((sum, file) => sum + BigInt(file.rowCount), 0n)
  }

  async #load(): Promise<void> {
    await this.#options.database.run(
      `INSERT INTO ${pipelineCoverage} VALUES (${quoteLiteral(this.name)}, '{}', '{}', NULL)`,
    )
    // The published parts first: the curated version read after them covers their offsets.
    for (const view of this.views) {
      const part = await view.newPart()
      if (part !== null) await this.#publish(view, part, noLakeRows)
    }
    await this.#loadSnapshot(await this.#options.tables.curated.refresh())
    for (const { view, batch } of this.views) this.#requireLakeHas(view.name, batch)
    await this.#applyLakeOnlyTables()
  }

  /**
   * Makes the rows of hot ranges visible. Ranges are ascending per partition and may begin below what
   * is visible already. Throws COVERAGE_HOLE when one begins above it and the lake does not have what
   * is missing.
   */
  async applyHot(ranges: readonly HotRange[]): Promise<void> {
    if (this.#firstHole(ranges) !== undefined) await this.applyLake()
    const hole = this.#firstHole(ranges)
    if (hole !== undefined) throw this.#holeError(hole)
    const before = this.#visible
    const fresh = ranges.filter((range) => range.until > offsetOf(before.realtime, range.partition))
    if (fresh.length === 0) return
    const ends = fresh.map(({ partition, until }) => new Map([[partition, until]]))
    const visible = {
      lake: before.lake,
      realtime: ends.reduce(maxOffsets, before.realtime),
      newestMs: Math.max(before.newestMs ?? 0, ...fresh.map((range) => range.timestampMsMax)),
    }
    await using rows = await this.#hotRows.waiting(fresh, before.realtime)
    await this.#options.database.transaction(async (session) => {
      await rows.insert(session)
      await session.run(this.#visibleSql(visible))
    })
    this.#visible = visible
  }

  /** Follows the curated, rejected and raw tables to their newest versions. Returns whether rows moved. */
  async applyLake(): Promise<boolean> {
    const { curated } = this.#options.tables
    const seen = this.#curated.version
    const snapshot = await curated.refresh()
    const isRejectedNew = await this.#applyLakeOnlyTables()
    if (snapshot.version === seen) return isRejectedNew
    const commits = await curated.commitsAfter(seen)
    if (commits === null || !canFold(commits)) await this.#loadSnapshot(snapshot)
    else await this.#fold(snapshot, commits)
    return true
  }

  /** Follows the views' tables. Returns whether a published part was replaced. */
  async applyBatch(): Promise<boolean> {
    let isChanged = false
    const failures: unknown[] = []
    for (const view of this.views) {
      try {
        isChanged = (await this.#publishNewPart(view)) || isChanged
      } catch (error) {
        // The other views are none the worse for it.
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
    return isChanged
  }

  async #publishNewPart(view: ViewMirror): Promise<boolean> {
    const part = await view.newPart()
    if (part === null) return false
    if (!covers(this.#curated.offsets, part.snapshot.offsets)) {
      // The batch layer reads versions that this process has not applied yet.
      await this.applyLake()
      this.#requireLakeHas(view.view.name, part.snapshot.offsets)
    }
    const { version, offsets } = this.#curated
    const rowsSince = (from: Offsets) => this.#rowsSince(this.#curated, from)
    await this.#publish(view, part, { version, offsets, rowsSince })
    return true
  }

  async #publish(view: ViewMirror, part: PublishedPart, lake: LakeRows): Promise<void> {
    let adopt: Adopt = () => {}
    await this.#options.database.transaction(async (session) => {
      adopt = await view.publish(session, part, lake)
      await this.#writeObject(session, view.view.name, part.snapshot)
    })
    adopt()
  }

  /** New curated versions: partials of their rows join each tail and the rows leave the recent table. */
  async #fold(snapshot: LakeSnapshot, commits: readonly LakeCommit[]): Promise<void> {
    const steps: FoldStep[] = []
    for (const { version, offsets, added, dataChange } of commits) {
      if (dataChange) steps.push({ version, until: offsets, rows: await this.#scan(added) })
    }
    await this.#moveToLake(snapshot, (view, session) =>
      view.fold(session, steps, this.#options.tailSegmentsMax),
    )
  }

  /** Starts again from a snapshot: at the start, and when the lake's rows were rewritten. */
  async #loadSnapshot(snapshot: LakeSnapshot): Promise<void> {
    const { version, offsets } = snapshot
    const rowsSince = (from: Offsets) => this.#rowsSince(snapshot, from)
    await this.#moveToLake(snapshot, (view, session) =>
      view.rebuildTail(session, { version, offsets, rowsSince }),
    )
  }

  /** Tails take the rows in, the recent table lets them go, and the table's views read the new files. */
  async #moveToLake(
    snapshot: LakeSnapshot,
    takeIn: (view: ViewMirror, session: Session) => Promise<Adopt>,
  ): Promise<void> {
    const visible = {
      lake: snapshot.offsets,
      realtime: maxOffsets(this.#visible.realtime, snapshot.offsets),
      newestMs: this.#visible.newestMs ?? (snapshot.version > 0 ? snapshot.committedAtMs : null),
    }
    const lakeRows = await this.#scan(snapshot.files)
    const recent = recentTable(this.loaded)
    const kept = `NOT (${offsetsPredicate(noOffsets, snapshot.offsets)})`
    const adopts: Adopt[] = []
    await this.#options.database.transaction(async (session) => {
      for (const view of this.views) adopts.push(await takeIn(view, session))
      // Copying the few rows that stay gives the memory of the others back at once; DELETE would not.
      await session.run(
        `CREATE OR REPLACE TABLE ${recent} AS SELECT * FROM ${recent} WHERE ${kept}`,
      )
      for (const sql of curatedViewsSql(this.loaded, lakeRows)) await session.run(sql)
      await session.run(this.#visibleSql(visible))
    })
    this.#curated = snapshot
    this.#visible = visible
    for (const adopt of adopts) adopt()
  }

  async #applyLakeOnlyTables(): Promise<boolean> {
    const { rejected, raw } = this.#options.tables
    const { table } = this.loaded.pipeline
    const isRejectedNew = await this.#replaceLakeOnly(`${table}_rejected`, rejected, (sql) => sql)
    const isRawNew = await this.#replaceLakeOnly(`${table}_raw`, raw, readableRawSql)
    return isRejectedNew || isRawNew
  }

  async #replaceLakeOnly(name: string, table: LakeTable, shape: (sql: string) => string) {
    const snapshot = await table.refresh()
    if (this.#lakeOnlyVersions.get(table) === snapshot.version) return false
    const { columns } = snapshot
    const paths = await table.readablePaths(snapshot.files)
    const sql = shape(scanSql(paths, { columns, partitionColumns: [] }))
    await this.#options.database.transaction(async (session) => {
      for (const statement of lakeOnlyViewsSql(name, sql)) await session.run(statement)
      await this.#writeObject(session, name, snapshot)
    })
    this.#lakeOnlyVersions.set(table, snapshot.version)
    return true
  }

  async #rowsSince(snapshot: LakeSnapshot, from: Offsets): Promise<string> {
    const files = pruneFiles(snapshot.files, { ranges: rangesBetween(from, snapshot.offsets) })
    return `(SELECT * FROM ${await this.#scan(files)} WHERE ${offsetsPredicate(from, snapshot.offsets)})`
  }

  /** A parenthesised SELECT of the curated columns from these files. */
  async #scan(files: readonly DataFile[]): Promise<string> {
    const paths = await this.#options.tables.curated.readablePaths(files)
    const partitionColumns = this.loaded.pipeline.partitionBy.map(({ name }) => name)
    const columns = this.loaded.curatedColumns
    const isUniform = filesHaveColumns(files, columns)
    return `(${scanSql(paths, { columns, partitionColumns, isUniform })})`
  }

  #visibleSql({ lake, realtime, newestMs }: VisibleState): string {
    return `UPDATE ${pipelineCoverage} SET lake = ${jsonLiteral(lake)}, realtime = ${jsonLiteral(realtime)},
      newest_ms = ${newestMs ?? 'NULL'} WHERE pipeline = ${quoteLiteral(this.name)}`
  }

  async #writeObject(session: Session, object: string, snapshot: LakeSnapshot): Promise<void> {
    const where = `pipeline = ${quoteLiteral(this.name)} AND object = ${quoteLiteral(object)}`
    // In place: rows that are deleted and inserted again would pile up in a database without checkpoints.
    const [updated] = await session.rows<{ Count: bigint }>(
      `UPDATE ${objectCoverage} SET offsets = ${jsonLiteral(snapshot.offsets)},
       published_ms = ${snapshot.committedAtMs} WHERE ${where}`,
    )
    if (updated !== undefined && updated.Count > 0n) return
    await session.run(
      `INSERT INTO ${objectCoverage} VALUES (${quoteLiteral(this.name)}, ${quoteLiteral(object)},
       ${jsonLiteral(snapshot.offsets)}, ${snapshot.committedAtMs})`,
    )
  }

  #firstHole(ranges: readonly HotRange[]): HotRange | undefined {
    const ends = new Map(this.#visible.realtime)
    return ranges.find(({ partition, from, until }) => {
      const end = offsetOf(ends, partition)
      ends.set(partition, until > end ? until : end)
      return from > end
    })
  }

  /** Throws COVERAGE_HOLE when the lake ends below what a view's published part covers. */
  #requireLakeHas(view: string, published: Offsets): void {
    for (const [partition, offset] of published) {
      const end = offsetOf(this.#curated.offsets, partition)
      if (end >= offset) continue
      throw new MillraceError(
        'COVERAGE_HOLE',
        `View '${this.name}.${view}' is published up to offset ${offset} of partition ${partition}, but the curated table ends at ${end}: rows were lost. Restore the lake, or accept the loss with 'millrace batch rebuild --view ${view}'.`,
        { details: { partition, from: end, until: offset } },
      )
    }
  }

  #holeError({ partition, from }: HotRange): MillraceError {
    const end = offsetOf(this.#visible.realtime, partition)
    return new MillraceError(
      'COVERAGE_HOLE',
      `Offsets ${end} to ${from} of partition ${partition} of pipeline '${this.name}' are neither in the hot store nor in the lake. Answers stay at offset ${end} until the speed layer has written them again.`,
      { details: { partition, from: end, until: from } },
    )
  }
}

/** Whether the commits only added rows, and these still lie in the files that came with them. */
function canFold(commits: readonly LakeCommit[]): boolean {
  // Files that were merged meanwhile may be gone from the disk.
  const removed = new Set(commits.flatMap(({ removedPaths }) => removedPaths))
  return commits.every(
    ({ dataChange, removedPaths, added }) =>
      !dataChange || (removedPaths.length === 0 && !added.some(({ path }) => removed.has(path))),
  )
}

function jsonLiteral(offsets: Offsets): string {
  return quoteLiteral(JSON.stringify(offsetsToJson(offsets)))
}

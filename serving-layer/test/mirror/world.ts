/**
 * The writers around a mirror, under a test's control: rows go to the hot store, to the curated table and
 * into published views when the test says so, and every row is also kept aside to recompute answers from.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noOffsets, type Offsets, offsetOf, offsetsPredicate } from '../../../core/offsets.ts'
import { type LoadedPipeline, tablePaths } from '../../../core/pipeline.ts'
import type { CompiledView } from '../../../core/views/compiled-view.ts'
import { type Clock, systemClock } from '../../../stores/clock.ts'
import { Database } from '../../../stores/engine/duckdb.ts'
import type { EventLog } from '../../../stores/event-log/port.ts'
import { createMemoryHotStore } from '../../../stores/hot-store/memory.ts'
import type { HotStore } from '../../../stores/hot-store/port.ts'
import { encodeTextRows, rowTextSql } from '../../../stores/hot-store/text-rows.ts'
import { openLocalStorage } from '../../../stores/lake/local.ts'
import { openPipelineTables, type PipelineTables } from '../../../stores/lake/pipeline-tables.ts'
import { stageParquet } from '../../../stores/lake/staging.ts'
import type { LakeStorage } from '../../../stores/lake/storage.ts'
import { type ServingSettings, servingSettings } from '../../config.ts'
import { DuckDbMirror } from '../../mirror/mirror.ts'

const allRows = 'all_rows'

export class World implements AsyncDisposable {
  readonly loaded: LoadedPipeline
  readonly hotStore: HotStore = createMemoryHotStore({ bytesMax: 64 * 1024 * 1024 })
  /** Everything that went wrong while mirrors followed. */
  readonly failures: unknown[] = []
  #ends: Offsets = noOffsets
  readonly #directory: string
  readonly #database: Database
  readonly #storage: LakeStorage
  readonly #tables: PipelineTables
  #fileCount = 0

  private constructor(
    loaded: LoadedPipeline,
    parts: { directory: string; database: Database; storage: LakeStorage; tables: PipelineTables },
  ) {
    this.loaded = loaded
    this.#directory = parts.directory
    this.#database = parts.database
    this.#storage = parts.storage
    this.#tables = parts.tables
  }

  static async create(loaded: LoadedPipeline): Promise<World> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-mirror-'))
    const database = await Database.open({ threads: 1, memoryBytesMax: 256 * 1024 * 1024 })
    const storage = await openLocalStorage({ root: join(directory, 'lake') })
    const tables = await openPipelineTables(storage, loaded, { database })
    const columns = loaded.curatedColumns.map(({ name, type }) => `"${name}" ${type}`)
    await database.run(`CREATE TABLE ${allRows} (${columns.join(', ')})`)
    return new World(loaded, { directory, database, storage, tables })
  }

  /** Where the hot store ends: every row below has been appended. */
  get ends(): Offsets {
    return this.#ends
  }

  get lake(): Offsets {
    return this.#tables.curated.current().offsets
  }

  async openMirror(
    changes: Partial<ServingSettings> = {},
    clock: Clock = systemClock,
  ): Promise<DuckDbMirror> {
    const defaults = { lakePollIntervalMs: 10, tailSegmentsMax: 4, threads: 1 }
    const settings = servingSettings.parse({ ...defaults, ...changes })
    return await DuckDbMirror.open({
      pipelines: [this.loaded],
      // The mirror asks the log only where it ends.
      eventLog: {
        bounds: async () => ({ earliest: noOffsets, latest: this.#ends }),
      } as unknown as EventLog,
      hotStore: this.hotStore,
      storage: this.#storage,
      settings,
      signals: {
        applied: () => {},
        followFailed: (_, error) => this.failures.push(error),
      },
      clock,
    })
  }

  /** Makes `count` offsets of a partition and appends them as one hot range; some are rejected (no row). */
  async append(partition: number, count: number): Promise<void> {
    const from = offsetOf(this.#ends, partition)
    const until = from + BigInt(count)
    await this.#database.run(`INSERT INTO ${allRows} BY NAME ${rowsSql(partition, from, until)}`)
    const range = new Map([[partition, until]])
    const predicate = offsetsPredicate(new Map([[partition, from]]), range)
    const [row] = await this.#database.rows<{ n: bigint }>(
      `SELECT count(*) AS n FROM ${allRows} WHERE ${predicate}`,
    )
    const rowCount = Number(row?.n)
    const outcome = await this.hotStore.append(this.loaded.pipeline.name, {
      partition,
      from,
      until,
      rowCount,
      timestampMsMax: Number(until),
      rows: rowCount === 0 ? Buffer.alloc(0) : await this.#hotRows(predicate, count),
    })
    if (outcome.kind !== 'appended') throw new Error(`Refused at ${outcome.end}.`)
    this.#ends = new Map([...this.#ends, [partition, until]])
  }

  /** Commits everything below the ends of these partitions to the curated table and trims the hot store. */
  async commit(partitions: readonly number[]): Promise<void> {
    const before = this.lake
    const moved = partitions.filter((p) => offsetOf(this.#ends, p) > offsetOf(before, p))
    if (moved.length === 0) return
    const from = new Map(moved.map((partition) => [partition, offsetOf(before, partition)]))
    const until = new Map(moved.map((p) => [p, offsetOf(this.#ends, p)]))
    const files = await this.#stage(offsetsPredicate(from, until))
    const outcome = await this.#tables.curated.append({ files, from, until, operation: 'TEST' })
    if (outcome.kind !== 'committed') throw new Error('Superseded.')
    await this.hotStore.trim(this.loaded.pipeline.name, outcome.snapshot.offsets)
  }

  /** Publishes a view as of some offsets that the lake covers. */
  async publish(view: CompiledView, offsets: Offsets): Promise<void> {
    const table = await this.#tables.view(view)
    const published = await table.refresh()
    const rows = `(SELECT * FROM ${allRows} WHERE ${offsetsPredicate(noOffsets, offsets)})`
    const files = await this.#database.session((session) =>
      stageParquet(session, this.#storage, tablePaths(this.loaded.pipeline).view(view.name), {
        select: view.mergeSql(`(${view.partialSql(rows)})`),
        columns: view.partialColumns,
        partitionColumns: [],
      }),
    )
    await table.replace({
      remove: published.files,
      add: files,
      offsets,
      configuration: { 'millrace.definitionHash': view.definitionHash },
      dataChange: true,
      operation: 'TEST',
      basedOnVersion: published.version,
    })
  }

  /**
   * Rewrites the curated files into fewer, as a compaction or as a rebuild does; `vacuums` removes the
   * old ones at once.
   */
  async compact({ vacuums = false, isRebuild = false } = {}): Promise<void> {
    const { curated } = this.#tables
    const { files, offsets, version } = await curated.refresh()
    const add = await this.#stage(offsetsPredicate(noOffsets, offsets))
    await curated.replace({
      remove: files,
      add,
      dataChange: isRebuild,
      operation: 'TEST COMPACTION',
      basedOnVersion: version,
    })
    if (vacuums) await this.#storage.remove(files.map((file) => `${curated.path}/${file.path}`))
  }

  /** What the view must answer for all rows below these offsets, recomputed from the rows themselves. */
  async expected(view: CompiledView, offsets: Offsets): Promise<string[]> {
    const rows = `(SELECT * FROM ${allRows} WHERE ${offsetsPredicate(noOffsets, offsets)})`
    const sql = view.finalizeSql(`(${view.mergeSql(`(${view.partialSql(rows)})`)})`)
    return await textRows((statement) => this.#database.rows(statement), sql)
  }

  async expectedRowCount(offsets: Offsets): Promise<bigint> {
    const [row] = await this.#database.rows<{ n: bigint }>(
      `SELECT count(*) AS n FROM ${allRows} WHERE ${offsetsPredicate(noOffsets, offsets)}`,
    )
    return row?.n ?? 0n
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #stage(predicate: string) {
    return await this.#database.session((session) =>
      stageParquet(session, this.#storage, tablePaths(this.loaded.pipeline).curated, {
        select: `SELECT * FROM ${allRows} WHERE ${predicate}`,
        columns: this.loaded.curatedColumns,
        partitionColumns: this.loaded.pipeline.partitionBy.map(({ name }) => name),
      }),
    )
  }

  /** In both forms, so that a mirror meets them side by side. */
  async #hotRows(predicate: string, count: number): Promise<Buffer> {
    if (count % 3 === 0) return await this.#parquet(predicate)
    const columns = this.loaded.curatedColumns
    const [row] = await this.#database.rows<{ text: string }>(
      `SELECT string_agg(${rowTextSql(columns)}, ',') AS text FROM ${allRows} WHERE ${predicate}`,
    )
    return encodeTextRows(columns, row?.text ?? '')
  }

  async #parquet(predicate: string): Promise<Buffer> {
    this.#fileCount += 1
    const file = join(this.#directory, `${this.#fileCount}.parquet`)
    await this.#database.run(
      `COPY (SELECT * FROM ${allRows} WHERE ${predicate} ORDER BY _offset) TO '${file}' (FORMAT parquet)`,
    )
    return await readFile(file)
  }
}

/** Rows as text, sorted: compared as multisets. */
export async function textRows(
  rows: (sql: string) => Promise<{ line: string }[]>,
  sql: string,
): Promise<string[]> {
  const lines = await rows(`SELECT CAST(answer AS VARCHAR) AS line FROM (${sql}) AS answer`)
  return lines.map(({ line }) => line).sort((a, b) => (a < b ? -1 : 1))
}

/** Deterministic rows of http_logs: each seventh offset has none, as if its record had been rejected. */
function rowsSql(partition: number, from: bigint, until: bigint): string {
  const at = (salt: number, modulus: number) =>
    `(hash(o, ${partition}, ${salt}) % ${modulus})::INTEGER`
  return `SELECT ts, host, method, path, status, bytes, ip, ua, rt_ms, status // 100 AS status_class,
      strftime(ts::TIMESTAMP, '%Y-%m-%d') AS dt, strftime(ts::TIMESTAMP, '%H') AS "hour",
      ${partition} AS _partition, o AS _offset
    FROM (SELECT o, TIMESTAMPTZ '2026-11-20 00:00:00Z' + to_seconds(${at(1, 7_200)}) AS ts,
      'web-' || ${at(2, 5)} AS host, 'GET' AS method, '/' || ${at(3, 12)} AS path,
      [200, 301, 404, 500][1 + ${at(4, 4)}] AS status,
      CASE WHEN ${at(5, 9)} > 0 THEN ${at(6, 100_000)} END AS bytes, '10.0.0.' || ${at(7, 200)} AS ip,
      'curl' AS ua, CASE WHEN ${at(8, 11)} > 0 THEN ${at(9, 900)} END AS rt_ms
    FROM (SELECT unnest(range(${from}, ${until})) AS o)) WHERE o % 7 <> 3`
}

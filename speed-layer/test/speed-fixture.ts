/** A speed layer over real embedded stores in a temporary folder, and the ways to look at what it did. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { LIST, VARCHAR } from '@duckdb/node-api'
import { expect } from 'vitest'
import type { Offsets } from '../../core/offsets.ts'
import { type LoadedPipeline, tablePaths } from '../../core/pipeline.ts'
import { type Column, quoteList } from '../../core/sql.ts'
import { systemClock } from '../../stores/clock.ts'
import { Database } from '../../stores/engine/duckdb.ts'
import { openEmbeddedEventLog } from '../../stores/event-log/embedded.ts'
import type { EventLog, ProducedRecord, Producer } from '../../stores/event-log/port.ts'
import { createMemoryHotStore } from '../../stores/hot-store/memory.ts'
import type { HotStore } from '../../stores/hot-store/port.ts'
import { selectTextRows, splitTextRows } from '../../stores/hot-store/text-rows.ts'
import { openLocalStorage } from '../../stores/lake/local.ts'
import type { LakeStorage } from '../../stores/lake/storage.ts'
import { openLakeTable } from '../../stores/lake/table.ts'
import { loadPipelines } from '../../stores/pipelines.ts'
import { silentTelemetry } from '../../stores/telemetry.ts'
import { type SpeedSettings, speedSettings } from '../config.ts'
import type { SpeedContext } from '../context.ts'
import { SpeedProgress } from '../progress.ts'
import { runSpeedLayer } from '../run.ts'

export const jsonPipeline = `
topic: logs
partitions: 2
format: json
schema: { ts: TIMESTAMPTZ, host: VARCHAR, status: INTEGER, ratio: DOUBLE }
event_time: ts
checks:
  has_host: host IS NOT NULL
  status_in_range: status BETWEEN 100 AND 599
table: logs
partition_by: { dt: "strftime(ts, '%Y-%m-%d')" }
`

const fastSettings: Partial<SpeedSettings> = {
  microBatchIntervalMs: 1,
  lakeCommitIntervalMs: 100,
  retryDelayMsMin: 5,
  retryDelayMsMax: 20,
  shutdownCommitMs: 10_000,
  recordBytesMax: 2048,
}

type RowOf = Record<string, unknown>

export class SpeedFixture implements AsyncDisposable {
  readonly directory: string
  readonly sqlDirectory: string
  readonly log: EventLog
  readonly storage: LakeStorage
  readonly database: Database
  hot: HotStore = createMemoryHotStore({ bytesMax: 64 * 1024 * 1024 })
  progress = new SpeedProgress()
  pipelines: readonly LoadedPipeline[] = []
  readonly #producers = new Map<string, { producer: Producer; sequences: Map<number, number> }>()

  private constructor(directory: string, log: EventLog, storage: LakeStorage, database: Database) {
    this.directory = directory
    this.sqlDirectory = join(directory, 'sql')
    this.log = log
    this.storage = storage
    this.database = database
  }

  static async open(files: Readonly<Record<string, string>>): Promise<SpeedFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-speed-'))
    const fixture = new SpeedFixture(
      directory,
      await openEmbeddedEventLog({ directory: join(directory, 'log'), recordBytesMax: 1 << 22 }),
      await openLocalStorage({ root: join(directory, 'lake') }),
      await Database.open({ threads: 1, memoryBytesMax: 1 << 28 }),
    )
    for (const [path, text] of Object.entries(files)) {
      const file = join(fixture.sqlDirectory, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
    fixture.pipelines = await loadPipelines(fixture.sqlDirectory)
    for (const { pipeline } of fixture.pipelines) {
      await fixture.log.ensureTopic(pipeline.topic, pipeline.partitions)
    }
    return fixture
  }

  async produce(
    topic: string,
    partition: number,
    values: readonly (string | Buffer | ProducedRecord)[],
  ): Promise<void> {
    const known = this.#producers.get(topic) ?? {
      producer: await this.log.producer(topic, `test-${topic}`),
      sequences: new Map<number, number>(),
    }
    this.#producers.set(topic, known)
    const sequence = known.sequences.get(partition) ?? 0
    known.sequences.set(partition, sequence + 1)
    const records = values.map((value) =>
      typeof value === 'string'
        ? { value: Buffer.from(value) }
        : Buffer.isBuffer(value)
          ? { value }
          : value,
    )
    await known.producer.append(partition, sequence, records)
  }

  context(
    changes: Partial<SpeedContext> = {},
    settings: Partial<SpeedSettings> = {},
  ): SpeedContext {
    return {
      pipelines: this.pipelines,
      eventLog: this.log,
      hotStore: this.hot,
      storage: this.storage,
      settings: speedSettings.parse({ ...fastSettings, ...settings }),
      telemetry: silentTelemetry(),
      clock: systemClock,
      sqlDirectory: this.sqlDirectory,
      progress: this.progress,
      ...changes,
    }
  }

  /** Runs until the hot store has everything that is in the log, then ends with a last lake commit. */
  async runToEnd(
    changes: Partial<SpeedContext> = {},
    settings: Partial<SpeedSettings> = {},
  ): Promise<void> {
    const stop = new AbortController()
    const running = runSpeedLayer(this.context(changes, settings), stop.signal)
    const failed = running.then(
      () => false,
      () => true,
    )
    for (const { pipeline } of this.pipelines) {
      const { latest } = await this.log.bounds(pipeline.topic)
      await Promise.race([failed, this.reached(pipeline.name, latest)])
    }
    stop.abort()
    await running
  }

  /** Resolves when the pipeline has shown everything below these offsets. */
  async reached(pipeline: string, offsets: Offsets): Promise<void> {
    const isReached = () =>
      [...offsets].every(
        ([partition, offset]) =>
          (this.progress.of(pipeline).positions.get(partition) ?? 0n) >= offset,
      )
    await this.#until(isReached)
  }

  async #until(isTrue: () => boolean): Promise<void> {
    if (isTrue()) return
    await new Promise<void>((resolve) => {
      const stop = this.progress.onChange(() => {
        if (!isTrue()) return
        stop()
        resolve()
      })
    })
  }

  /** Resolves when a lake commit after this call has ended. */
  async committed(pipeline: string): Promise<void> {
    const before = this.progress.of(pipeline).lastCommit
    await this.#until(() => this.progress.of(pipeline).lastCommit !== before)
  }

  async lakeOffsets(pipeline: string, table: 'raw' | 'rejected' | 'curated'): Promise<Offsets> {
    return (await (await this.#table(pipeline, table)).refresh()).offsets
  }

  async lakeColumns(pipeline: string, table: 'curated'): Promise<readonly Column[]> {
    return (await (await this.#table(pipeline, table)).refresh()).columns
  }

  /** The rows of a lake table, ascending by partition and offset. */
  async lakeRows(pipeline: string, name: 'raw' | 'rejected' | 'curated'): Promise<RowOf[]> {
    const table = await this.#table(pipeline, name)
    const paths = await table.readablePaths((await table.refresh()).files)
    if (paths.length === 0) return []
    return await this.#read(paths)
  }

  /** The rows of the hot store, ascending by partition and offset. */
  async hotRows(pipeline: string, from: Offsets): Promise<RowOf[]> {
    const rows: RowOf[] = []
    for (const range of await this.hot.read(pipeline, from, { bytesMax: 1 << 26, waitMs: 0 })) {
      if (range.rowCount === 0) continue
      const text = splitTextRows(range.rows)
      if (text !== null) {
        rows.push(...(await this.#readText(pipeline, text)))
        continue
      }
      const path = join(this.directory, 'hot.parquet')
      writeFileSync(path, range.rows)
      rows.push(...(await this.#read([path])))
    }
    return rows
  }

  async #readText(pipelineName: string, text: { header: string; json: string }): Promise<RowOf[]> {
    const loaded = this.pipelines.find(({ pipeline }) => pipeline.name === pipelineName)
    const select = selectTextRows(text.header, loaded?.curatedColumns ?? [])
    const result = await this.database.session(async ({ connection }) => {
      const statement = await connection.prepare(select)
      statement.bindList(1, [text.json], LIST(VARCHAR))
      return await statement.run()
    })
    return (await result.getRowObjectsJS()) as RowOf[]
  }

  async #read(paths: readonly string[]): Promise<RowOf[]> {
    const result = await this.database.session((session) =>
      session.run(
        `SELECT * FROM read_parquet(${quoteList(paths)}, hive_partitioning = true, union_by_name = true) ` +
          'ORDER BY _partition, _offset',
      ),
    )
    return (await result.getRowObjectsJS()) as RowOf[]
  }

  async #table(pipelineName: string, name: 'raw' | 'rejected' | 'curated') {
    const loaded = this.pipelines.find(({ pipeline }) => pipeline.name === pipelineName)
    if (loaded === undefined) throw new Error(`No pipeline '${pipelineName}'.`)
    return await openLakeTable(this.storage, tablePaths(loaded.pipeline)[name], {
      pipeline: pipelineName,
      columns: [],
      partitionColumns:
        name === 'curated' ? loaded.pipeline.partitionBy.map((column) => column.name) : [],
      database: this.database,
      allowsOtherColumns: true,
    })
  }

  /** As after a crash of the process that kept it in memory. */
  loseHotStore(): void {
    this.hot = createMemoryHotStore({ bytesMax: 64 * 1024 * 1024 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { producer } of this.#producers.values()) await producer[Symbol.asyncDispose]()
    await this.log[Symbol.asyncDispose]()
    await this.hot[Symbol.asyncDispose]()
    await this.storage[Symbol.asyncDispose]()
    await this.database[Symbol.asyncDispose]()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** `partition/offset` of each row: what conservation is counted by. */
function coordinates(rows: readonly RowOf[]): string[] {
  return rows.map((row) => `${row['_partition']}/${row['_offset']}`).sort()
}

/** The line of an event that passes every check. */
export const good = (i: number) =>
  JSON.stringify({
    ts: `2026-01-0${1 + (i % 3)}T10:00:00Z`,
    host: `web-${i}`,
    status: 200,
    ratio: 0.5,
  })

/** Every record of the log is in raw, and in exactly one of curated and rejected. */
export async function expectConserved(speed: SpeedFixture, count: number): Promise<void> {
  const raw = coordinates(await speed.lakeRows('http', 'raw'))
  const curated = coordinates(await speed.lakeRows('http', 'curated'))
  const rejected = coordinates(await speed.lakeRows('http', 'rejected'))
  expect(raw).toHaveLength(count)
  expect(new Set(raw).size).toBe(count)
  expect(new Set([...curated, ...rejected])).toEqual(new Set(raw))
  expect(curated.length + rejected.length).toBe(count)
}

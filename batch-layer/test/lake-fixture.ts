/** A lake with one small pipeline, filled by tests in commits of their choosing. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Offsets, offsetOf } from '../../core/offsets.ts'
import type { LoadedPipeline } from '../../core/pipeline.ts'
import type { CompiledView } from '../../core/views/compiled-view.ts'
import type { SteadyClock } from '../../stores/clock.ts'
import { Database } from '../../stores/engine/duckdb.ts'
import { createDuckDbBatchEngine } from '../../stores/engine/duckdb-batch-engine.ts'
import { openLocalStorage } from '../../stores/lake/local.ts'
import { openPipelineTables, type PipelineTables } from '../../stores/lake/pipeline-tables.ts'
import { scanSql } from '../../stores/lake/scan.ts'
import { stageParquet } from '../../stores/lake/staging.ts'
import type { LakeTable } from '../../stores/lake/types.ts'
import { silentTelemetry } from '../../stores/telemetry.ts'
import { batchSettings } from '../config.ts'
import type { BatchContext } from '../context.ts'

export interface Row {
  readonly partition: number
  readonly host: string
  readonly bytes: number
  readonly day: string
}

export function trafficView(definitionHash = 'first', factor = 1): CompiledView {
  return {
    name: 'traffic_by_host',
    pipeline: 'traffic',
    description: 'Requests and bytes per host.',
    sql: '',
    definitionHash,
    partialColumns: [
      { name: 'g0', type: 'VARCHAR' },
      { name: '_part', type: 'INTEGER' },
      { name: '_bucket', type: 'INTEGER' },
      { name: 's0', type: 'BIGINT' },
      { name: 's1', type: 'DECIMAL(38,0)' },
    ],
    keyCount: 1,
    columns: [
      { name: 'host', type: 'VARCHAR' },
      { name: 'requests', type: 'BIGINT' },
      { name: 'bytes', type: 'DECIMAL(38,0)' },
    ],
    partialSql: (input) =>
      `SELECT host AS g0, 0::INTEGER AS _part, NULL::INTEGER AS _bucket, count(*) AS s0, (sum(bytes) * ${factor})::DECIMAL(38,0) AS s1 FROM ${input} GROUP BY ALL`,
    mergeSql: (input) =>
      `SELECT g0, _part, _bucket, sum(s0)::BIGINT AS s0, sum(s1)::DECIMAL(38,0) AS s1 FROM ${input} GROUP BY ALL`,
    finalizeSql: (input) =>
      `SELECT g0 AS host, s0 AS requests, s1 AS bytes FROM ${input} ORDER BY 1`,
  }
}

export function trafficPipeline(views: readonly CompiledView[] = [trafficView()]): LoadedPipeline {
  return {
    pipeline: {
      name: 'traffic',
      description: '',
      topic: 'traffic',
      partitions: 2,
      format: { kind: 'json' },
      schema: [],
      eventTime: null,
      checks: [],
      references: [],
      table: 'hits',
      curatedSql: '',
      partitionBy: [{ name: 'dt', sql: '' }],
      views: [],
    },
    curatedColumns: [
      { name: 'host', type: 'VARCHAR' },
      { name: 'bytes', type: 'BIGINT' },
      { name: 'dt', type: 'VARCHAR' },
      { name: '_partition', type: 'INTEGER' },
      { name: '_offset', type: 'BIGINT' },
    ],
    views,
  }
}

/** A clock that stands still until a test moves it, and when somebody sleeps. */
export function handClock(startMs = 1_000_000) {
  let nowMs = startMs
  let elapsedMs = 0
  const pass = (ms: number) => {
    nowMs += ms
    elapsedMs += ms
  }
  const clock: SteadyClock = {
    now: () => nowMs,
    elapsed: () => elapsedMs,
    sleep: async (ms) => pass(ms),
  }
  return {
    clock,
    pass,
    /** As somebody who sets the date forward, or back by a negative number. */
    set: (byMs: number) => {
      nowMs += byMs
    },
  }
}

export interface LakeFixture extends AsyncDisposable {
  readonly context: BatchContext
  readonly tables: PipelineTables
  /** Commits rows after those already there, one offset each. */
  append(rows: readonly Row[]): Promise<void>
  /** The view's rows from the published partials. */
  answer(view?: CompiledView): Promise<unknown[]>
  /** The same from the curated rows below the published offsets, computed directly. */
  direct(): Promise<unknown[]>
  rows(table: LakeTable): Promise<unknown[]>
}

export async function openLakeFixture(overrides: Partial<BatchContext> = {}): Promise<LakeFixture> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-batch-'))
  const database = await Database.open({ threads: 1, memoryBytesMax: 512 * 1024 * 1024 })
  const storage = await openLocalStorage({ root: join(root, 'lake') })
  const loaded = overrides.pipelines?.[0] ?? trafficPipeline()
  const clock = overrides.clock ?? handClock().clock
  const tables = await openPipelineTables(storage, loaded, { database, clock })
  const context: BatchContext = {
    pipelines: [loaded],
    storage,
    tablesOf: () => Promise.resolve(tables),
    engine: createDuckDbBatchEngine({ database, storage }),
    database,
    lockDirectory: join(root, 'locks'),
    settings: batchSettings.parse({ compactionFilesMin: 3 }),
    telemetry: silentTelemetry(),
    clock,
    ...overrides,
  }
  const jsonRows = (sql: string) =>
    database.session(async (session) => (await session.run(sql)).getRowsJson())
  const scan = async (table: LakeTable, columns: LoadedPipeline['curatedColumns']) => {
    const { files, partitionColumns } = await table.refresh()
    return scanSql(await table.readablePaths(files), { columns, partitionColumns })
  }
  return {
    context,
    tables,
    append: (rows) => appendRows(context, loaded, tables.curated, rows),
    answer: async (view = loaded.views[0] as CompiledView) => {
      const partials = await scan(await tables.view(view), view.partialColumns)
      return await jsonRows(view.finalizeSql(`(${view.mergeSql(`(${partials})`)})`))
    },
    direct: async () => {
      const curated = await scan(tables.curated, loaded.curatedColumns)
      return await jsonRows(
        `SELECT host, count(*) AS requests, sum(bytes)::DECIMAL(38,0) AS bytes FROM (${curated}) GROUP BY host ORDER BY 1`,
      )
    },
    rows: async (table) =>
      await jsonRows(
        `FROM (${await scan(table, loaded.curatedColumns)}) ORDER BY _partition, _offset`,
      ),
    [Symbol.asyncDispose]: async () => {
      await context.engine[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
      await rm(root, { recursive: true, force: true })
    },
  }
}

async function appendRows(
  { database, storage }: BatchContext,
  loaded: LoadedPipeline,
  table: LakeTable,
  rows: readonly Row[],
): Promise<void> {
  const from = (await table.refresh()).offsets
  const next = new Map(from)
  const values = rows.map(({ partition, host, bytes, day }) => {
    const offset = offsetOf(next, partition)
    next.set(partition, offset + 1n)
    return `('${host}', ${bytes}, '${day}', ${partition}, ${offset})`
  })
  const partitions = new Set(rows.map(({ partition }) => partition))
  const within = (offsets: Offsets) =>
    new Map([...partitions].map((partition) => [partition, offsetOf(offsets, partition)]))
  const files = await database.session((session) =>
    stageParquet(session, storage, table.path, {
      select: `FROM (VALUES ${values.join(', ')}) AS v(host, bytes, dt, _partition, _offset)`,
      columns: loaded.curatedColumns,
      partitionColumns: ['dt'],
    }),
  )
  const outcome = await table.append({
    files,
    from: within(from),
    until: within(next),
    operation: 'WRITE',
  })
  if (outcome.kind !== 'committed') throw new Error('The rows were not committed.')
}

/** A mirror over a few tables, for tests of what is built on mirrors. */
import type { LoadedPipeline } from '../../../core/pipeline.ts'
import { systemClock } from '../../../stores/clock.ts'
import { Database } from '../../../stores/engine/duckdb.ts'
import { silentTelemetry } from '../../../stores/telemetry.ts'
import { servingSettings } from '../../config.ts'
import {
  type CatalogObject,
  type Mirror,
  modes,
  type PipelineStatus,
  schemaOfMode,
} from '../../mirror/contract.ts'
import { QueryService } from '../../query/query-service.ts'
import { querySignals } from '../../telemetry.ts'

const logsColumns = [
  { name: 'ts', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: 'host', type: 'VARCHAR' },
  { name: 'status', type: 'INTEGER' },
  { name: 'bytes', type: 'BIGINT' },
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
]

const objects: readonly CatalogObject[] = [
  {
    name: 'logs',
    kind: 'table',
    pipeline: 'http_logs',
    description: 'Requests.',
    columns: logsColumns,
    keys: ['_partition', '_offset'],
  },
  {
    name: 'status_counts',
    kind: 'view',
    pipeline: 'http_logs',
    description: 'Requests by status.',
    columns: [
      { name: 'status', type: 'INTEGER' },
      { name: 'requests', type: 'BIGINT' },
      { name: 'bytes', type: 'DECIMAL(38,0)' },
    ],
    keys: ['status'],
  },
  {
    name: 'all_types',
    kind: 'view',
    pipeline: 'http_logs',
    description: 'A column of each type.',
    columns: [
      { name: 'flag', type: 'BOOLEAN' },
      { name: 'small', type: 'SMALLINT' },
      { name: 'big', type: 'BIGINT' },
      { name: 'huge', type: 'HUGEINT' },
      { name: 'total', type: 'DECIMAL(38,0)' },
      { name: 'price', type: 'DECIMAL(10,2)' },
      { name: 'ratio', type: 'DOUBLE' },
      { name: 'at', type: 'TIMESTAMP WITH TIME ZONE' },
      { name: 'at_local', type: 'TIMESTAMP' },
      { name: 'day', type: 'DATE' },
      { name: 'bytes', type: 'BLOB' },
      { name: 'tags', type: 'VARCHAR[]' },
      { name: 'place', type: 'STRUCT("x" INTEGER, "y" BIGINT)' },
      { name: 'counts', type: 'MAP(VARCHAR, BIGINT)' },
      { name: 'odd name', type: 'VARCHAR' },
    ],
    keys: [],
  },
]

const allTypesSql = `
  SELECT true AS flag, 7::SMALLINT AS small, 9007199254740993::BIGINT AS big,
         170141183460469231731687303715884105727::HUGEINT AS huge,
         99999999999999999999999999999999999999::DECIMAL(38,0) AS total, 12.30::DECIMAL(10,2) AS price,
         0.5::DOUBLE AS ratio, TIMESTAMPTZ '2026-01-02 03:04:05.000006+00' AS at,
         TIMESTAMP '1969-12-31 23:59:59.999999' AS at_local, DATE '2026-01-02' AS day,
         'ab\\xFF'::BLOB AS bytes, ['a', NULL] AS tags, {'x': 1, 'y': 9007199254740993} AS place,
         MAP {'k': 2::BIGINT} AS counts, 'odd' AS "odd name"
  UNION ALL
  SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`

export class FakeMirror implements Mirror, AsyncDisposable {
  readonly database: Database
  readonly objects = objects
  // Only the names are ever read.
  readonly pipelines = [
    { pipeline: { name: 'http_logs', table: 'logs' } },
  ] as unknown as LoadedPipeline[]
  isReady = true
  readonly #listeners = new Set<() => void>()

  private constructor(database: Database) {
    this.database = database
  }

  static async open(): Promise<FakeMirror> {
    const database = await Database.open({ threads: 1, memoryBytesMax: 256 * 1024 * 1024 })
    await database.run(`CREATE TABLE hidden (secret VARCHAR)`)
    await database.run(`CREATE TABLE rows (ts TIMESTAMPTZ, host VARCHAR, status INTEGER,
      bytes BIGINT, _partition INTEGER, _offset BIGINT)`)
    await database.run('CREATE TABLE edge AS SELECT 2::BIGINT AS lake')
    for (const mode of modes) {
      const schema = `"${schemaOfMode[mode]}"`
      const where = {
        merged: 'true',
        batch: '_offset < 2',
        realtime: '_offset >= (SELECT lake FROM main.edge)',
      }[mode]
      await database.run(`CREATE SCHEMA ${schema}`)
      await database.run(`CREATE VIEW ${schema}.logs AS SELECT * FROM main.rows WHERE ${where}`)
      await database.run(
        `CREATE VIEW ${schema}.status_counts AS SELECT status, count(*) AS requests,
           sum(bytes)::DECIMAL(38,0) AS bytes FROM ${schema}.logs GROUP BY status`,
      )
      await database.run(`CREATE VIEW ${schema}.all_types AS ${allTypesSql}`)
    }
    const mirror = new FakeMirror(database)
    await mirror.add([
      { host: 'a', status: 200, bytes: 10n },
      { host: 'b', status: 500, bytes: 20n },
      { host: 'a', status: 200, bytes: 9007199254740993n },
    ])
    return mirror
  }

  /** Adds rows to partition 0 in one transaction and tells the listeners. */
  async add(rows: readonly { host: string; status: number; bytes: bigint }[]): Promise<void> {
    await this.database.transaction(async (session) => {
      for (const { host, status, bytes } of rows) {
        await session.run(
          `INSERT INTO main.rows SELECT to_timestamp(1767225600 + n), $1, $2, $3, 0, n
           FROM (SELECT count(*) AS n FROM main.rows)`,
          [host, status, bytes],
        )
      }
    })
    for (const listener of this.#listeners) listener()
  }

  /** How often coverage was read. */
  coverageCount = 0

  coverageIn: Mirror['coverageIn'] = async (session, pipeline, { mode, view }) => {
    this.coverageCount += 1
    const [row] = await session.rows<{ next: bigint; lake: bigint }>(
      'SELECT coalesce(max(_offset) + 1, 0) AS next, any_value(lake) AS lake FROM main.rows, main.edge',
    )
    return {
      pipeline,
      mode,
      batch: new Map([[0, 2n]]),
      lake: new Map([[0, row?.lake ?? 0n]]),
      realtime: new Map([[0, row?.next ?? 0n]]),
      freshnessMs: 12,
      batchAgeMs: null,
      ...(view === undefined ? {} : { view }),
    }
  }

  onChange(_pipeline: string, listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listenerCount(): number {
    return this.#listeners.size
  }

  /** The rows below `offset` move to the lake: `realtime` has them no more. */
  async moveLake(offset: bigint): Promise<void> {
    await this.database.run('UPDATE main.edge SET lake = $1', [offset])
    for (const listener of this.#listeners) listener()
  }

  status(): PipelineStatus[] {
    return [
      {
        name: 'http_logs',
        topic: 'logs_raw',
        log: new Map([[0, 5n]]),
        realtime: new Map([[0, 3n]]),
        lake: new Map([[0, 2n]]),
        batch: new Map([['status_counts', new Map([[0, 2n]])]]),
        lagRecords: 2n,
        freshnessMs: 12,
        batchAgeMs: null,
        rejectedCount: 1n,
      },
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database[Symbol.asyncDispose]()
  }
}

/** A query service over a mirror, with settings changed as given. */
export async function queryServiceOver(
  mirror: Mirror,
  settings: Partial<ReturnType<typeof servingSettings.parse>> = {},
): Promise<QueryService> {
  return await QueryService.create({
    mirror,
    settings: { ...servingSettings.parse({}), ...settings },
    signals: querySignals(silentTelemetry()),
    clock: systemClock,
  })
}

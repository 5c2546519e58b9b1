/**
 * The mirror: everything that queries read, in one in-memory DuckDB database, kept up to date from the
 * hot store, the lake and the published views of every pipeline.
 */
import { MillraceError } from '../../core/errors.ts'
import {
  minOffsets,
  noOffsets,
  type Offsets,
  offsetsBetween,
  offsetsFromJson,
} from '../../core/offsets.ts'
import type { LoadedPipeline } from '../../core/pipeline.ts'
import { quoteLiteral } from '../../core/sql.ts'
import type { Clock } from '../../stores/clock.ts'
import { Database, type Session } from '../../stores/engine/duckdb.ts'
import type { EventLog } from '../../stores/event-log/port.ts'
import type { HotStore } from '../../stores/hot-store/port.ts'
import { openPipelineTables } from '../../stores/lake/pipeline-tables.ts'
import type { LakeStorage } from '../../stores/lake/storage.ts'
import { openScratch } from '../../stores/scratch.ts'
import { catalogObjects } from '../catalog.ts'
import type { ServingSettings } from '../config.ts'
import type { MirrorSignals } from '../telemetry.ts'
import type { CatalogObject, Coverage, Mirror, Mode, PipelineStatus } from './contract.ts'
import { followPipeline } from './follow.ts'
import { PipelineMirror } from './pipeline-mirror.ts'
import {
  objectCoverage,
  pipelineCoverage,
  pipelineTablesSql,
  sharedTablesSql,
} from './relations.ts'

export interface MirrorContext {
  readonly pipelines: readonly LoadedPipeline[]
  readonly eventLog: EventLog
  readonly hotStore: HotStore
  readonly storage: LakeStorage
  readonly settings: ServingSettings
  readonly signals: MirrorSignals
  readonly clock: Clock
  /** SQL that the views need, e.g. the pipelines' macros. */
  readonly setupSql?: readonly string[]
}

interface MirrorParts {
  readonly database: Database
  readonly resources: AsyncDisposableStack
  readonly mirrors: readonly PipelineMirror[]
}

/** How often the event log is asked for its end, for lag. */
const logPollIntervalMs = 1_000

export class DuckDbMirror implements Mirror, AsyncDisposable {
  readonly database: Database
  readonly objects: readonly CatalogObject[]
  readonly pipelines: readonly LoadedPipeline[]
  readonly #context: MirrorContext
  /** The database and its scratch folder. */
  readonly #resources: AsyncDisposableStack
  readonly #mirrors: readonly PipelineMirror[]
  readonly #listeners = new Map<string, Set<() => void>>()
  readonly #logEnds = new Map<string, Offsets>()
  readonly #stop = new AbortController()
  #loops: Promise<unknown> = Promise.resolve()
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(context: MirrorContext, { database, resources, mirrors }: MirrorParts) {
    this.#context = context
    this.database = database
    this.#resources = resources
    this.#mirrors = mirrors
    this.pipelines = context.pipelines
    this.objects = catalogObjects(context.pipelines)
  }

  /** Loads the lake and starts following. Dispose it to stop. */
  static async open(context: MirrorContext): Promise<DuckDbMirror> {
    const { settings } = context
    await using opened = new AsyncDisposableStack()
    const scratch = opened.use(await openScratch())
    const database = opened.use(
      await Database.open({
        threads: settings.threads,
        memoryBytesMax: settings.memoryBytesMax,
        setupSql: [
          ...(context.setupSql ?? []),
          ...sharedTablesSql,
          ...context.pipelines.flatMap(pipelineTablesSql),
        ],
      }),
    )
    const mirrors: PipelineMirror[] = []
    for (const loaded of context.pipelines) {
      mirrors.push(
        await PipelineMirror.open({
          database,
          loaded,
          tables: await openPipelineTables(context.storage, loaded, { database }),
          scratchDirectory: scratch.directory,
          tailSegmentsMax: settings.tailSegmentsMax,
        }),
      )
    }
    const mirror = new DuckDbMirror(context, { database, resources: opened.move(), mirrors })
    // Known before the first hot rows come, so that those of a backlog are left to the lake.
    await mirror.#readLogEnds()
    mirror.#follow()
    return mirror
  }

  /** A pipeline that cannot be followed for a while still answers, exactly, at the offsets it states. */
  get isReady(): boolean {
    return !this.#stop.signal.aborted
  }

  onChange(pipeline: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(pipeline) ?? new Set()
    this.#listeners.set(pipeline, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  async coverageIn(
    session: Session,
    pipeline: string,
    { mode, view }: { readonly mode: Mode; readonly view?: string },
  ): Promise<Coverage> {
    const name = quoteLiteral(pipeline)
    const [row] = await session.rows<CoverageRow>(
      `SELECT lake, realtime, newest_ms FROM ${pipelineCoverage} WHERE pipeline = ${name}`,
    )
    if (row === undefined) {
      throw new MillraceError('OBJECT_UNKNOWN', `There is no pipeline '${pipeline}'.`)
    }
    const objects = await session.rows<ObjectRow>(
      `SELECT object, offsets, published_ms FROM ${objectCoverage} WHERE pipeline = ${name}`,
    )
    const now = this.#context.clock.now()
    const published = this.#published(pipeline, objects, view)
    const isLakeOnly = view?.endsWith('_rejected') === true || view?.endsWith('_raw') === true
    const own = isLakeOnly ? published.offsets : undefined
    return {
      pipeline,
      mode,
      batch: published.offsets,
      lake: own ?? parseOffsets(row.lake),
      realtime: own ?? parseOffsets(row.realtime),
      freshnessMs: row.newest_ms === null ? null : Math.max(0, now - row.newest_ms),
      batchAgeMs: published.publishedMs === null ? null : Math.max(0, now - published.publishedMs),
      ...(view === undefined ? {} : { view }),
    }
  }

  status(): readonly PipelineStatus[] {
    return this.#mirrors.map((mirror) => this.#statusOf(mirror))
  }

  /** Ends following, waits for the change in work and closes the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#loops
    await this.#queue
    await this.#resources.disposeAsync()
  }

  #follow(): void {
    const { hotStore, settings, clock, signals } = this.#context
    const { signal } = this.#stop
    const loops = this.#mirrors.map((mirror) =>
      followPipeline(
        {
          mirror,
          hotStore,
          settings,
          clock,
          exclusively: (change) => this.#exclusively(change),
          logEnds: () => this.#logEnds.get(mirror.name) ?? noOffsets,
          onChange: () => {
            signals.applied(this.#statusOf(mirror))
            for (const listener of this.#listeners.get(mirror.name) ?? []) listener()
          },
          onFailure: (error) => {
            if (signal.aborted) return
            signals.followFailed(mirror.name, error)
          },
        },
        signal,
      ),
    )
    this.#loops = Promise.all([...loops, this.#followLogEnds(signal)])
  }

  async #followLogEnds(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#context.clock.sleep(logPollIntervalMs, signal)
      await this.#readLogEnds()
    }
  }

  async #readLogEnds(): Promise<void> {
    for (const { pipeline } of this.pipelines) {
      // No answer depends on it: a log that cannot be asked leaves the last known end in place.
      const bounds = await this.#context.eventLog.bounds(pipeline.topic).catch(() => null)
      if (bounds !== null) this.#logEnds.set(pipeline.name, bounds.latest)
    }
  }

  async #exclusively<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(change)
    this.#queue = turn.catch(() => {})
    return await turn
  }

  #published(pipeline: string, rows: readonly ObjectRow[], object: string | undefined): Published {
    if (object !== undefined) {
      const row = rows.find((each) => each.object === object)
      return row === undefined ? neverPublished : publishedOf(row)
    }
    const views = this.pipelines.find((each) => each.pipeline.name === pipeline)?.views ?? []
    const parts = views.map(({ name }) => this.#published(pipeline, rows, name))
    return parts.reduce(olderOf, parts[0] ?? neverPublished)
  }

  #statusOf(mirror: PipelineMirror): PipelineStatus {
    const { lake, realtime, newestMs } = mirror.visible
    const now = this.#context.clock.now()
    const log = this.#logEnds.get(mirror.name) ?? noOffsets
    const published = mirror.views.map((view) => view.publishedMs)
    const oldest = published.includes(null) ? null : Math.min(...(published as number[]))
    return {
      name: mirror.name,
      topic: mirror.loaded.pipeline.topic,
      log,
      realtime,
      lake,
      batch: new Map(mirror.views.map((view) => [view.view.name, view.batch])),
      lagRecords: offsetsBetween(realtime, log),
      freshnessMs: newestMs === null ? null : Math.max(0, now - newestMs),
      batchAgeMs: oldest === null || published.length === 0 ? null : Math.max(0, now - oldest),
      rejectedCount: mirror.rejectedCount,
    }
  }
}

interface CoverageRow {
  readonly lake: string
  readonly realtime: string
  readonly newest_ms: number | null
}

interface ObjectRow {
  readonly object: string
  readonly offsets: string
  readonly published_ms: number
}

interface Published {
  readonly offsets: Offsets
  readonly publishedMs: number | null
}

const neverPublished: Published = { offsets: noOffsets, publishedMs: null }

function publishedOf({ offsets, published_ms }: ObjectRow): Published {
  return { offsets: parseOffsets(offsets), publishedMs: published_ms }
}

/** What both parts cover. */
function olderOf(left: Published, right: Published): Published {
  const offsets = minOffsets(left.offsets, right.offsets)
  if (left.publishedMs === null || right.publishedMs === null) return { offsets, publishedMs: null }
  return { offsets, publishedMs: Math.min(left.publishedMs, right.publishedMs) }
}

function parseOffsets(json: string): Offsets {
  return offsetsFromJson(JSON.parse(json) as Record<string, string>)
}

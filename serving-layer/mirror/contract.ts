/**
 * What the query service, GraphQL and HTTP need of the mirror, and nothing more: one DuckDB database
 * whose schemas `default` (merged), `batch` and `realtime` hold one view per catalog object.
 */
import type { Offsets } from '../../core/offsets.ts'
import type { LoadedPipeline } from '../../core/pipeline.ts'
import type { Column } from '../../core/sql.ts'
import type { Database, Session } from '../../stores/engine/duckdb.ts'

export const modes = ['merged', 'batch', 'realtime'] as const

/** Which part of the data a query sees when it names no database. */
export type Mode = (typeof modes)[number]

/** The DuckDB schema, and the database that clients see, of each mode. */
export const schemaOfMode = {
  merged: 'default',
  batch: 'batch',
  realtime: 'realtime',
} as const satisfies Record<Mode, string>

/** What an answer states about itself. Every record below the offsets is in, none above. */
export interface Coverage {
  readonly pipeline: string
  readonly mode: Mode
  /** Covered by the published batch view; of several views, by all of them. */
  readonly batch: Offsets
  readonly lake: Offsets
  readonly realtime: Offsets
  /** ms since the newest visible record was logged; null when there is none. */
  readonly freshnessMs: number | null
  /** ms since the batch view was published; null when it never was. */
  readonly batchAgeMs: number | null
  /** The view that the batch offsets belong to, when the question was about one. */
  readonly view?: string
}

/** A view or table of the catalog; it exists under the same name in each of the three schemas. */
export interface CatalogObject {
  readonly name: string
  readonly kind: 'view' | 'table'
  readonly pipeline: string
  readonly description: string
  readonly columns: readonly Column[]
  /** Group key columns of a view, coordinate columns of a table: stable order and identity of a row. */
  readonly keys: readonly string[]
}

export interface PipelineStatus {
  readonly name: string
  readonly topic: string
  /** Next offsets of the event log, as far as they are known. */
  readonly log: Offsets
  /** Next offsets visible in merged answers. */
  readonly realtime: Offsets
  readonly lake: Offsets
  /** Per view the offsets that its published batch covers. */
  readonly batch: ReadonlyMap<string, Offsets>
  /** Offsets of the log that are not visible yet. */
  readonly lagRecords: bigint
  readonly freshnessMs: number | null
  readonly batchAgeMs: number | null
  readonly rejectedCount: bigint
}

export interface Mirror {
  readonly database: Database
  readonly objects: readonly CatalogObject[]
  readonly pipelines: readonly LoadedPipeline[]
  /**
   * Reads the coverage rows inside the caller's transaction, so that the answer belongs to exactly
   * the rows that the transaction sees.
   */
  coverageIn(
    session: Session,
    pipeline: string,
    options: { readonly mode: Mode; readonly view?: string },
  ): Promise<Coverage>
  /** `listener` is called after each applied change of the pipeline. Returns how to unsubscribe. */
  onChange(pipeline: string, listener: () => void): () => void
  /** The data of every pipeline is loaded and is being followed. */
  readonly isReady: boolean
  /** One entry per pipeline, from memory: cheap enough to be asked every second. */
  status(): readonly PipelineStatus[]
}

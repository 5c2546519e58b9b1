/** What a batch works with, handed in by `main.ts` or the command line. */
import type { Offsets } from '../core/offsets.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import type { SteadyClock } from '../stores/clock.ts'
import type { Database } from '../stores/engine/duckdb.ts'
import type { BatchEngine } from '../stores/engine/port.ts'
import type { PipelineTables } from '../stores/lake/pipeline-tables.ts'
import type { LakeStorage } from '../stores/lake/storage.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import type { BatchSettings } from './config.ts'

export interface BatchContext {
  readonly pipelines: readonly LoadedPipeline[]
  readonly storage: LakeStorage
  /** The lake tables of a pipeline; opened once and kept. */
  readonly tablesOf: (loaded: LoadedPipeline) => Promise<PipelineTables>
  readonly engine: BatchEngine
  /** Merges small files. */
  readonly database: Database
  /** Where the lock that keeps batches of one data directory apart lies. */
  readonly lockDirectory: string
  readonly settings: BatchSettings
  readonly telemetry: Telemetry
  readonly clock: SteadyClock
  /** Told after each step of the write path; a test that throws here is a crash at that point. */
  readonly afterStep?: (step: BatchStep) => void
}

/** The write path of one view, in order; `published` is its commit point. */
export type BatchStep = 'planned' | 'recomputed' | 'published'

export interface BatchOptions {
  /** Only this pipeline. */
  readonly pipeline?: string
  /** Only this view. */
  readonly view?: string
  /** Recompute from all rows whatever the plan says. */
  readonly isFull?: boolean
  readonly signal?: AbortSignal
  /** Called before each view and once at the end, when `done` is `total`. */
  readonly onProgress?: (progress: BatchProgress) => void
}

export interface BatchProgress {
  readonly done: number
  readonly total: number
  /** What comes next: `http_logs.kpi_by_host`; empty at the end. */
  readonly next: string
}

export type ViewOutcome =
  | { readonly kind: 'current' }
  /** Another batch published first. */
  | { readonly kind: 'superseded' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | {
      readonly kind: 'published'
      readonly how: 'incremental' | 'full'
      readonly offsets: Offsets
      readonly rowCount: number
      readonly hasDiverged: boolean
    }

export interface BatchReport {
  readonly views: readonly {
    readonly pipeline: string
    readonly view: string
    readonly outcome: ViewOutcome
  }[]
  readonly durationMs: number
}

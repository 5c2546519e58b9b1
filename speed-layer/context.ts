/** What the speed layer works with, handed in by `main.ts` or the command line. */
import type { LoadedPipeline } from '../core/pipeline.ts'
import type { SteadyClock } from '../stores/clock.ts'
import type { EventLog } from '../stores/event-log/port.ts'
import type { HotStore } from '../stores/hot-store/port.ts'
import type { LakeStorage } from '../stores/lake/storage.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import type { SpeedSettings } from './config.ts'
import type { LakeCommitStep } from './lake-commit.ts'
import type { SpeedProgress } from './progress.ts'

export interface SpeedContext {
  readonly pipelines: readonly LoadedPipeline[]
  readonly eventLog: EventLog
  readonly hotStore: HotStore
  readonly storage: LakeStorage
  readonly settings: SpeedSettings
  readonly telemetry: Telemetry
  readonly clock: SteadyClock
  /** The folder of the pipelines, for their reference tables and macros; `sql` when absent. */
  readonly sqlDirectory?: string
  /** Kept up to date while the layer runs. */
  readonly progress?: SpeedProgress
  /** Told after each lake commit of a pipeline. */
  readonly onCommit?: (pipeline: string) => void
  /** Told after each step of the write path; a test that throws here is a crash at that point. */
  readonly afterStep?: (pipeline: string, step: SpeedStep) => void
}

/** The steps of a micro-batch, then those of a lake commit. */
export type SpeedStep = 'parsed' | 'enriched' | 'hot_appended' | LakeCommitStep

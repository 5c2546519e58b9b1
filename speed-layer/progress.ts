/** What the speed layer has done so far, for a status display: read it whenever you like. */
import { noOffsets, type Offsets } from '../core/offsets.ts'

export interface PipelineProgress {
  readonly pipeline: string
  /** Records taken from the log since the process started. */
  readonly records: number
  /** Of these, records that became rows, and records that were rejected: known when the lake gets them. */
  readonly rows: number
  readonly rejected: number
  /** Next offsets to read; everything below is visible. */
  readonly positions: Offsets
  /** The log's next offsets when it was last asked. */
  readonly latest: Offsets
  /** Epoch ms of the newest record processed; 0 before the first. */
  readonly recordTimestampMs: number
  readonly lastCommit: {
    readonly atMs: number
    readonly durationMs: number
    readonly records: number
  } | null
  /** Why the pipeline is not moving; null when it is. */
  readonly failure: string | null
}

/** One per process; `onChange` hears of each micro-batch and commit. */
export class SpeedProgress {
  readonly #pipelines = new Map<string, PipelineProgress>()
  readonly #listeners = new Set<(progress: PipelineProgress) => void>()

  of(pipeline: string): PipelineProgress {
    return this.#pipelines.get(pipeline) ?? fresh(pipeline)
  }

  all(): readonly PipelineProgress[] {
    return [...this.#pipelines.values()]
  }

  /** @returns a function that ends the listening. */
  onChange(listener: (progress: PipelineProgress) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  update(pipeline: string, change: (old: PipelineProgress) => Partial<PipelineProgress>): void {
    const old = this.of(pipeline)
    const progress = { ...old, ...change(old) }
    this.#pipelines.set(pipeline, progress)
    for (const listener of this.#listeners) listener(progress)
  }
}

function fresh(pipeline: string): PipelineProgress {
  return {
    pipeline,
    records: 0,
    rows: 0,
    rejected: 0,
    positions: noOffsets,
    latest: noOffsets,
    recordTimestampMs: 0,
    lastCommit: null,
    failure: null,
  }
}

/**
 * The loop that keeps one pipeline's mirror up with the hot store, the lake and the published views.
 * A failure leaves the mirror as it was: answers stay exact at the offsets they state, only older.
 */
import { maxOffsets, type Offsets, offsetsBetween } from '../../core/offsets.ts'
import type { Clock } from '../../stores/clock.ts'
import type { HotRange, HotStore } from '../../stores/hot-store/port.ts'
import type { PipelineMirror } from './pipeline-mirror.ts'

export interface FollowSettings {
  /** How often the lake and the published views are looked at, and so the longest wait for hot rows. */
  readonly lakePollIntervalMs: number
  /** Bytes of the hot store that are read at once; two reads are applied in one transaction. */
  readonly hotReadBytesMax: number
  /** How long ranges that follow closely on the first are waited for. */
  readonly hotGatherMs: number
  /** Beyond this many offsets ahead of the lake no further hot rows are taken until the lake follows. */
  readonly recentOffsetsMax: number
  /**
   * While the hot store is this many offsets behind the log its rows are left to the next lake commit:
   * nobody waits for single rows of a backlog, and taking each of them twice would make it last longer.
   */
  readonly backlogOffsetsMin: number
}

interface FollowContext {
  readonly mirror: PipelineMirror
  readonly hotStore: HotStore
  readonly settings: FollowSettings
  readonly clock: Clock
  /** One change at a time over all pipelines of a mirror: they share a DuckDB catalog. */
  readonly exclusively: <T>(change: () => Promise<T>) => Promise<T>
  /** Where the event log ends, as far as it is known. */
  readonly logEnds: () => Offsets
  readonly onChange: () => void
  readonly onFailure: (error: unknown) => void
}

const retryDelayMs = 500

export async function followPipeline(context: FollowContext, signal: AbortSignal): Promise<void> {
  let lookAgainMs = 0
  while (!signal.aborted) {
    let isDone = await succeeds(context, () => applyHotRows(context, signal))
    const now = context.clock.now()
    // A clock that was set back must not stop the looking.
    if (now >= lookAgainMs || lookAgainMs - now > context.settings.lakePollIntervalMs) {
      // After a failure too: the lake brings the rows as well, and gives the memory of recent ones back.
      const isLakeRead = await succeeds(context, () => applyLakeAndBatch(context))
      if (isLakeRead) lookAgainMs = now + context.settings.lakePollIntervalMs
      isDone &&= isLakeRead
    }
    if (!isDone) await context.clock.sleep(retryDelayMs, signal)
  }
}

async function succeeds(context: FollowContext, work: () => Promise<void>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    context.onFailure(error)
    return false
  }
}

async function applyHotRows(context: FollowContext, signal: AbortSignal): Promise<void> {
  const { mirror, settings, exclusively, onChange, clock } = context
  if (isFarAhead(mirror, settings.recentOffsetsMax) || (await hasBacklog(context))) {
    await clock.sleep(settings.lakePollIntervalMs, signal)
    return
  }
  const ranges = await readHotRanges(context, signal)
  if (ranges.length === 0 || signal.aborted) return
  await exclusively(() => mirror.applyHot(ranges))
  onChange()
}

/**
 * The ranges of a micro-batch come one after the other, one for each partition: after the first, the
 * others are waited for, since applying them together costs little more than applying one.
 */
async function readHotRanges(
  { mirror, hotStore, settings, clock }: FollowContext,
  signal: AbortSignal,
): Promise<HotRange[]> {
  const { hotReadBytesMax: bytesMax, lakePollIntervalMs: waitMs } = settings
  const first = await hotStore.read(mirror.name, mirror.positions, { bytesMax, waitMs, signal })
  if (first.length === 0) return first
  await clock.sleep(settings.hotGatherMs, signal)
  const ends = first.map(({ partition, until }) => new Map([[partition, until]]))
  const positions = ends.reduce<Offsets>(maxOffsets, mirror.positions)
  const others = await hotStore.read(mirror.name, positions, { bytesMax, waitMs: 0, signal })
  return [...first, ...others]
}

async function applyLakeAndBatch({ mirror, exclusively, onChange }: FollowContext): Promise<void> {
  const isLakeNew = await exclusively(() => mirror.applyLake())
  const isBatchNew = await exclusively(() => mirror.applyBatch())
  if (isLakeNew || isBatchNew) onChange()
}

function isFarAhead({ visible }: PipelineMirror, recentOffsetsMax: number): boolean {
  return offsetsBetween(visible.lake, visible.realtime) > BigInt(recentOffsetsMax)
}

async function hasBacklog({
  mirror,
  hotStore,
  settings,
  logEnds,
}: FollowContext): Promise<boolean> {
  const log = logEnds()
  // Without the first look at the log nothing is known of a backlog.
  if (log.size === 0) return false
  const ends = maxOffsets(await hotStore.ends(mirror.name), mirror.visible.lake)
  return offsetsBetween(ends, log) >= BigInt(settings.backlogOffsetsMin)
}

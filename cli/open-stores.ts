/** Opens the embedded adapters under the data directory, each at its first use. */
import { MillraceError } from '../core/errors.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { systemClock } from '../stores/clock.ts'
import { openEmbeddedEventLog } from '../stores/event-log/embedded.ts'
import type { EventLog } from '../stores/event-log/port.ts'
import { createMemoryHotStore } from '../stores/hot-store/memory.ts'
import type { HotStore } from '../stores/hot-store/port.ts'
import { openLocalStorage } from '../stores/lake/local.ts'
import type { LakeStorage } from '../stores/lake/storage.ts'
import { loadPipelines } from '../stores/pipelines.ts'
import { acquireProcessLock } from '../stores/process-lock.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import { dataPlaces } from './data-places.ts'
import type { Settings } from './settings.ts'

export interface Stores {
  readonly eventLog: EventLog
  readonly hotStore: HotStore
  readonly storage: LakeStorage
}

/** What every layer is opened with, besides the stores that it works on. */
export interface LayerParts {
  readonly settings: Settings
  readonly pipelines: readonly LoadedPipeline[]
  readonly telemetry: Telemetry
}

/** Opens what several layers share; `stack` closes it again, last opened first. */
export async function openStores(settings: Settings, stack: AsyncDisposableStack): Promise<Stores> {
  const places = dataPlaces(settings.dataDirectory)
  const eventLog = stack.use(
    await openEmbeddedEventLog({
      directory: places.eventLog,
      clock: systemClock,
      ...settings.eventLog,
    }),
  )
  const storage = stack.use(await openLocalStorage({ root: places.lake }))
  const hotStore = stack.use(createMemoryHotStore(settings.hotStore))
  return { eventLog, storage, hotStore }
}

/** The pipelines of the settings' folder, all or those named as `a,b`. */
export async function openPipelines(
  settings: Settings,
  names: string | undefined,
): Promise<readonly LoadedPipeline[]> {
  const only = names?.split(',').map((name) => name.trim())
  return await loadPipelines(settings.pipelinesDirectory, only === undefined ? {} : { only })
}

/**
 * Keeps a second process that would do the same work out of the data directory.
 *
 * @throws MillraceError DATA_DIRECTORY_IN_USE, DATA_DIRECTORY_UNUSABLE, DISK_FULL
 */
export async function lockDataDirectory(
  settings: Settings,
  { name, purpose }: { readonly name: string; readonly purpose: string },
): Promise<AsyncDisposable> {
  const { root, locks } = dataPlaces(settings.dataDirectory)
  const outcome = await acquireProcessLock(locks, name, purpose)
  if (outcome.kind === 'acquired') return outcome.lock
  const { pid, host, purpose: other } = outcome.holder
  throw new MillraceError(
    'DATA_DIRECTORY_IN_USE',
    `The data directory '${root}' is used by '${other}', process ${pid} on ${host}. Stop that one, or set MILLRACE_DATA to another directory.`,
  )
}

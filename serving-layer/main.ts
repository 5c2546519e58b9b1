/** Wires the serving layer: the mirror, the query service over it, and the skins over that. */
import type { LoadedPipeline } from '../core/pipeline.ts'
import type { SteadyClock } from '../stores/clock.ts'
import type { EventLog } from '../stores/event-log/port.ts'
import type { HotStore } from '../stores/hot-store/port.ts'
import type { LakeStorage } from '../stores/lake/storage.ts'
import type { Layer } from '../stores/layer.ts'
import type { Telemetry } from '../stores/telemetry.ts'
import type { HttpSettings, ServingSettings } from './config.ts'
import { startHttpServer } from './http/server.ts'
import type { Mirror } from './mirror/contract.ts'
import { DuckDbMirror } from './mirror/mirror.ts'
import { QueryService } from './query/query-service.ts'
import { mirrorSignals, querySignals } from './telemetry.ts'

interface ServingParts {
  readonly pipelines: readonly LoadedPipeline[]
  readonly eventLog: EventLog
  readonly hotStore: HotStore
  readonly storage: LakeStorage
  readonly settings: { readonly serving: ServingSettings; readonly http: HttpSettings }
  readonly telemetry: Telemetry
  readonly clock: SteadyClock
  /** SQL that defines the pipelines' macros. */
  readonly setupSql?: readonly string[]
}

/** It answers from when it is opened until it is disposed of; `run` only waits. */
export interface Serving extends Layer {
  /** Where HTTP is served, e.g. `http://127.0.0.1:4000`. */
  readonly url: string
  readonly mirror: Mirror
  readonly queryService: QueryService
}

/**
 * Loads the lake, follows the stores and answers queries until it is disposed of: first the callers
 * are let go, then the queries, then the mirror. Throws PORT_IN_USE and what the stores throw.
 */
export async function openServing(context: ServingParts): Promise<Serving> {
  const { telemetry, clock } = context
  const { serving, http } = context.settings
  await using opened = new AsyncDisposableStack()
  const mirror = opened.use(
    await DuckDbMirror.open({ ...context, settings: serving, signals: mirrorSignals(telemetry) }),
  )
  const signals = querySignals(telemetry)
  const queryService = opened.use(
    await QueryService.create({ mirror, settings: serving, signals, clock }),
  )
  const server = await startHttpServer({
    mirror,
    queryService,
    settings: http,
    servingSettings: serving,
    telemetry,
    clock,
  })
  opened.defer(() => server.close())
  const parts = opened.move()
  return {
    url: server.url,
    mirror,
    queryService,
    run: untilAborted,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

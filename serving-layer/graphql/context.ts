import type { SteadyClock } from '../../stores/clock.ts'
import type { ServingSettings } from '../config.ts'
import type { Mirror } from '../mirror/contract.ts'
import type { QueryService } from '../query/query-service.ts'

/** What resolvers work with, the same for all requests. */
export interface GraphqlServices {
  readonly mirror: Mirror
  readonly queryService: QueryService
  readonly settings: ServingSettings
  readonly clock: SteadyClock
}

/** What belongs to one request. */
export interface RequestContext {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

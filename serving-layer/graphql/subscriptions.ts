/**
 * Subscriptions: a view is sent again after changes, at most once per interval, the latest only; of a
 * table the rows that have become visible since the last message are sent.
 */
import { type GraphQLFieldConfig, GraphQLInt } from 'graphql'
import { MillraceError } from '../../core/errors.ts'
import { covers, type Offsets, sameOffsets } from '../../core/offsets.ts'
import type { Mode } from '../mirror/contract.ts'
import { changeFeed } from './change-feed.ts'
import type { GraphqlServices, RequestContext } from './context.ts'
import {
  type ObjectArguments,
  objectRequest,
  type ShownAnswer,
  shownAnswer,
} from './object-query.ts'
import { limitArgument, modeArgument, type ObjectTypes } from './object-types.ts'
import { selectedBelow } from './selection.ts'

interface SubscriptionArguments extends ObjectArguments {
  readonly intervalMs?: number | null
}

/** Bounds how many subscriptions are open at once. */
export class Places {
  readonly #max: number
  #taken = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Returns how to give the place back. Throws `QUERY_OVERLOADED` when there is none. */
  take(): () => void {
    if (this.#taken >= this.#max) {
      throw new MillraceError(
        'QUERY_OVERLOADED',
        `${this.#taken} subscriptions are open, which is the most allowed. Try again later.`,
      )
    }
    this.#taken += 1
    let isTaken = true
    return () => {
      if (isTaken) this.#taken -= 1
      isTaken = false
    }
  }
}

/** A failed read is a message of its own: the subscription goes on with the next change. */
type Item = ShownAnswer | { readonly error: unknown }

const intervalArgument = {
  intervalMs: {
    type: GraphQLInt,
    description: 'Shortest time between two messages, in ms.',
  },
}

export function subscriptionField(
  types: ObjectTypes,
  services: GraphqlServices,
  places: Places,
): GraphQLFieldConfig<unknown, RequestContext> {
  const isView = types.object.kind === 'view'
  const reader = isView ? viewReader : newRowsReader
  return {
    type: types.answerType,
    description: isView
      ? `${types.object.description} Sent again after changes.`
      : `${types.object.description} Rows as they become visible.`,
    args: {
      ...types.where,
      ...(isView ? { ...types.orderBy, ...modeArgument } : {}),
      ...limitArgument,
      ...intervalArgument,
    },
    subscribe: (_, args: SubscriptionArguments, __, info) => {
      const selected = selectedBelow(info, 'rows')
      const read = reader(types, services, { args, selected })
      return changeFeed((signal) => read(signal).catch(itemOfError(signal)), {
        onChange: (listener) => services.mirror.onChange(types.object.pipeline, listener),
        intervalMs: checkedInterval(args.intervalMs, services),
        clock: services.clock,
        onEnd: places.take(),
      })
    },
    resolve: (item) => {
      const result = item as Item
      if ('error' in result) throw result.error
      return result
    },
  }
}

function itemOfError(signal: AbortSignal) {
  return (error: unknown): Item | null => (signal.aborted ? null : { error })
}

function checkedInterval(intervalMs: number | null | undefined, { settings }: GraphqlServices) {
  if (intervalMs === undefined || intervalMs === null) return settings.subscriptionIntervalMs
  if (intervalMs >= 10 && intervalMs <= 3_600_000) return intervalMs
  throw new MillraceError(
    'QUERY_LIMIT_EXCEEDED',
    `Interval '${intervalMs}' refused: expected 10 to 3600000 ms.`,
  )
}

interface Subscribed {
  readonly args: SubscriptionArguments
  readonly selected: ReadonlySet<string> | null
}

type Reader = (signal: AbortSignal) => Promise<ShownAnswer | null>

function viewReader(
  { object, columns }: ObjectTypes,
  { queryService }: GraphqlServices,
  { args, selected }: Subscribed,
): Reader {
  const request = objectRequest({ object, columns, selected, arguments: args })
  return async (signal) => shownAnswer(await queryService.execute({ ...request, signal }), selected)
}

/** Rows are new by their coordinates, so that a row is sent once however it moves below. */
function newRowsReader(
  { object, columns }: ObjectTypes,
  { queryService }: GraphqlServices,
  { args, selected }: Subscribed,
): Reader {
  const read = async (mode: Mode, condition: string, signal: AbortSignal) => {
    const newestFirst = [{ column: '_offset', direction: 'DESC' as const }]
    const newest = { ...args, orderBy: newestFirst, mode }
    const request = objectRequest({ object, columns, selected, arguments: newest, condition })
    return shownAnswer(await queryService.execute({ ...request, signal }), selected)
  }
  let seen: Offsets | null = null
  return async (signal) => {
    if (seen === null) {
      seen = (await read('merged', 'false', signal)).coverage.realtime
      return null
    }
    const after = afterCondition(seen)
    // What is not in the lake yet is in memory, which is by far the cheaper place to look.
    const recent = await read('realtime', after, signal)
    const isComplete = covers(seen, recent.coverage.lake)
    const message = isComplete ? recent : await read('merged', after, signal)
    if (sameOffsets(seen, message.coverage.realtime)) return null
    seen = message.coverage.realtime
    return message.rows.length === 0 ? null : { ...message, rows: message.rows.toReversed() }
  }
}

/** Rows at or above the offsets, and all rows of partitions that had none. */
function afterCondition(seen: Offsets): string {
  if (seen.size === 0) return 'true'
  const known = [...seen.keys()].join(', ')
  const above = [...seen].map(([p, offset]) => `(_partition = ${p} AND _offset >= ${offset})`)
  return [...above, `_partition NOT IN (${known})`].join(' OR ')
}

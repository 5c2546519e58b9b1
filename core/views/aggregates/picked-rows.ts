/**
 * arg_max, arg_min, first, last, any_value: the value of one row. Which row is decided by a key and,
 * where keys are equal, by the row's place in the event log, so that every split picks the same one.
 */
import type { Column } from '../../sql.ts'
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'
import { storageFor } from './extremes.ts'

interface Pick {
  /** The rows' order before their place; null for the place alone. */
  readonly by: Column | null
  readonly direction: 'least' | 'greatest'
  /** Among rows with equal keys, the one that wins. */
  readonly place: 'earliest' | 'latest'
  /** Rows whose value is NULL do not count. */
  readonly skipsNulls: boolean
}

/** `arg_max_null(value, row(by, -partition, -offset))`: the value at the picked row. */
function pickSql({ direction, place }: Pick, value: string, order: readonly string[]): string {
  const isGreatest = direction === 'greatest'
  // The last two are the place; it counts backwards where the greatest key is to be the earliest row.
  const backwards = isGreatest && place === 'earliest'
  const terms = order.map((term, index) =>
    backwards && index >= order.length - 2 ? `-${term}` : term,
  )
  return `${isGreatest ? 'arg_max_null' : 'arg_min_null'}(${value}, row(${terms.join(', ')}))`
}

/** The states are the picked row's key, partition, offset and value: all four picked by one order. */
function planPick(call: AggregateCall, states: StateRegistry, pick: Pick): string {
  const value = argument(call, 0)
  const terms: Column[] = [
    ...(pick.by === null ? [] : [{ ...pick.by, name: `(${pick.by.name})` }]),
    { name: '_partition', type: 'INTEGER' },
    { name: '_offset', type: 'BIGINT' },
  ]
  const conditions = [
    ...(call.filter === null ? [] : [`(${call.filter})`]),
    ...(pick.by === null ? [] : [`(${pick.by.name}) IS NOT NULL`]),
    ...(pick.skipsNulls ? [`(${value.name}) IS NOT NULL`] : []),
  ]
  const filter = conditions.length === 0 ? '' : ` FILTER (WHERE ${conditions.join(' AND ')})`
  const rowOrder = terms.map(({ name }) => name)
  const stateOrder: string[] = []
  const register = ({ name, type }: Column) => {
    const storage = storageFor(call, type)
    return states.scalar({
      type: storage.type,
      partial: storage.encode(`${pickSql(pick, name, rowOrder)}${filter}`),
      merge: (column) =>
        `${pickSql(pick, column, stateOrder)} FILTER (WHERE ${stateOrder.at(-1)} IS NOT NULL)`,
    })
  }
  for (const term of terms) stateOrder.push(register(term))
  return storageFor(call, value.type).decode(register(value))
}

function byKey(direction: 'least' | 'greatest'): Aggregate {
  return {
    argumentCount: 2,
    plan: (call, states) =>
      planPick(call, states, {
        by: argument(call, 1),
        direction,
        place: 'earliest',
        skipsNulls: true,
      }),
  }
}

function byPlace(place: 'earliest' | 'latest', skipsNulls: boolean): Aggregate {
  const direction = place === 'earliest' ? 'least' : 'greatest'
  return {
    argumentCount: 1,
    ignoresDistinct: true,
    plan: (call, states) => planPick(call, states, { by: null, direction, place, skipsNulls }),
  }
}

export const argMax = byKey('greatest')
export const argMin = byKey('least')
export const first = byPlace('earliest', false)
export const last = byPlace('latest', false)
export const anyValue = byPlace('earliest', true)

/**
 * arg_max, arg_min, first, last, any_value: the value of one row. Which row is decided by a key and,
 * where keys are equal, by the row's place in the event log, so that every split picks the same one.
 */
import type { Column } from '../../sql.ts'
import {
  type Aggregate,
  type AggregateCall,
  argument,
  type StateRegistry,
  storageFor,
} from './aggregate.ts'
import { planGreatestRows } from './top-rows.ts'

interface Pick {
  /** The rows' order before their place; empty for the place alone. */
  readonly by: readonly Column[]
  readonly direction: 'least' | 'greatest'
  /** Among rows with equal keys, the one that wins. */
  readonly place: 'earliest' | 'latest'
  /** Only rows for which these hold. */
  readonly conditions: readonly string[]
}

interface PickOrder {
  readonly terms: readonly string[]
  /** How many of the last terms are the place. */
  readonly placeCount: number
}

/** `arg_max_null(value, row(by, -partition, -offset))`: the value at the picked row. */
function pickSql({ direction, place }: Pick, value: string, order: PickOrder): string {
  const isGreatest = direction === 'greatest'
  // The place counts backwards where the greatest key is to be the earliest row, and the other way round.
  const backwards = isGreatest === (place === 'earliest')
  const keyCount = order.terms.length - order.placeCount
  const terms = order.terms.map((term, index) =>
    backwards && index >= keyCount ? `-${term}` : term,
  )
  return `${isGreatest ? 'arg_max_null' : 'arg_min_null'}(${value}, row(${terms.join(', ')}))`
}

/** The states are the picked row's key, its place and its value: all of them picked by one order. */
function planPick(call: AggregateCall, states: StateRegistry, pick: Pick): string {
  const value = argument(call, 0)
  const terms: Column[] = [
    ...pick.by.map(({ name, type }) => ({ name: `(${name})`, type })),
    ...call.place,
  ]
  const conditions = [...(call.filter === null ? [] : [`(${call.filter})`]), ...pick.conditions]
  const filter = conditions.length === 0 ? '' : ` FILTER (WHERE ${conditions.join(' AND ')})`
  const placeCount = call.place.length
  const rowOrder = { terms: terms.map(({ name }) => name), placeCount }
  const stateOrder = { terms: [] as string[], placeCount }
  const register = ({ name, type }: Column) => {
    const storage = storageFor(call, type)
    return states.scalar({
      type: storage.type,
      partial: storage.encode(`${pickSql(pick, name, rowOrder)}${filter}`),
      merge: (column) =>
        `${pickSql(pick, column, stateOrder)} FILTER (WHERE ${stateOrder.terms.at(-1)} IS NOT NULL)`,
    })
  }
  for (const term of terms) stateOrder.terms.push(register(term))
  return storageFor(call, value.type).decode(register(value))
}

const explanation = {
  accuracy: 'exact; of equal keys the earliest row of the event log',
  states: "the picked row's key, partition, offset and value, merged by the same order",
} as const

const isPresent = ({ name }: Column) => `(${name}) IS NOT NULL`

type ByKeyOptions = { readonly nulls?: 'kept' | 'last' }

/**
 * arg_max and its kin. Rows without a key do not count. `arg_max_null` may pick a row without a value;
 * `arg_max_nulls_last` one without a key, where no row has one.
 */
function byKey(direction: 'least' | 'greatest', { nulls }: ByKeyOptions = {}): Aggregate {
  return {
    ...explanation,
    takes: nulls === undefined ? '(x, by), or (x, by, n) for n rows' : '(x, by)',
    argumentCounts: nulls === undefined ? [2, 3] : [2],
    order: 'ignored',
    plan: (call, states) => {
      const [value, key] = [argument(call, 0), argument(call, 1)]
      if (call.args.length === 3) {
        return planGreatestRows(call, states, direction === 'greatest' ? 'DESC' : 'ASC')
      }
      const isKeyed = `((${key.name}) IS ${direction === 'greatest' ? 'NOT ' : ''}NULL)`
      return planPick(call, states, {
        by: nulls === 'last' ? [{ name: isKeyed, type: 'BOOLEAN' }, key] : [key],
        direction,
        place: 'earliest',
        conditions: [
          ...(nulls === 'last' ? [] : [isPresent(key)]),
          ...(nulls === undefined ? [isPresent(value)] : []),
        ],
      })
    },
  }
}

function byPlace(place: 'earliest' | 'latest', { skipsNulls }: { skipsNulls: boolean }): Aggregate {
  const base = place === 'earliest' ? 'least' : 'greatest'
  return {
    ...explanation,
    takes: '(x), by the place in the event log; or (x ORDER BY y)',
    accuracy: `exact: the ${place} row of the event log`,
    argumentCounts: [1],
    distinct: 'ignored',
    order: 'taken',
    plan: (call, states) => {
      const conditions = skipsNulls ? [isPresent(argument(call, 0))] : []
      const [order, second] = call.orders
      if (order === undefined) {
        return planPick(call, states, { by: [], direction: base, place, conditions })
      }
      if (second !== undefined) {
        call.refuse(
          `${call.name}() is ordered by more than one value`,
          'Values of several directions have no common greatest one',
          'Order by one value: rows with equal ones are told apart by their place in the event log',
        )
      }
      // The last row of a descending order is the one with the least key.
      const isLeast = (base === 'least') !== order.isDescending
      const isAbsentLeast = isLeast === (order.isNullsFirst === (place === 'earliest'))
      return planPick(call, states, {
        by: [
          { name: `((${order.name}) IS ${isAbsentLeast ? 'NOT ' : ''}NULL)`, type: 'BOOLEAN' },
          order,
        ],
        direction: isLeast ? 'least' : 'greatest',
        place,
        conditions,
      })
    },
  }
}

export const argMax = byKey('greatest')
export const argMin = byKey('least')
export const argMaxNull = byKey('greatest', { nulls: 'kept' })
export const argMinNull = byKey('least', { nulls: 'kept' })
export const argMaxNullsLast = byKey('greatest', { nulls: 'last' })
export const argMinNullsLast = byKey('least', { nulls: 'last' })
export const first = byPlace('earliest', { skipsNulls: false })
export const last = byPlace('latest', { skipsNulls: false })
export const anyValue = byPlace('earliest', { skipsNulls: true })

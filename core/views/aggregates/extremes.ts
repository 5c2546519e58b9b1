/** Aggregates whose merge is the aggregate itself: min, max, bool_and, bit_or and the like. */
import {
  type Aggregate,
  type AggregateCall,
  argument,
  type StateRegistry,
  storageFor,
} from './aggregate.ts'
import { planGreatestValues } from './top-rows.ts'

interface ExtremeOptions {
  readonly argumentIndex?: number
  /** Instead of the call's own. */
  readonly filter?: string
}

export function extremeState(
  call: AggregateCall,
  states: StateRegistry,
  name: string,
  { argumentIndex = 0, filter }: ExtremeOptions = {},
): string {
  const { name: sql, type } = argument(call, argumentIndex)
  const storage = storageFor(call, type)
  const aggregate = `${name}(${sql})`
  const state = states.scalar({
    type: storage.type,
    partial: storage.encode(
      filter === undefined ? call.over(aggregate) : `${aggregate} FILTER (WHERE ${filter})`,
    ),
    // Bits are those of the value; its storage may be a decimal or a text.
    merge: (column) =>
      name.startsWith('bit_')
        ? storage.encode(`${name}(${storage.decode(column)})`)
        : `${name}(${column})`,
  })
  return storage.decode(state)
}

export function selfMerging(
  name: string,
  takes: string,
  { ignoresDistinct = true } = {},
): Aggregate {
  return {
    takes,
    accuracy: 'exact',
    states: `the value so far, merged by ${name}`,
    argumentCounts: [1],
    ...(ignoresDistinct ? { distinct: 'ignored' } : {}),
    order: 'ignored',
    plan: (call, states) => extremeState(call, states, name),
  }
}

/** min and max, with one argument or with the number of values to give. */
export function extreme(name: 'min' | 'max'): Aggregate {
  return {
    ...selfMerging(name, 'numbers, text, dates and times, BOOLEAN; or (x, n) for the n values'),
    states: `the value so far, merged by ${name}; with n, the n values of a group with their counts`,
    argumentCounts: [1, 2],
    plan: (call, states) =>
      call.args.length === 1
        ? { sql: extremeState(call, states, name), states: `the value so far, merged by ${name}` }
        : planGreatestValues(call, states, name === 'max' ? 'DESC' : 'ASC'),
  }
}

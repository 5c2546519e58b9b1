/** Aggregates whose merge is the aggregate itself: min, max, bool_and, bit_or and the like. */
import { storageOf } from '../storage-types.ts'
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'

export function extremeState(
  call: AggregateCall,
  states: StateRegistry,
  name: string,
  argumentIndex = 0,
): string {
  const { name: sql, type } = argument(call, argumentIndex)
  const storage = storageFor(call, type)
  const state = states.scalar({
    type: storage.type,
    partial: storage.encode(call.over(`${name}(${sql})`)),
    merge: (column) => `${name}(${column})`,
  })
  return storage.decode(state)
}

/** The storage type of a value that a state keeps as it is. */
export function storageFor(call: AggregateCall, type: string) {
  return (
    storageOf(type) ??
    call.refuse(
      `${call.name}() over ${type} is not supported`,
      'A partial is kept in Parquet with a Delta log, which has no such type',
      'Cast the argument to a number, a text or a TIMESTAMPTZ',
    )
  )
}

export function selfMerging(name: string, { ignoresDistinct = true } = {}): Aggregate {
  return {
    argumentCount: 1,
    ignoresDistinct,
    plan: (call, states) => extremeState(call, states, name),
  }
}

/**
 * max(x, n), min(x, n), arg_max(x, by, n), arg_min(x, by, n): the n greatest or least of a group. Only
 * they are kept, in every partial and at every merge: the n greatest of all rows are among the n
 * greatest of each part.
 */
import {
  type AggregateCall,
  allOf,
  argument,
  groupByKeys,
  type Sketch,
  type SketchRows,
  type StateRegistry,
  storageFor,
} from './aggregate.ts'

type Direction = 'ASC' | 'DESC'
const countMax = 10_000

/** The literal n of the call's last argument. */
function countArgument(call: AggregateCall): number {
  const text = call.args.at(-1)?.name ?? ''
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < 1 || count > countMax) {
    call.refuse(
      `${call.name}() is asked for ${text} values`,
      'How many are kept must be known when the view is compiled',
      `Write a number from 1 to ${countMax}`,
    )
  }
  return count
}

const keyList = (keys: readonly string[]) => keys.map((key) => `${key}, `).join('')

/** Distinct values with their counts: equal values need no order among each other. */
export function planGreatestValues(
  call: AggregateCall,
  states: StateRegistry,
  direction: Direction,
) {
  const count = countArgument(call)
  const { name, type } = argument(call, 0)
  const storage = storageFor(call, type)
  const sketch: Sketch = {
    identity: `${call.name} ${count} ${name} / ${call.filter ?? ''}`,
    value: storage.encode(name),
    filter: call.filter,
    values: [storage.type],
    states: [{ type: 'BIGINT', merge: (column) => `CAST(sum(${column}) AS BIGINT)` }],
    bound: { rowsMax: count, order: ([value]) => `${value} ${direction}`, beyond: 'drop' },
    partialSql: (rows, keys) =>
      `SELECT ${keyList(keys)}CAST(NULL AS INTEGER) AS _bucket, v AS v0, count(*) AS r0 FROM ${rows} GROUP BY ${[...keys, 'v'].join(', ')}`,
    readSql: ({ rows, keys, values: [value = ''], states: [times] }) =>
      `SELECT ${keyList(keys)}list_slice(flatten(list(repeat([${storage.decode(value)}], least(${times}, ${count})) ORDER BY ${value} ${direction})), 1, ${count}) AS q0 FROM ${rows}${groupByKeys(keys)}`,
  }
  return {
    sql: states.reading(sketch, ''),
    states: `the ${count} values with their counts, merged by sum, the rest dropped`,
  }
}

/** Rows by their key and, where keys are equal, the earliest of the event log first. */
export function planGreatestRows(call: AggregateCall, states: StateRegistry, direction: Direction) {
  const count = countArgument(call)
  const picked = argument(call, 0)
  const by = argument(call, 1)
  const pickedStorage = storageFor(call, picked.type)
  const byStorage = storageFor(call, by.type)
  const places = call.place.map(({ name }, index) => ({ name: `p${index}`, sql: name }))
  const anyOne = (column: string) => `any_value(${column})`
  const order = (values: readonly string[], [key = '']: readonly string[]) =>
    [`${key} ${direction}`, ...values].join(', ')
  const sketch: Sketch = {
    identity: `${call.name} ${count} ${picked.name} by ${by.name} / ${call.filter ?? ''}`,
    value: byStorage.encode(by.name),
    inputs: [{ name: 'x', sql: pickedStorage.encode(picked.name) }, ...places],
    filter: allOf([call.filter, `(${picked.name}) IS NOT NULL`]),
    values: call.place.map(({ type }) => type),
    states: [
      { type: byStorage.type, merge: anyOne },
      { type: pickedStorage.type, merge: anyOne },
    ],
    bound: { rowsMax: count, order, beyond: 'drop' },
    partialSql: (rows, keys) => {
      const columns = places.map(({ name }, index) => `${name} AS v${index}`)
      return `SELECT ${keyList(keys)}CAST(NULL AS INTEGER) AS _bucket, ${columns.join(', ')}, v AS r0, x AS r1 FROM ${rows}`
    },
    readSql: ({ rows, keys, values, states: own }: SketchRows) =>
      `SELECT ${keyList(keys)}list(${pickedStorage.decode(own[1] ?? '')} ORDER BY ${order(values, own)}) AS q0 FROM ${rows}${groupByKeys(keys)}`,
  }
  return {
    sql: states.reading(sketch, ''),
    states: `the ${count} rows' keys, places and values, merged by union, the rest dropped`,
  }
}

/** sum and avg over integers and decimals: exact sums in DECIMAL(38,s), whatever the order. */
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'
import { countOf } from './counts.ts'

const integerTypes = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'HUGEINT',
])

/** The scale of an exact number's type; null for what cannot be summed exactly. */
function scaleOf(type: string): number | null {
  if (integerTypes.has(type)) return 0
  const decimal = /^DECIMAL\(\d+,(\d+)\)$/.exec(type)
  return decimal === null ? null : Number(decimal[1])
}

function sumState(call: AggregateCall, states: StateRegistry): string {
  const { name, type } = argument(call, 0)
  const scale = scaleOf(type)
  if (scale === null) refuseInexact(call, type)
  return states.scalar({
    type: `DECIMAL(38,${scale})`,
    partial: `CAST(${call.over(`sum(${name})`)} AS DECIMAL(38,${scale}))`,
    merge: (column) => `sum(${column})`,
  })
}

function refuseInexact(call: AggregateCall, type: string): never {
  if (type === 'DOUBLE' || type === 'FLOAT') {
    return call.refuse(
      `${call.name}() adds values of type ${type}`,
      'Such a sum depends on the order of the rows in its last digits',
      'Declare the column DECIMAL in pipeline.yml, or cast the argument, e.g. CAST(x AS DECIMAL(18,3))',
    )
  }
  return call.refuse(
    `${call.name}() over ${type} is not supported`,
    'Only integers and decimals have an exact sum',
    'Cast the argument to an integer or a DECIMAL',
  )
}

export const sum: Aggregate = {
  argumentCount: 1,
  // Above the aggregation a sum has DuckDB's own type, so that // and % mean the same as there.
  plan: (call, states) => `CAST(${sumState(call, states)} AS ${call.resultType})`,
}

export const average: Aggregate = {
  argumentCount: 1,
  plan: (call, states) => {
    const total = sumState(call, states)
    const count = countOf(call, states, `count(${argument(call, 0).name})`)
    return `(CAST(${total} AS DOUBLE) / nullif(${count}, 0))`
  },
}

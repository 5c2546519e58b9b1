/** histogram(x) from the values themselves; histogram(x, bins) from one count per bin. */
import { type Aggregate, type AggregateCall, argument, type StateRegistry } from './aggregate.ts'
import { countOf } from './counts.ts'
import { declaredValues, errorBeyond } from './value-set.ts'

const binsMax = 100

/** DuckDB's key for what lies above the last bin. */
const otherKeys: ReadonlyMap<string, string> = new Map([
  ['TINYINT', '127'],
  ['SMALLINT', '32767'],
  ['INTEGER', '2147483647'],
  ['BIGINT', '9223372036854775807'],
  ['UTINYINT', '255'],
  ['USMALLINT', '65535'],
  ['UINTEGER', '4294967295'],
  ['FLOAT', "'infinity'"],
  ['DOUBLE', "'infinity'"],
])

/** `[10, 20.5]` as texts of numbers, ascending. */
function binsOf(call: AggregateCall, isInteger: boolean): readonly string[] {
  const [, inner = ''] = /^(?:main\.)?list_value\((.*)\)$/.exec(argument(call, 1).name) ?? []
  const bins = inner.split(',').map((bin) => bin.trim())
  const isNumber = isInteger ? /^-?\d{1,15}$/ : /^-?\d{1,15}(\.\d{1,15})?$/
  const isAscending = bins.every(
    (bin, index) => index === 0 || Number(bins[index - 1]) < Number(bin),
  )
  if (bins.length > binsMax || !isAscending || !bins.every((bin) => isNumber.test(bin))) {
    call.refuse(
      `${call.name}() is asked for the bins ${argument(call, 1).name}`,
      'The bins must be known when the view is compiled',
      `Write up to ${binsMax} ascending numbers of the column's kind, e.g. [10, 20, 50]`,
    )
  }
  return bins
}

function planBins(call: AggregateCall, states: StateRegistry, comparison: '<=' | '='): string {
  const [, key = ''] = /^MAP\((\w+), UBIGINT\)$/.exec(call.resultType) ?? []
  const otherKey = otherKeys.get(key)
  if (otherKey === undefined) {
    return call.refuse(
      `${call.name}() with bins over ${argument(call, 0).type} is not supported`,
      'Bins are compared as numbers of at most 64 bits',
      'Use count(*) FILTER (WHERE …) for each bin, or cast the argument to a number',
    )
  }
  const value = `CAST(${argument(call, 0).name} AS ${key})`
  const bins = binsOf(call, key !== 'FLOAT' && key !== 'DOUBLE').map(
    (bin) => `CAST(${bin} AS ${key})`,
  )
  const total = countOf(call, states, `count(${value})`)
  // Rows at or below a bin's bound, those of the lower bins among them.
  const counts = bins.map((bin) => countOf(call, states, `count_if(${value} ${comparison} ${bin})`))
  const isRunning = comparison === '<='
  const own = counts.map((count, index) =>
    isRunning && index > 0 ? `${count} - ${counts[index - 1]}` : count,
  )
  const rest = isRunning ? `${total} - ${counts.at(-1)}` : `${total} - (${counts.join(' + ')})`
  const map = (keys: readonly string[], values: readonly string[]) =>
    `map([${keys.join(', ')}], [${values.map((text) => `CAST(${text} AS UBIGINT)`).join(', ')}])`
  const whole = map([...bins, `CAST(${otherKey} AS ${key})`], [...own, rest])
  return `CASE WHEN ${total} = 0 THEN NULL WHEN ${rest} > 0 THEN ${whole} ELSE ${map(bins, own)} END`
}

const bins = { states: 'one count per bin, merged by sum', accuracy: 'exact' }

export const histogram: Aggregate = {
  takes: '(x), any type; or (x, bins) with a list of ascending numbers',
  states:
    'the distinct values with their counts, merged by union and sum; with bins, one count per bin',
  accuracy:
    'exact; without bins up to distinct_exact_max distinct values of a group, above an error',
  argumentCounts: [1, 2],
  plan: (call, states) => {
    if (call.args.length === 2) return { ...bins, sql: planBins(call, states, '<=') }
    const set = declaredValues(call, { remedy: 'give it bins, e.g. histogram(x, [10, 20, 50])' })
    const map = states.reading(
      set.sketch,
      'map(list(v ORDER BY v), list(CAST(n AS UBIGINT) ORDER BY v))',
    )
    const isBeyond = states.reading(set.sketch, set.isBeyond)
    return `CASE WHEN ${isBeyond} THEN ${errorBeyond(call, set, call.resultType)} ELSE ${map} END`
  },
}

export const histogramExact: Aggregate = {
  ...bins,
  takes: '(x, values) with a list of ascending numbers',
  argumentCounts: [2],
  plan: (call, states) => planBins(call, states, '='),
}

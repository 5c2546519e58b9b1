/** Every aggregate that has a mergeable state, by each name DuckDB gives it; and why others have none. */
import type { Aggregate } from './aggregate.ts'
import { count, countIf, countStar } from './counts.ts'
import { approximateCountDistinct } from './distinct-sketch.ts'
import { selfMerging } from './extremes.ts'
import { anyValue, argMax, argMin, first, last } from './picked-rows.ts'
import { approximateQuantile } from './quantile-sketch.ts'
import { average, sum } from './sums.ts'

export const aggregateTable: ReadonlyMap<string, Aggregate> = new Map([
  ['count_star', countStar],
  ['count', count],
  ['count_if', countIf],
  ['countif', countIf],
  ['sum', sum],
  ['avg', average],
  ['mean', average],
  ['min', selfMerging('min')],
  ['max', selfMerging('max')],
  ['bool_and', selfMerging('bool_and')],
  ['bool_or', selfMerging('bool_or')],
  ['bit_and', selfMerging('bit_and')],
  ['bit_or', selfMerging('bit_or')],
  ['bit_xor', selfMerging('bit_xor', { ignoresDistinct: false })],
  ['arg_max', argMax],
  ['argmax', argMax],
  ['max_by', argMax],
  ['arg_min', argMin],
  ['argmin', argMin],
  ['min_by', argMin],
  ['first', first],
  ['arbitrary', first],
  ['last', last],
  ['any_value', anyValue],
  ['approx_quantile', approximateQuantile],
  ['approx_count_distinct', approximateCountDistinct],
])

interface NoState {
  readonly reason: string
  readonly remedy: string
}

const wholeOrder =
  'Its result is made of every row, in an order that batch and realtime do not share'

const noState: ReadonlyMap<string, NoState> = new Map([
  ...['list', 'array_agg', 'string_agg', 'group_concat', 'listagg'].map(
    (name) =>
      [
        name,
        { reason: wholeOrder, remedy: 'Group by the value, or query the table itself' },
      ] as const,
  ),
  ...['median', 'quantile', 'quantile_cont', 'quantile_disc', 'mad'].map(
    (name) =>
      [
        name,
        {
          reason: 'An exact quantile needs every value',
          remedy:
            'Use approx_quantile(x, 0.5): it is within one percent and the same on every split',
        },
      ] as const,
  ),
  [
    'mode',
    {
      reason: 'The most frequent value of a part need not be that of the whole',
      remedy: 'Group by the value and take ORDER BY count(*) DESC LIMIT 1',
    },
  ],
])

export function whyNoState(name: string): NoState {
  return (
    noState.get(name) ?? {
      reason: 'It has no mergeable state in this version',
      remedy:
        'Use count, sum, avg, min, max, bool_and, bool_or, bit_and, bit_or, bit_xor, arg_max, arg_min, first, last, any_value, approx_quantile or approx_count_distinct',
    }
  )
}

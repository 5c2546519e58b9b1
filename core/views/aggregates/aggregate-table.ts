/**
 * Every aggregate function of DuckDB, by each name it has: those with a mergeable state, those without
 * and why, and window functions that its catalog lists beside them. A test compares the three with the
 * catalog, so that a new function is noticed, and `docs/views.md` with all of them.
 */
import type { Aggregate } from './aggregate.ts'
import { count, countIf, countStar } from './counts.ts'
import { approximateCountDistinct } from './distinct-sketch.ts'
import { median, quantileCont, quantileDisc } from './exact-quantiles.ts'
import { extreme, selfMerging } from './extremes.ts'
import { histogram, histogramExact } from './histograms.ts'
import {
  corr,
  covarPop,
  covarSamp,
  regrAvgX,
  regrAvgY,
  regrCount,
  regrIntercept,
  regrR2,
  regrSlope,
  regrSxx,
  regrSxy,
  regrSyy,
  standardError,
  stddevPop,
  stddevSamp,
  varPop,
  varSamp,
} from './moments.ts'
import {
  anyValue,
  argMax,
  argMaxNull,
  argMaxNullsLast,
  argMin,
  argMinNull,
  argMinNullsLast,
  first,
  last,
} from './picked-rows.ts'
import { approximateQuantile } from './quantile-sketch.ts'
import { average, sum } from './sums.ts'
import { approximateTopK, entropy, list, mode, stringAgg } from './values.ts'

/** In the order of the documentation; names of one function together. */
const aggregates: readonly (readonly [names: readonly string[], aggregate: Aggregate])[] = [
  [['count_star'], countStar],
  [['count'], count],
  [['count_if', 'countif'], countIf],
  [['approx_count_distinct'], approximateCountDistinct],
  [['sum'], sum],
  [['avg', 'mean'], average],
  [['min'], extreme('min')],
  [['max'], extreme('max')],
  [['bool_and'], selfMerging('bool_and', 'BOOLEAN')],
  [['bool_or'], selfMerging('bool_or', 'BOOLEAN')],
  [['bit_and'], selfMerging('bit_and', 'integers')],
  [['bit_or'], selfMerging('bit_or', 'integers')],
  [['bit_xor'], selfMerging('bit_xor', 'integers', { ignoresDistinct: false })],
  [['first', 'arbitrary'], first],
  [['last'], last],
  [['any_value'], anyValue],
  [['arg_max', 'argmax', 'max_by'], argMax],
  [['arg_min', 'argmin', 'min_by'], argMin],
  [['arg_max_null'], argMaxNull],
  [['arg_min_null'], argMinNull],
  [['arg_max_nulls_last'], argMaxNullsLast],
  [['arg_min_nulls_last'], argMinNullsLast],
  [['var_pop'], varPop],
  [['var_samp', 'variance'], varSamp],
  [['stddev_pop'], stddevPop],
  [['stddev_samp', 'stddev'], stddevSamp],
  [['sem'], standardError],
  [['covar_pop'], covarPop],
  [['covar_samp'], covarSamp],
  [['corr'], corr],
  [['regr_count'], regrCount],
  [['regr_avgx'], regrAvgX],
  [['regr_avgy'], regrAvgY],
  [['regr_sxx'], regrSxx],
  [['regr_syy'], regrSyy],
  [['regr_sxy'], regrSxy],
  [['regr_slope'], regrSlope],
  [['regr_intercept'], regrIntercept],
  [['regr_r2'], regrR2],
  [['approx_quantile'], approximateQuantile],
  [['median'], median],
  [['quantile_cont'], quantileCont],
  [['quantile_disc', 'quantile'], quantileDisc],
  [['mode'], mode],
  [['approx_top_k'], approximateTopK],
  [['histogram'], histogram],
  [['histogram_exact'], histogramExact],
  [['entropy'], entropy],
  [['list', 'array_agg'], list],
  [['string_agg', 'group_concat', 'listagg'], stringAgg],
]

export const aggregateTable: ReadonlyMap<string, Aggregate> = new Map(
  aggregates.flatMap(([names, aggregate]) => names.map((name) => [name, aggregate] as const)),
)

interface NoState {
  readonly reason: string
  readonly remedy: string
}

const floatOrder: NoState = {
  reason: 'It works on DOUBLE, whose result depends on the order of the rows in its last digits',
  remedy: 'Declare the column DECIMAL and use sum(x) or avg(x)',
}

const highPowers: NoState = {
  reason: 'Exact sums of third and fourth powers do not fit into 128 bits',
  remedy: 'Use stddev(x) and quantiles, or sums of powers of a small DECIMAL, e.g. sum(x * x * x)',
}

const refusals: readonly (readonly [names: readonly string[], refusal: NoState])[] = [
  [['fsum', 'kahan_sum', 'sumkahan'], floatOrder],
  [['favg'], floatOrder],
  [
    ['product'],
    {
      reason:
        'It multiplies as DOUBLE, whose result depends on the order of the rows in its last digits',
      remedy: 'Compute the logarithm in curated.sql as a DECIMAL and use exp(sum(ln_x))',
    },
  ],
  [['skewness'], highPowers],
  [['kurtosis', 'kurtosis_pop'], highPowers],
  [
    ['mad'],
    {
      reason: 'It needs the distance of every value from a median that is known only at the end',
      remedy: 'Use quantiles, e.g. approx_quantile(x, 0.75) - approx_quantile(x, 0.25)',
    },
  ],
  [
    ['reservoir_quantile'],
    {
      reason: 'It takes a random sample, so that two runs differ',
      remedy: 'Use approx_quantile(x, 0.5): it is within one percent and the same on every split',
    },
  ],
  [
    ['bitstring_agg'],
    {
      reason: 'A partial is kept in Parquet with a Delta log, which has no BIT',
      remedy: 'Use bit_or(1::BIGINT << x) for up to 63 values, or list(DISTINCT x)',
    },
  ],
  [
    ['sum_no_overflow'],
    { reason: 'DuckDB keeps it to itself, as a step of its optimizer', remedy: 'Use sum(x)' },
  ],
]

const noState: ReadonlyMap<string, NoState> = new Map(
  refusals.flatMap(([names, refusal]) => names.map((name) => [name, refusal] as const)),
)

/** Functions that the catalog calls aggregates although they need OVER: for results, not for rows. */
export const windowFunctions: ReadonlySet<string> = new Set([
  'cume_dist',
  'dense_rank',
  'fill',
  'first_value',
  'lag',
  'last_value',
  'lead',
  'nth_value',
  'ntile',
  'percent_rank',
  'rank',
  'rank_dense',
  'row_number',
])

/** What becomes of an aggregate; null for one that nobody has thought about. */
export function classificationOf(name: string): 'merged' | 'refused' | 'window' | null {
  if (aggregateTable.has(name)) return 'merged'
  if (noState.has(name)) return 'refused'
  return windowFunctions.has(name) ? 'window' : null
}

export function whyNoState(name: string): NoState {
  return (
    noState.get(name) ?? {
      reason: 'It has no mergeable state in this version',
      remedy: `Use one of: ${[...aggregateTable.keys()].join(', ')}`,
    }
  )
}

/** For the documentation. */
export const aggregateGroups = { aggregates, refusals }

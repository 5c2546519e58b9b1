/** Variances, covariances, correlation and regression over integers and decimals, from exact sums. */
import { type Aggregate, type AggregateCall, argument, type PlannedAggregate } from './aggregate.ts'
import { CentredSums, type ExactArgument, exactArgument } from './centred-sums.ts'
import { refuseInexact } from './sums.ts'

const accuracy = 'exact sums, then a handful of roundings of a DOUBLE'

function exact(call: AggregateCall, index: number): ExactArgument {
  const column = argument(call, index)
  const value = exactArgument(column)
  if (value !== null) return value
  if (column.type === 'DOUBLE' || column.type === 'FLOAT') refuseInexact(call, column.type)
  return call.refuse(
    `${call.name}() over ${column.type} is not supported`,
    'Sums of its squares do not fit into 128 bits twice',
    'Cast the argument to BIGINT or to a DECIMAL of at most 18 digits',
  )
}

function spread(result: (squares: string, count: string) => string): Aggregate {
  return {
    takes: 'integers up to BIGINT, DECIMAL up to 18 digits',
    accuracy,
    states: 'the count, Σx and Σx² as integers, merged by sum',
    argumentCounts: [1],
    order: 'ignored',
    plan: (call, states) => {
      const x = exact(call, 0)
      const sums = new CentredSums(call, states)
      return result(sums.centred(x, x), sums.count)
    },
  }
}

const population = (squares: string, count: string) => `(${squares} / nullif(${count}, 0))`
const sample = (squares: string, count: string) =>
  `CASE WHEN ${count} > 1 THEN ${squares} / (${count} - 1) END`

export const varPop = spread(population)
export const varSamp = spread(sample)
export const stddevPop = spread((...parts) => `sqrt(${population(...parts)})`)
export const stddevSamp = spread((...parts) => `sqrt(${sample(...parts)})`)
/** As DuckDB defines it: by the deviation of the population. */
export const standardError = spread(
  (squares, count) => `(sqrt(${population(squares, count)}) / sqrt(nullif(${count}, 0)))`,
)

/** The pieces of a function of two arguments, in SQL's order: f(y, x). */
interface Pair {
  readonly count: string
  readonly xx: () => string
  readonly yy: () => string
  readonly xy: () => string
  readonly meanX: () => string
  readonly meanY: () => string
}

function pair(result: (pieces: Pair) => string | PlannedAggregate): Aggregate {
  return {
    takes: 'integers up to BIGINT, DECIMAL up to 18 digits',
    accuracy,
    states:
      'over rows where neither is NULL: the count, Σx, Σy, Σxy, Σx², Σy² as needed, as integers, merged by sum',
    argumentCounts: [2],
    order: 'ignored',
    plan: (call, states) => {
      const y = exact(call, 0)
      const x = exact(call, 1)
      const sums = new CentredSums(call, states)
      return result({
        count: sums.count,
        xx: () => sums.centred(x, x),
        yy: () => sums.centred(y, y),
        xy: () => sums.centred(x, y),
        meanX: () => sums.mean(x),
        meanY: () => sums.mean(y),
      })
    },
  }
}

const notANumber = `CAST('NaN' AS DOUBLE)`

export const covarPop = pair(({ xy, count }) => population(xy(), count))
export const covarSamp = pair(({ xy, count }) => sample(xy(), count))

export const corr = pair(({ xx, yy, xy }) => {
  const [squaresX, squaresY, products] = [xx(), yy(), xy()]
  // Roundings must not make it more than one; least and greatest pass NULL over.
  const ratio = `least(greatest(${products} / (sqrt(${squaresX}) * sqrt(${squaresY})), CAST(-1 AS DOUBLE)), CAST(1 AS DOUBLE))`
  return `CASE WHEN ${squaresX} = 0 OR ${squaresY} = 0 THEN ${notANumber} WHEN ${squaresX} > 0 THEN ${ratio} END`
})

const slope = ({ xx, xy }: Pair) =>
  `CASE WHEN ${xx()} = 0 THEN ${notANumber} ELSE ${xy()} / ${xx()} END`

export const regrSlope = pair(slope)
export const regrIntercept = pair((pieces) => {
  const { xx, meanX, meanY } = pieces
  return `CASE WHEN ${xx()} > 0 THEN ${meanY()} - (${slope(pieces)}) * ${meanX()} END`
})
export const regrR2 = pair(({ xx, yy, xy }) => {
  const share = `${xy()} / ${xx()} * (${xy()} / ${yy()})`
  return `CASE WHEN ${xx()} > 0 AND ${yy()} = 0 THEN CAST(1 AS DOUBLE) WHEN ${xx()} > 0 THEN least(${share}, CAST(1 AS DOUBLE)) END`
})
export const regrCount = pair(({ count }) => ({
  sql: `CAST(${count} AS UINTEGER)`,
  accuracy: 'exact',
}))
export const regrAvgX = pair(({ meanX }) => meanX())
export const regrAvgY = pair(({ meanY }) => meanY())
export const regrSxx = pair(({ xx }) => xx())
export const regrSyy = pair(({ yy }) => yy())
export const regrSxy = pair(({ xy }) => xy())

/**
 * Exact sums of products: what variances, covariances and regressions are made of. Values are taken as
 * integers (a DECIMAL without its point). With n, Σx, Σy and Σxy the centred sum is
 *
 *   C = Σ(x-a)(y-b) = Σxy - a·Σy - b·r     a = ⌊Σx/n⌋, r = Σx - n·a, b = ⌊Σy/n⌋, s = Σy - n·b
 *
 * and the covariance (n·C - r·s) / n². C is an integer and not larger than it must be, so that nothing
 * cancels: what is left is rounded to a DOUBLE in a handful of operations, the same for every split.
 *
 * Bounds, for up to 2^62 rows: an integer of a narrow type (at most 32 bits, or 9 digits) has Σxy below
 * 2^126, which DECIMAL(38,0) holds. A wide one (64 bits, or 18 digits) has products up to 2^126: their
 * upper and lower 64 bits are summed separately, and C is computed from both (`high`·2^64 + `low`).
 * Wider types are refused.
 */
import type { Column } from '../../sql.ts'
import { type AggregateCall, allOf, type StateRegistry } from './aggregate.ts'

export interface ExactArgument {
  /** The value as an integer of at most 64 bits. */
  readonly sql: string
  readonly isWide: boolean
  /** Digits after the point. */
  readonly scale: number
}

const narrowTypes = new Set(['TINYINT', 'SMALLINT', 'INTEGER', 'UTINYINT', 'USMALLINT', 'UINTEGER'])
/** 2^62: below it, a sum times any count of rows is exact in 128 bits. */
const exactBelow = '4611686018427387904'
const farAbove = 'CAST(170141183460469231731687303715884105727 AS HUGEINT)'
const lowerBits = 'CAST(18446744073709551615 AS HUGEINT)'
const lowerSize = 'CAST(18446744073709551616 AS HUGEINT)'

/** Null for a type whose products do not fit: the caller refuses it. */
export function exactArgument({ name, type }: Column): ExactArgument | null {
  if (narrowTypes.has(type)) return { sql: `CAST(${name} AS BIGINT)`, isWide: false, scale: 0 }
  if (type === 'BIGINT') return { sql: `(${name})`, isWide: true, scale: 0 }
  const [, digitText, scaleText] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? []
  const digits = Number(digitText)
  const scale = Number(scaleText)
  if (digitText === undefined || digits > 18) return null
  // The product of two decimals of at most 18 digits is held to 18 digits: one of them needs more.
  const widened = digits + scale < 18 ? name : `CAST(${name} AS DECIMAL(19,${scale}))`
  const power = `CAST(1${'0'.repeat(scale)} AS DECIMAL(${scale + 1},0))`
  return { sql: `CAST(${widened} * ${power} AS BIGINT)`, isWide: digits > 9, scale }
}

/** The sums of one call over the rows where none of its arguments is NULL. */
export class CentredSums {
  /** How many rows count; 0 without any. */
  readonly count: string
  readonly #states: StateRegistry
  readonly #filter: string

  constructor(call: AggregateCall, states: StateRegistry) {
    this.#states = states
    const present = call.args.map(({ name }) => `(${name}) IS NOT NULL`)
    this.#filter = ` FILTER (WHERE ${allOf([call.filter, ...present]) ?? 'true'})`
    const state = states.scalar({
      type: 'BIGINT',
      partial: `count(*)${this.#filter}`,
      merge: (column) => `CAST(sum(${column}) AS BIGINT)`,
    })
    this.count = `coalesce(${state}, 0)`
  }

  /** Σx, a HUGEINT. */
  sum({ sql }: ExactArgument): string {
    return this.#sumOf(sql)
  }

  /** Σx / n, rounded. */
  mean(x: ExactArgument): string {
    return `(CAST(${this.sum(x)} AS DOUBLE) / ${powerOfTen(x.scale)} / nullif(${this.count}, 0))`
  }

  /** Σ(x-x̄)(y-ȳ) as a DOUBLE; NULL without rows. */
  centred(x: ExactArgument, y: ExactArgument): string {
    const first = this.#means(x)
    const second = this.#means(y)
    const n = `CAST(${this.count} AS HUGEINT)`
    const sum =
      x.isWide || y.isWide
        ? this.#wideSum(x, y, first, second)
        : this.#narrowSum(x, y, first, second)
    // Small: exact until the one division. Large: r·s/n is less than n, far below C.
    const small = `CAST(${n} * ${sum.integer} - ${first.rest} * ${second.rest} AS DOUBLE) / ${this.count}`
    const large = `${sum.double} - CAST(${first.rest} AS DOUBLE) * ${second.rest} / ${this.count}`
    const value = `CASE WHEN abs(${sum.integer}) < ${exactBelow} THEN ${small} ELSE ${large} END`
    return this.#states.derived(
      `CASE WHEN ${this.count} > 0 THEN (${value}) / ${powerOfTen(x.scale + y.scale)} END`,
    )
  }

  /** ⌊Σx/n⌋ and what is left over. */
  #means(x: ExactArgument) {
    const n = `CAST(nullif(${this.count}, 0) AS HUGEINT)`
    const total = this.sum(x)
    // Division rounds toward zero: one less where something negative is left.
    const floor = `${total} // ${n} - CAST(${total} % ${n} < 0 AS HUGEINT)`
    const mean = this.#states.derived(floor)
    return { mean, rest: this.#states.derived(`${total} - ${mean} * ${n}`) }
  }

  #narrowSum(x: ExactArgument, y: ExactArgument, first: Means, second: Means) {
    const products = this.#sumOf(`${x.sql} * ${y.sql}`)
    const integer = this.#states.derived(
      `${products} - ${first.mean} * ${this.sum(y)} - ${second.mean} * ${first.rest}`,
    )
    return { integer, double: `CAST(${integer} AS DOUBLE)` }
  }

  /** In halves of 64 bits, the upper one signed: no product of a half leaves 128 bits. */
  #wideSum(x: ExactArgument, y: ExactArgument, first: Means, second: Means) {
    const { derived } = this.#states
    const products = `(CAST(${x.sql} AS HUGEINT) * ${y.sql})`
    const high = this.#sumOf(`(${products} >> 64)`)
    const low = this.#sumOf(`(${products} & ${lowerBits})`)
    const total = this.sum(y)
    const lowerProduct = derived(`${first.mean} * (${total} & ${lowerBits})`)
    const restProduct = derived(`${second.mean} * ${first.rest}`)
    const lower = derived(
      `${low} - (${lowerProduct} & ${lowerBits}) - (${restProduct} & ${lowerBits})`,
    )
    const upper = derived(
      `${high} - ${first.mean} * (${total} >> 64) - (${lowerProduct} >> 64) - (${restProduct} >> 64) + (${lower} >> 64)`,
    )
    const fits = `${upper} BETWEEN -${exactBelow} AND ${exactBelow}`
    const integer = derived(
      `CASE WHEN ${fits} THEN ${upper} * ${lowerSize} + (${lower} & ${lowerBits}) ELSE ${farAbove} END`,
    )
    const halves = `CAST(${upper} AS DOUBLE) * CAST(${lowerSize} AS DOUBLE) + CAST(${lower} & ${lowerBits} AS DOUBLE)`
    return {
      integer,
      double: `CASE WHEN ${fits} THEN CAST(${integer} AS DOUBLE) ELSE ${halves} END`,
    }
  }

  #sumOf(value: string): string {
    const state = this.#states.scalar({
      type: 'DECIMAL(38,0)',
      partial: `CAST(sum(${value})${this.#filter} AS DECIMAL(38,0))`,
      merge: (column) => `sum(${column})`,
    })
    return `CAST(${state} AS HUGEINT)`
  }
}

interface Means {
  readonly mean: string
  readonly rest: string
}

const powerOfTen = (exponent: number) => `CAST('1e${exponent}' AS DOUBLE)`

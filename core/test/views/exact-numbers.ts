/**
 * The reference for results that DuckDB itself rounds on the way: rational numbers of bigints, rounded to
 * a double once.
 */

/** p/q, q > 0. */
export interface Rational {
  readonly p: bigint
  readonly q: bigint
}

const abs = (value: bigint) => (value < 0n ? -value : value)

/** `-12.50` and the like, without its point; the digits behind it must be `scale`. */
export function unscaled(text: string, scale: number): bigint {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(`${whole === '-' ? '-0' : whole}${fraction.padEnd(scale, '0')}`)
}

/** The nearest double; its error is at most half a unit in the last place. */
export function toDouble({ p, q }: Rational): number {
  if (p === 0n) return 0
  const shift = 120 - (abs(p).toString(2).length - q.toString(2).length)
  const scaled = shift >= 0 ? (abs(p) << BigInt(shift)) / q : abs(p) / (q << BigInt(-shift))
  return Math.sign(Number(p)) * timesPowerOfTwo(Number(scaled), -shift)
}

function timesPowerOfTwo(value: number, exponent: number): number {
  // In two steps: one power alone may leave the range of doubles.
  const half = Math.trunc(exponent / 2)
  return value * 2 ** half * 2 ** (exponent - half)
}

/** The root of a rational number, to 100 bits before it is rounded. */
export function rootOf({ p, q }: Rational): number {
  if (p === 0n) return 0
  const shift =
    2n * BigInt(Math.max(0, 110 - (p.toString(2).length - q.toString(2).length) / 2) | 0)
  const root = integerRoot((p << shift) / q)
  return toDouble({ p: root, q: 1n << (shift / 2n) })
}

function integerRoot(value: bigint): bigint {
  let root = 1n << BigInt((value.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (root + value / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

/** Pairs of integers, and what regressions and deviations are made of. */
export class ExactSums {
  readonly count: bigint
  readonly #sums: { readonly x: bigint; readonly y: bigint }
  readonly #products: { readonly xx: bigint; readonly xy: bigint; readonly yy: bigint }

  constructor(pairs: readonly (readonly [x: bigint, y: bigint])[]) {
    const total = (value: (x: bigint, y: bigint) => bigint) =>
      pairs.reduce((sum, [x, y]) => sum + value(x, y), 0n)
    this.count = BigInt(pairs.length)
    this.#sums = { x: total((x) => x), y: total((_, y) => y) }
    this.#products = {
      xx: total((x) => x * x),
      xy: total((x, y) => x * y),
      yy: total((_, y) => y * y),
    }
  }

  /** n·Σxy - Σx·Σy: n² times the covariance. */
  get xx(): bigint {
    return this.count * this.#products.xx - this.#sums.x ** 2n
  }

  get xy(): bigint {
    return this.count * this.#products.xy - this.#sums.x * this.#sums.y
  }

  get yy(): bigint {
    return this.count * this.#products.yy - this.#sums.y ** 2n
  }

  get x(): bigint {
    return this.#sums.x
  }

  get y(): bigint {
    return this.#sums.y
  }
}

/** Random numbers from a seed: the same seed gives the same traffic on every machine. */

export interface Random {
  /** An integer in [0, 2^32). */
  next(): number
  /** A number in [0, 1). */
  fraction(): number
  /** An integer in [0, bound). */
  below(bound: number): number
}

/** sfc32, seeded through splitmix32 so that neighbouring seeds have nothing in common. */
export function createRandom(seed: number): Random {
  let mixed = seed | 0
  const mix = () => {
    mixed = (mixed + 0x9e3779b9) | 0
    let z = mixed ^ (mixed >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    return z ^ (z >>> 15)
  }
  let a = mix()
  let b = mix()
  let c = mix()
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  return {
    next,
    fraction: () => next() / 0x100000000,
    below: (bound) => Math.floor((next() / 0x100000000) * bound),
  }
}

const lookupSize = 4096

/** Indexes in proportion to their weights: one table look-up per draw. */
export function weightedLookup(weights: readonly number[]): (random: Random) => number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const table = new Uint16Array(lookupSize)
  let index = 0
  let reached = weights[0] ?? 0
  for (let slot = 0; slot < lookupSize; slot += 1) {
    while ((slot + 0.5) * total > reached * lookupSize && index < weights.length - 1) {
      index += 1
      reached += weights[index] ?? 0
    }
    table[slot] = index
  }
  return (random) => table[random.next() >>> 20] ?? 0
}

/** Zipf: the k-th item is drawn in proportion to 1 / k^exponent. */
export function zipfWeights(count: number, exponent: number): number[] {
  return Array.from({ length: count }, (_, index) => 1 / (index + 1) ** exponent)
}

/** Values at evenly spaced quantiles: a draw from any distribution by one look-up. */
export function quantileLookup(quantile: (q: number) => number): (random: Random) => number {
  const table = Float64Array.from({ length: lookupSize }, (_, slot) =>
    quantile((slot + 0.5) / lookupSize),
  )
  return (random) => table[random.next() >>> 20] ?? 0
}

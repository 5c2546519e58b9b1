/** The seam as a model: {@link ./speed.ts} writes, {@link ./serving.ts} publishes and reads. */
import type { Model } from './explorer.ts'
import { invariants, stepInvariants } from './invariants.ts'
import type { Rules } from './rules.ts'
import { batchSteps, closedReader, readerSteps } from './serving.ts'
import { hotStoreLoss, idleWorker, speedSteps } from './speed.ts'
import { covers, type Scope, type State } from './state.ts'

export function seamModel(scope: Scope, rules: Rules): Model<State> {
  return {
    initial: initialState(scope),
    *steps(state) {
      yield* speedSteps(state, scope, rules)
      yield* hotStoreLoss(state, scope)
      yield* batchSteps(state, rules)
      if (scope.hasReader) yield* readerSteps(state, scope, rules)
    },
    keyOf: keyOf(sameWork(scope)),
    invariants: invariants(scope),
    stepInvariants,
    isGoal: (state) => isAllDone(state, scope),
  }
}

function initialState({ recordCounts, workers, batchCount }: Scope): State {
  const zero = recordCounts.map(() => 0)
  const nothing = { offsets: zero, rows: zero }
  return {
    lake: { raw: nothing, rejected: nothing, curated: nothing },
    hot: recordCounts.map(() => null),
    published: nothing,
    workers: workers.map(() => idleWorker(zero)),
    batches: Array.from({ length: batchCount }, () => null),
    reader: closedReader(zero),
  }
}

/** Everything is in the lake, published and read. */
function isAllDone({ lake, published, reader }: State, scope: Scope): boolean {
  const ends = scope.recordCounts
  const isPublished = scope.batchCount === 0 || covers(published.offsets, ends)
  const isRead =
    covers(reader.lake.offsets, ends) && covers(reader.batch.offsets, published.offsets)
  return covers(lake.curated.offsets, ends) && isPublished && (!scope.hasReader || isRead)
}

/**
 * A step changes one or two parts of a state and shares the others, so each part is made text once and
 * named by a number.
 */
function keyOf(areWorkersAlike: boolean): (state: State) => string {
  const numbers = new Map<string, number>()
  const known = new WeakMap<object, number>()
  const numberOf = (part: object | null) => {
    if (part === null) return -1
    const seen = known.get(part)
    if (seen !== undefined) return seen
    const text = JSON.stringify(part)
    const number = numbers.get(text) ?? numbers.size
    numbers.set(text, number)
    known.set(part, number)
    return number
  }
  return ({ lake, hot, published, workers, batches, reader }) => {
    const stores = `${numberOf(lake)},${numberOf(hot)},${numberOf(published)},${numberOf(reader)}`
    const working = workers.map(numberOf)
    // Two workers of the same partitions may change places.
    if (areWorkersAlike) working.sort((a, b) => a - b)
    return `${stores},${working},${batches.map(numberOf)}`
  }
}

function sameWork({ workers }: Scope): boolean {
  return workers.every((partitions) => `${partitions}` === `${workers[0]}`)
}

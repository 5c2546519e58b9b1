/**
 * Strategy: every state that the seam can reach at small size is visited, with two workers of the same
 * partitions, lost hot stores and deaths at every point (`docs/seam.md`).
 * Invariants: those of `invariants.ts`; and whatever has happened, all can still be brought to the end.
 * A list of planted mistakes shows that the model can fail.
 */
import { describe, expect, it } from 'vitest'
import { describeCounterexample, explore, goalInReach, type Model } from './explorer.ts'
import { mistakes } from './mistakes.ts'
import { seamModel } from './model.ts'
import { rules } from './rules.ts'
import { scopes } from './scopes.ts'

describe('the seam', () => {
  it.each(scopes.map((scope) => [scope.name, scope] as const))('holds: %s', (name, scope) => {
    const { stateCount, stepCount, counterexample } = explore(seamModel(scope, rules))
    console.log(`${name}: ${stateCount} states, ${stepCount} steps`)
    expect(counterexample === null ? '' : describeCounterexample(counterexample)).toBe('')
    expect(stateCount).toBeGreaterThan(500)
  })
})

describe('a planted mistake is found', () => {
  it.each(mistakes.map((mistake) => [mistake.name, mistake] as const))('%s', (_, mistake) => {
    const scope = scopes.find(({ name }) => name === mistake.scope)
    if (scope === undefined) throw new Error(`No scope is named '${mistake.scope}'.`)
    const { counterexample } = explore(seamModel(scope, mistake.rules))
    expect(counterexample?.violated).toMatch(new RegExp(`^${mistake.breaks}`))
    expect(counterexample?.steps.length).toBeGreaterThan(0)
  })
})

describe('the explorer', () => {
  /** Counts to three; from two on there is no way back. */
  const counter: Model<number> = {
    initial: 0,
    *steps(count) {
      if (count === 1) yield ['one less', 0]
      if (count < 3) yield ['one more', count + 1]
    },
    keyOf: String,
    invariants: [],
    stepInvariants: [],
    isGoal: (count) => count === 3,
  }

  it('visits each state once', () => {
    expect(explore(counter)).toEqual({ stateCount: 4, stepCount: 4, counterexample: null })
  })

  it('gives the shortest way to a state that must not be', () => {
    const model = { ...counter, invariants: [{ name: 'small', holds: (n: number) => n < 2 }] }
    const steps = ['one more', 'one more']
    expect(explore(model).counterexample).toEqual({ violated: 'small', steps })
    expect(describeCounterexample({ violated: 'small', steps })).toBe(
      'Violated: small\n  1. one more\n  2. one more',
    )
  })

  it('gives the shortest way to a step that must not be', () => {
    const rises = { name: 'rises', holds: (before: number, after: number) => after > before }
    const { counterexample } = explore({ ...counter, stepInvariants: [rises] })
    expect(counterexample).toEqual({ violated: 'rises', steps: ['one more', 'one less'] })
  })

  it('gives the nearest state from which the goal is out of reach', () => {
    const { counterexample } = explore({ ...counter, isGoal: (count) => count === 1 })
    expect(counterexample).toEqual({ violated: goalInReach, steps: ['one more', 'one more'] })
  })
})

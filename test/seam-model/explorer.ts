/**
 * Visits every state that a model can reach, breadth first, so that the first violation found has the
 * shortest way to it. Afterwards it looks from which states the goal can no longer be reached.
 */

/** A mishap may happen, but nobody may rely on it to reach the goal. */
export type Step<State> = readonly [sentence: string, next: State, kind?: 'mishap']

export interface Model<State> {
  readonly initial: State
  /** Everything that may happen next, with a sentence for it. */
  steps(state: State): Iterable<Step<State>>
  /** Two states are the same if and only if their keys are. */
  keyOf(state: State): string
  /** What is true in each state; the name is a sentence of fact. */
  readonly invariants: readonly Invariant<State>[]
  /** What is true of each step. */
  readonly stepInvariants: readonly StepInvariant<State>[]
  /** Must stay within reach without a further mishap, whatever has happened. */
  isGoal(state: State): boolean
}

export interface Invariant<State> {
  readonly name: string
  readonly holds: (state: State) => boolean
}

export interface StepInvariant<State> {
  readonly name: string
  readonly holds: (before: State, after: State) => boolean
}

export interface Exploration {
  readonly stateCount: number
  readonly stepCount: number
  /** Null when everything holds. */
  readonly counterexample: Counterexample | null
}

export interface Counterexample {
  readonly violated: string
  /** Sentences of the steps from the initial state on. */
  readonly steps: readonly string[]
}

/** The name under which a state from which the goal is out of reach is reported. */
export const goalInReach = 'the goal stays within reach'

export function explore<State>(model: Model<State>, statesMax = 2_000_000): Exploration {
  const search = new Search(model, statesMax)
  const violated = search.run()
  const counterexample = violated ?? search.stuck()
  return { stateCount: search.stateCount, stepCount: search.stepCount, counterexample }
}

/** For people: one step per line. */
export function describeCounterexample({ violated, steps }: Counterexample): string {
  const lines = steps.map((sentence, index) => `${String(index + 1).padStart(3)}. ${sentence}`)
  return [`Violated: ${violated}`, ...lines].join('\n')
}

class Search<State> {
  readonly #model: Model<State>
  readonly #statesMax: number
  readonly #indexes = new Map<string, number>()
  /** States that have not been looked at yet; looked at, they are let go. */
  readonly #states: (State | null)[] = []
  readonly #parents: number[] = []
  readonly #sentences: string[] = []
  readonly #goals: number[] = []
  /** Pairs: from, to. Mishaps are left out. */
  readonly #edges: number[] = []
  stepCount = 0

  constructor(model: Model<State>, statesMax: number) {
    this.#model = model
    this.#statesMax = statesMax
  }

  get stateCount(): number {
    return this.#states.length
  }

  run(): Counterexample | null {
    const { initial, steps } = this.#model
    const first = this.#visit(initial, -1, '', true)
    if (first !== null) return first
    for (let index = 0; index < this.#states.length; index += 1) {
      const state = this.#states[index] as State
      this.#states[index] = null
      for (const [sentence, next, kind] of steps.call(this.#model, state)) {
        this.stepCount += 1
        const broken = this.#model.stepInvariants.find(({ holds }) => !holds(state, next))
        if (broken !== undefined) {
          return { violated: broken.name, steps: [...this.#way(index), sentence] }
        }
        const violated = this.#visit(next, index, sentence, kind === 'mishap')
        if (violated !== null) return violated
      }
    }
    return null
  }

  /** The nearest state from which no way leads to the goal. */
  stuck(): Counterexample | null {
    const canReach = this.#statesThatReach(this.#goals)
    const index = canReach.indexOf(0)
    return index === -1 ? null : { violated: goalInReach, steps: this.#way(index) }
  }

  #visit(state: State, parent: number, sentence: string, isMishap: boolean): Counterexample | null {
    const key = this.#model.keyOf(state)
    const known = this.#indexes.get(key)
    if (!isMishap) this.#edges.push(parent, known ?? this.#states.length)
    if (known !== undefined) return null
    const index = this.#states.length
    if (index >= this.#statesMax) throw new Error(`More than ${this.#statesMax} states.`)
    this.#indexes.set(key, index)
    this.#states.push(state)
    this.#parents.push(parent)
    this.#sentences.push(sentence)
    if (this.#model.isGoal(state)) this.#goals.push(index)
    const broken = this.#model.invariants.find(({ holds }) => !holds(state))
    return broken === undefined ? null : { violated: broken.name, steps: this.#way(index) }
  }

  #way(index: number): string[] {
    const sentences: string[] = []
    for (let at = index; at > 0; at = this.#parents[at] ?? 0) {
      sentences.push(this.#sentences[at] ?? '')
    }
    return sentences.reverse()
  }

  /** Backwards over all edges; 1 for each state that is found. */
  #statesThatReach(goals: readonly number[]): Uint8Array {
    const { starts, sources } = this.#edgesByTarget()
    const found = new Uint8Array(this.stateCount)
    const open = [...goals]
    for (const goal of goals) found[goal] = 1
    for (let target = open.pop(); target !== undefined; target = open.pop()) {
      for (let at = starts[target] ?? 0; at < (starts[target + 1] ?? 0); at += 1) {
        const source = sources[at] ?? 0
        if (found[source] === 1) continue
        found[source] = 1
        open.push(source)
      }
    }
    return found
  }

  /** `sources` from `starts[t]` to `starts[t + 1]` are the states with a step to `t`. */
  #edgesByTarget(): { readonly starts: Int32Array; readonly sources: Int32Array } {
    const edges = this.#edges
    const starts = new Int32Array(this.stateCount + 2)
    for (let at = 1; at < edges.length; at += 2) {
      const slot = (edges[at] ?? 0) + 2
      starts[slot] = (starts[slot] ?? 0) + 1
    }
    for (let at = 1; at < starts.length; at += 1) {
      starts[at] = (starts[at] ?? 0) + (starts[at - 1] ?? 0)
    }
    const sources = new Int32Array(edges.length / 2)
    for (let at = 0; at < edges.length; at += 2) {
      const slot = (edges[at + 1] ?? 0) + 1
      const place = starts[slot] ?? 0
      sources[place] = edges[at] ?? 0
      starts[slot] = place + 1
    }
    return { starts, sources }
  }
}

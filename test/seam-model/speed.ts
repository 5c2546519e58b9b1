/** The model's speed workers. A zombie is a worker like any other: nothing here asks who is assigned. */
import type { Step as Explored } from './explorer.ts'
import type { Rules } from './rules.ts'
import {
  addRows,
  at,
  type Covered,
  type HotPartition,
  type LakeCommit,
  type Offsets,
  type Range,
  type Reader,
  replaceAt,
  rowsBetween,
  rowsOfRanges,
  type Scope,
  type Sink,
  type State,
  sinks,
  type Worker,
} from './state.ts'

type Step = Explored<State>

export function idleWorker(zero: Offsets): Worker {
  return {
    phase: 'idle',
    seen: { raw: zero, rejected: zero, curated: zero },
    positions: zero,
    hot: zero,
    pendingFrom: zero,
    resets: [],
    commit: null,
  }
}

export function* speedSteps(state: State, scope: Scope, rules: Rules): Generator<Step> {
  for (const [index, worker] of state.workers.entries()) {
    const name = `worker ${'AB'[index]}`
    const partitions = scope.workers[index] ?? []
    const become = (next: Worker, changed: Partial<State> = {}): State => ({
      ...state,
      ...changed,
      workers: replaceAt(state.workers, index, next),
    })
    const world = { state, scope, rules, name, partitions, become }
    yield* beginSteps(world, worker)
    if (worker.phase === 'running') yield* runningSteps(world, worker)
    if (worker.commit !== null) yield* commitSteps(world, worker, worker.commit)
    const dead = idleWorker(scope.recordCounts.map(() => 0))
    if (worker.phase !== 'idle' || worker.commit !== null)
      yield [`${name} dies`, become(dead), 'mishap']
  }
}

export function* hotStoreLoss(state: State, scope: Scope): Generator<Step> {
  const zero = scope.recordCounts.map(() => 0)
  if (state.hot.every((partition) => partition === null)) return
  const hot = zero.map(() => null)
  if (scope.hotStoreDies === 'alone') {
    yield ['the hot store is lost', { ...state, hot }, 'mishap']
    yield* fallsBack(state)
  } else {
    const workers = state.workers.map(() => idleWorker(zero))
    yield ['the hot store is lost, and the workers with it', { ...state, hot, workers }, 'mishap']
  }
}

/** It is started again from a copy that does not have the newest range yet. */
function* fallsBack(state: State): Generator<Step> {
  for (const [partition, stored] of state.hot.entries()) {
    const last = stored?.ranges.at(-1)
    if (stored === null || last === undefined) continue
    const older = { end: last.from, ranges: stored.ranges.slice(0, -1) }
    const hot = replaceAt(state.hot, partition, older)
    yield [
      `the hot store forgets [${last.from}, ${last.until}) of partition ${partition}`,
      { ...state, hot },
      'mishap',
    ]
  }
}

interface World {
  readonly state: State
  readonly scope: Scope
  readonly rules: Rules
  readonly name: string
  readonly partitions: readonly number[]
  readonly become: (next: Worker, changed?: Partial<State>) => State
}

/** `speed-layer/pipeline-worker.ts`, `#start`: the stores are looked at one after the other. */
function* beginSteps({ state, scope, rules, name, partitions, become }: World, worker: Worker) {
  const { lake, hot } = state
  if (worker.phase === 'idle') {
    const seen = {
      raw: lake.raw.offsets,
      rejected: lake.rejected.offsets,
      curated: lake.curated.offsets,
    }
    yield [
      `${name} begins: reads the lake's offsets`,
      become({ ...worker, phase: 'starting', seen }),
    ] as const
  }
  if (worker.phase === 'starting') {
    const ends = hot.map((stored) => stored?.end ?? null)
    const start = rules.start(partitions, { ...worker.seen, hot: ends }, scope.recordCounts)
    const next: Worker = {
      ...worker,
      phase: start.resets.length > 0 ? 'resetting' : 'running',
      positions: start.from,
      pendingFrom: start.from,
      hot: start.hot,
      resets: start.resets,
    }
    yield [
      `${name} reads the hot store's ends, will read the log from ${start.from}`,
      become(next),
    ] as const
  }
  if (worker.phase === 'resetting') {
    const [reset, ...resets] = worker.resets
    if (reset === undefined) throw new Error('A worker that has nothing to reset is running.')
    const next: Worker = { ...worker, phase: resets.length > 0 ? 'resetting' : 'running', resets }
    const anew = { end: reset.until, ranges: [] }
    const changed = { hot: replaceAt(hot, reset.partition, anew) }
    yield [
      `${name} resets partition ${reset.partition} of the hot store to ${reset.until}`,
      become(next, changed),
    ] as const
  }
}

function* runningSteps(world: World, worker: Worker): Generator<Step> {
  const { scope, name, partitions, become } = world
  if (worker.commit?.isFailed) {
    yield [`${name} notices that its commit failed`, become(beginAgain(worker, null))]
  }
  for (const partition of partitions) {
    const end = scope.recordCounts[partition] ?? 0
    for (let until = at(worker.positions, partition) + 1; until <= end; until += 1) {
      yield microBatch(world, worker, partition, until)
    }
  }
  const hasPending = partitions.some(
    (partition) => at(worker.positions, partition) > at(worker.pendingFrom, partition),
  )
  if (hasPending && worker.commit === null) {
    const commit = newCommit(world, worker)
    const next = { ...worker, pendingFrom: worker.positions, commit }
    yield [
      `${name} freezes ${worker.pendingFrom} to ${worker.positions} for a lake commit`,
      become(next),
    ]
  }
}

/** `#appendHot` and `#advance`: between them nobody else can see a difference. */
function microBatch(
  { state, rules, name, become }: World,
  worker: Worker,
  partition: number,
  until: number,
): Step {
  const from = Math.max(at(worker.positions, partition), at(worker.hot, partition))
  const positions = replaceAt(worker.positions, partition, until)
  if (from >= until) {
    return [
      `${name} reads partition ${partition} up to ${until}; the hot store has it`,
      become({ ...worker, positions }),
    ]
  }
  const stored = state.hot[partition] ?? null
  const range = { partition, from, until }
  if (!rules.acceptsAppend(stored?.end ?? null, from)) {
    return [
      `${name} appends [${from}, ${until}) of partition ${partition} to the hot store: refused, it begins again`,
      become(beginAgain(worker, worker.commit)),
    ]
  }
  const appended: HotPartition = { end: until, ranges: [...(stored?.ranges ?? []), range] }
  const next = { ...worker, positions, hot: replaceAt(worker.hot, partition, until) }
  return [
    `${name} appends [${from}, ${until}) of partition ${partition} to the hot store`,
    become(next, { hot: replaceAt(state.hot, partition, appended) }),
  ]
}

/** `speed-layer/run.ts`, `consumeUntilAborted`: pending rows are dropped, a running commit goes on. */
function beginAgain(worker: Worker, commit: LakeCommit | null): Worker {
  return { ...idleWorker(worker.positions.map(() => 0)), commit }
}

/** `speed-layer/lake-commit.ts`, `missingOf`. */
function newCommit({ rules, partitions }: World, worker: Worker): LakeCommit {
  const { pendingFrom: from, positions: until, seen } = worker
  const missing = sinks.map((sink) => [
    sink,
    partitions
      .map((partition) => ({
        partition,
        from: at(seen[sink], partition),
        until: at(until, partition),
      }))
      .filter((range) => range.until > range.from),
  ])
  const isBelow = sinks.some((sink) =>
    partitions.some((partition) => at(seen[sink], partition) < at(from, partition)),
  )
  if (isBelow && rules.noticesMissingRows) return failedCommit(from)
  const missingOf = Object.fromEntries(missing) as LakeCommit['missing']
  return { from, until, missing: missingOf, done: 0, isFailed: false }
}

/** What a failed commit wanted makes no difference any more. */
function failedCommit(offsets: Offsets): LakeCommit {
  const zero = offsets.map(() => 0)
  const missing = { raw: [], rejected: [], curated: [] }
  return { from: zero, until: zero, missing, done: 0, isFailed: true }
}

/** Nor does what a table lacked that has it now. */
function withoutDone({ missing }: LakeCommit, step: Sink | 'trim' | undefined) {
  return step === undefined || step === 'trim' ? {} : { missing: { ...missing, [step]: [] } }
}

function* commitSteps(world: World, worker: Worker, commit: LakeCommit): Generator<Step> {
  if (commit.isFailed) return
  const { rules, name, become, state, partitions } = world
  const step = rules.commitSteps[commit.done]
  const isLast = commit.done === rules.commitSteps.length - 1
  const done = isLast ? null : { ...commit, ...withoutDone(commit, step), done: commit.done + 1 }
  if (step === 'trim') {
    const offsets = rules.trimOffsets === 'committed' ? commit.until : worker.positions
    const hot = state.hot.map((stored, partition) =>
      stored === null || !partitions.includes(partition)
        ? stored
        : trimmed(stored, at(offsets, partition)),
    )
    yield [
      `${name} trims the hot store to ${offsets}`,
      become({ ...worker, commit: done }, { hot }),
    ]
    return
  }
  if (step !== undefined) yield* appendToLake(world, worker, commit, step, done)
}

/** `stores/lake/table.ts`, `append`: decides on the newest state, which the process then knows. */
function* appendToLake(
  { rules, name, become, state }: World,
  worker: Worker,
  commit: LakeCommit,
  sink: Sink,
  done: LakeCommit | null,
): Generator<Step> {
  const table = state.lake[sink]
  const staged = commit.missing[sink]
  const request = rules.decidesOnce ? staged : rangesAfter(table.offsets, staged)
  if (request.length === 0) {
    yield [`${name} has nothing to commit to ${sink}`, become({ ...worker, commit: done })]
    return
  }
  const verdict = rules.append(table.offsets, request)
  if (verdict === 'commit') {
    const added = stagedRows(commit, staged)
    const next = appended(table, request, added)
    const changed = {
      lake: { ...state.lake, [sink]: next },
      ...seenByReader(state, sink, next, added),
    }
    const seen = { ...worker.seen, [sink]: next.offsets }
    yield [
      `${name} commits ${sink} up to ${next.offsets}`,
      become({ ...worker, seen, commit: done }, changed),
    ]
    yield [
      `${name} commits ${sink} up to ${next.offsets}; it hears of a failure and will repeat it`,
      become({ ...worker, seen, commit }, changed),
    ]
    return
  }
  const seen = { ...worker.seen, [sink]: table.offsets }
  const after = verdict === 'superseded' ? done : failedCommit(commit.from)
  yield [`${name} commits ${sink}: ${verdict}`, become({ ...worker, seen, commit: after })]
}

function rangesAfter(offsets: Offsets, ranges: readonly Range[]): Range[] {
  return ranges
    .map((range) => ({ ...range, from: at(offsets, range.partition) }))
    .filter(({ from, until }) => until > from)
}

/** Files hold those of the pending rows that the table lacks. */
function stagedRows({ from, until }: LakeCommit, ranges: readonly Range[]) {
  return rowsBetween(rowsOfRanges(from.length, ranges), from, until)
}

function appended(
  { offsets, rows }: Covered,
  ranges: readonly Range[],
  added: Covered['rows'],
): Covered {
  const moved = ranges.reduce(
    (all, { partition, until }) => replaceAt(all, partition, until),
    [...offsets],
  )
  return { offsets: moved, rows: addRows(rows, added) }
}

/** A reader that is up finds the commit when it next looks. */
function seenByReader(
  { reader }: State,
  sink: Sink,
  { offsets }: Covered,
  rows: Covered['rows'],
): { reader?: Reader } {
  if (sink !== 'curated' || reader.phase !== 'open') return {}
  return { reader: { ...reader, unseen: [...reader.unseen, { offsets, rows }] } }
}

function trimmed({ end, ranges }: HotPartition, offset: number): HotPartition {
  return { end, ranges: ranges.filter(({ until }) => until > offset) }
}

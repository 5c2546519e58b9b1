/** The model's batch processes and its reader. A reader writes nothing, so one stands for any number. */
import type { Step as Explored } from './explorer.ts'
import type { Rules } from './rules.ts'
import {
  addRows,
  at,
  type Batch,
  type Covered,
  covers,
  maxOffsets,
  type Offsets,
  type Range,
  type Reader,
  replaceAt,
  rowsBetween,
  rowsOfRanges,
  type Scope,
  type State,
  sameRows,
  type TailSegment,
} from './state.ts'

type Step = Explored<State>

export function closedReader(zero: Offsets): Reader {
  const nothing = { offsets: zero, rows: zero }
  return {
    phase: 'down',
    batch: nothing,
    tailFrom: zero,
    segments: [],
    lake: nothing,
    recent: zero,
    realtime: zero,
    unseen: [],
  }
}

/** `batch-layer/run.ts` and `recompute-view.ts`: take a version, look at what is published, publish. */
export function* batchSteps(state: State, rules: Rules): Generator<Step> {
  for (const [index, batch] of state.batches.entries()) {
    const name = `batch ${index + 1}`
    const become = (next: Batch | null, changed: Partial<State> = {}): State => ({
      ...state,
      ...changed,
      batches: replaceAt(changed.batches ?? state.batches, index, next),
    })
    const { curated } = state.lake
    if (batch === null) {
      yield [`${name} takes curated at ${curated.offsets}`, become({ curated, plan: null })]
      continue
    }
    yield [`${name} dies`, become(null), 'mishap']
    if (batch.plan === null) yield planned(state, batch, name, become)
    else if (!batch.plan.isBaseNewest && rules.replacesOnlyItsBase) {
      yield [`${name} publishes: superseded`, become(null)]
    } else {
      const { rows, offsets } = batch.plan.result
      const stated = rules.publishesSnapshotOffsets ? offsets : curated.offsets
      const batches = state.batches.map((other) =>
        other?.plan ? { ...other, plan: { ...other.plan, isBaseNewest: false } } : other,
      )
      const changed = { published: { offsets: stated, rows }, batches }
      yield [`${name} publishes the view at ${stated}`, become(null, changed)]
    }
  }
}

/** `batch-layer/domain/plan-batch.ts`: nothing new, a hole, or the rows since the published offsets. */
function planned(
  { published }: State,
  { curated }: Batch,
  name: string,
  become: (next: Batch | null) => State,
): Step {
  if (!covers(curated.offsets, published.offsets)) {
    return [`${name} refuses: more is published than its version has`, become(null)]
  }
  if (covers(published.offsets, curated.offsets)) return [`${name} finds nothing new`, become(null)]
  const added = rowsBetween(curated.rows, published.offsets, curated.offsets)
  const result = { offsets: curated.offsets, rows: addRows(published.rows, added) }
  const plan = { result, isBaseNewest: true }
  return [
    `${name} computes from ${published.offsets} to ${curated.offsets}`,
    become({ curated, plan }),
  ]
}

/** `serving-layer/mirror/pipeline-mirror.ts`. */
export function* readerSteps(state: State, scope: Scope, rules: Rules): Generator<Step> {
  const { reader, lake } = state
  const become = (next: Reader): State => ({ ...state, reader: next })
  if (reader.phase !== 'down') {
    yield ['the reader dies', become(closedReader(scope.recordCounts.map(() => 0))), 'mishap']
  }
  if (reader.phase === 'open') {
    yield* lakeSteps(reader, lake.curated, scope, rules, become)
    yield* publishedSteps(reader, state, rules, become)
    yield* hotSteps(reader, state, rules, become)
  } else if (reader.phase === 'down') {
    const first = rules.opensPublishedFirst
      ? { batch: state.published, tailFrom: state.published.offsets }
      : { lake: lake.curated }
    yield [
      'the reader opens: reads the first of published part and lake',
      become({ ...reader, ...first, phase: 'opening' }),
    ]
  } else {
    const opened = rules.opensPublishedFirst
      ? reader
      : { ...reader, batch: state.published, tailFrom: state.published.offsets }
    const snapshot = rules.opensPublishedFirst ? lake.curated : reader.lake
    const next = loaded({ ...opened, phase: 'open' }, snapshot, rules)
    // What was committed since must still be found.
    const unseen = sameRows(snapshot.offsets, lake.curated.offsets)
      ? []
      : [sinceThen(snapshot, lake.curated)]
    yield [
      `the reader is open, with the view at ${next.batch.offsets} and the lake at ${next.lake.offsets}`,
      become({ ...next, unseen }),
    ]
  }
}

function sinceThen(before: Covered, now: Covered): Covered {
  return { offsets: now.offsets, rows: rowsBetween(now.rows, before.offsets, now.offsets) }
}

function* lakeSteps(
  reader: Reader,
  curated: Covered,
  scope: Scope,
  rules: Rules,
  become: (next: Reader) => State,
): Generator<Step> {
  if (reader.unseen.length === 0) return
  yield [`the reader folds up to ${curated.offsets}`, become(folded(reader, curated, scope, rules))]
  // When files of a version were merged meanwhile.
  yield [`the reader loads the lake at ${curated.offsets}`, become(loaded(reader, curated, rules))]
}

/** `#fold`: a segment for each new version. */
function folded(reader: Reader, curated: Covered, scope: Scope, rules: Rules): Reader {
  const added = reader.unseen.map((commit) => ({ ...commit, id: versionOf(commit.offsets) }))
  const segments = joined([...reader.segments, ...added], scope.tailSegmentsMax)
  return { ...moved(reader, curated, rules), segments }
}

/** `#loadSnapshot`: the tail computed again. */
function loaded(reader: Reader, curated: Covered, rules: Rules): Reader {
  return {
    ...moved(reader, curated, rules),
    segments: computedTail(reader.batch.offsets, curated),
    tailFrom: reader.batch.offsets,
  }
}

function computedTail(from: Offsets, { offsets, rows }: Covered): TailSegment[] {
  if (covers(from, offsets)) return []
  return [{ id: versionOf(offsets), offsets, rows: rowsBetween(rows, from, offsets) }]
}

/** `#moveToLake`: recent rows below the version go. */
function moved(reader: Reader, curated: Covered, rules: Rules): Reader {
  const realtime = maxOffsets(reader.realtime, curated.offsets)
  const recent = rules.dropsRecentRows
    ? rowsBetween(reader.recent, curated.offsets, realtime)
    : reader.recent
  return { ...reader, lake: curated, realtime, recent, unseen: [] }
}

/** `serving-layer/domain/tail.ts`, `joinThrough`: the older half becomes one. */
function joined(segments: readonly TailSegment[], segmentsMax: number): readonly TailSegment[] {
  if (segments.length <= segmentsMax) return segments
  const middle = Math.floor(segments.length / 2)
  const last = segments[middle]
  if (last === undefined) return segments
  const rows = segments
    .slice(0, middle)
    .reduce((all, segment) => addRows(all, segment.rows), last.rows)
  return [{ ...last, rows }, ...segments.slice(middle + 1)]
}

/** Any order that grows with the version does. */
function versionOf(offsets: Offsets): number {
  return offsets.reduce((sum, offset) => sum + offset, 0)
}

/** `applyBatch` and `ViewMirror.publish`. */
function* publishedSteps(
  reader: Reader,
  { published }: State,
  rules: Rules,
  become: (next: Reader) => State,
): Generator<Step> {
  const isKnown =
    covers(reader.batch.offsets, published.offsets) &&
    covers(published.offsets, reader.batch.offsets)
  if (isKnown && sameRows(reader.batch.rows, published.rows)) return
  // Else it follows the lake first, which is a step of its own here.
  if (rules.requiresLake && !covers(reader.lake.offsets, published.offsets)) return
  const change = rules.cutTail(reader.tailFrom, reader.segments, published.offsets)
  const segments =
    change.kind === 'cut'
      ? reader.segments.filter(({ id }) => id > (change.dropThrough ?? -1))
      : computedTail(published.offsets, reader.lake)
  const next = { ...reader, batch: published, tailFrom: published.offsets, segments }
  yield [`the reader takes over the published view at ${published.offsets}`, become(next)]
}

/** `applyHot`: the first range above what is visible; several at once are several such steps. */
function* hotSteps(
  reader: Reader,
  { hot }: State,
  rules: Rules,
  become: (next: Reader) => State,
): Generator<Step> {
  for (const [partition, stored] of hot.entries()) {
    const position = at(reader.realtime, partition)
    const range = stored?.ranges.find(({ until }) => until > position)
    // A range that begins above is a hole: the reader looks in the lake, a step of its own here.
    if (range === undefined || (range.from > position && rules.looksForHoles)) continue
    const realtime = replaceAt(reader.realtime, partition, range.until)
    const recent = addRows(reader.recent, rowsOfHotRange(range, reader.realtime, realtime, rules))
    yield [
      `the reader applies [${range.from}, ${range.until}) of partition ${partition}`,
      become({ ...reader, realtime, recent }),
    ]
  }
}

function rowsOfHotRange(range: Range, visible: Offsets, realtime: Offsets, rules: Rules) {
  const rows = rowsOfRanges(visible.length, [range])
  return rules.cutsHotRanges ? rowsBetween(rows, visible, realtime) : rows
}

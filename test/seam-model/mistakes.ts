/** Planted mistakes: each breaks one rule, and the model must find a way to a wrong answer. */
import { type Rules, rules, type SinkOffsets } from './rules.ts'
import { at, type Offsets, sinks } from './state.ts'

export interface Mistake {
  readonly name: string
  /** By the name of a scope in which it shows. */
  readonly scope: string
  /** The start of the invariant that breaks first. */
  readonly breaks: string
  readonly rules: Rules
}

const stuck = 'the goal'

export const mistakes: readonly Mistake[] = [
  {
    name: 'the hot store takes a range wherever it begins',
    scope: 'two workers',
    breaks: 'c.',
    rules: { ...rules, acceptsAppend: () => true },
  },
  {
    name: 'curated is committed before raw',
    scope: 'two workers',
    breaks: 'b.',
    rules: { ...rules, commitSteps: ['curated', 'raw', 'rejected', 'trim'] },
  },
  {
    name: 'the hot store is trimmed before curated is committed',
    scope: 'two workers',
    breaks: 'e.',
    rules: { ...rules, commitSteps: ['raw', 'rejected', 'trim', 'curated'] },
  },
  {
    name: 'the hot store is trimmed up to its end',
    scope: 'two workers',
    breaks: 'e.',
    rules: { ...rules, trimOffsets: 'visible' },
  },
  {
    name: 'reading starts at the highest offsets of the sinks',
    scope: 'two workers',
    breaks: 'd.',
    rules: { ...rules, start: startAtHighest },
  },
  {
    name: 'reading starts where the hot store ends',
    scope: 'two workers',
    breaks: stuck,
    rules: { ...rules, start: startAtHotEnd },
  },
  {
    name: 'reading starts there, and a table that ends below the rows is not noticed',
    scope: 'two workers',
    breaks: 'a.',
    rules: { ...rules, start: startAtHotEnd, noticesMissingRows: false },
  },
  {
    name: 'a worker that begins appends from the lake on, whatever the hot store has',
    scope: 'two workers',
    breaks: stuck,
    rules: { ...rules, start: startWithoutHot },
  },
  {
    name: 'a hot store that ends below the lake is not reset',
    scope: 'reader, the hot store on its own',
    breaks: stuck,
    rules: { ...rules, start: (...given) => ({ ...rules.start(...given), resets: [] }) },
  },
  {
    name: 'a zombie may commit rows that the table has in part',
    scope: 'two workers',
    breaks: 'a.',
    rules: { ...rules, append: appendAfterZombie },
  },
  {
    name: 'who lost a race, or repeats a commit, commits all the same',
    scope: 'two workers',
    breaks: 'a.',
    rules: { ...rules, append: () => 'commit' },
  },
  {
    name: 'a partition that is covered hides one that is not',
    scope: 'two partitions',
    breaks: 'b.',
    rules: { ...rules, append: appendWhenAnyIsCovered },
  },
  {
    name: 'what a table lacks is decided again after files were staged',
    scope: 'two workers',
    breaks: 'a.',
    rules: { ...rules, decidesOnce: false },
  },
  {
    name: 'a batch states newer offsets than those of its rows',
    scope: 'reader',
    breaks: 'f.',
    rules: { ...rules, publishesSnapshotOffsets: false },
  },
  {
    name: 'a batch replaces a version that it did not start from',
    scope: 'two batches',
    breaks: 'i.',
    rules: { ...rules, replacesOnlyItsBase: false },
  },
  {
    name: 'a reader takes hot ranges that begin above what is visible',
    scope: 'reader',
    breaks: 'h.',
    rules: { ...rules, looksForHoles: false },
  },
  {
    name: 'a reader takes all rows of a hot range that begins below what is visible',
    scope: 'reader',
    breaks: 'h.',
    rules: { ...rules, cutsHotRanges: false },
  },
  {
    name: 'a reader keeps recent rows that the lake has',
    scope: 'reader',
    breaks: 'h.',
    rules: { ...rules, dropsRecentRows: false },
  },
  {
    name: 'a reader takes over a view that its lake does not cover',
    scope: 'reader',
    breaks: 'g.',
    rules: { ...rules, requiresLake: false },
  },
  {
    name: 'a reader opens the lake before the published part',
    scope: 'reader',
    breaks: 'g.',
    rules: { ...rules, opensPublishedFirst: false },
  },
  {
    name: 'a published batch takes away the tail segment that it ends in',
    scope: 'reader',
    breaks: 'h.',
    rules: { ...rules, cutTail: cutOneTooMany },
  },
  {
    name: 'a published batch leaves the tail segment that it ends in as it is',
    scope: 'reader',
    breaks: 'h.',
    rules: { ...rules, cutTail: neverRebuilt },
  },
]

type Start = Rules['start']
type Append = Rules['append']
type CutTail = Rules['cutTail']

function startAtHighest(...[partitions, offsets, ends]: Parameters<Start>) {
  const highest = ends.map((_, p) => Math.max(...sinks.map((sink) => at(offsets[sink], p))))
  const hot = ends.map((_, p) => Math.max(offsets.hot[p] ?? 0, highest[p] ?? 0))
  return { ...rules.start(partitions, offsets, ends), from: highest, hot }
}

function startAtHotEnd(...[partitions, offsets, ends]: Parameters<Start>) {
  const start = rules.start(partitions, offsets, ends)
  return { ...start, from: start.hot }
}

function startWithoutHot(...[partitions, offsets, ends]: Parameters<Start>) {
  const unknown: SinkOffsets = { ...offsets, hot: ends.map(() => null) }
  return rules.start(partitions, unknown, ends)
}

function appendAfterZombie(...given: Parameters<Append>) {
  const verdict = rules.append(...given)
  return verdict === 'refused' ? 'commit' : verdict
}

function appendWhenAnyIsCovered(...[stored, ranges]: Parameters<Append>) {
  const isAnyCovered = ranges.some(({ partition, until }) => at(stored, partition) >= until)
  return isAnyCovered ? 'superseded' : rules.append(stored, ranges)
}

function cutOneTooMany(...[from, segments, batch]: Parameters<CutTail>): ReturnType<CutTail> {
  const change = rules.cutTail(from, segments, batch)
  if (change.kind === 'cut') return change
  const cut = segments.find(({ offsets }) => isBelow(batch, offsets))
  return { kind: 'cut', dropThrough: cut?.id ?? null }
}

function neverRebuilt(...[from, segments, batch]: Parameters<CutTail>): ReturnType<CutTail> {
  const change = rules.cutTail(from, segments, batch)
  return change.kind === 'cut' ? change : { kind: 'cut', dropThrough: null }
}

function isBelow(left: Offsets, right: Offsets): boolean {
  return left.some((offset, partition) => offset < at(right, partition))
}

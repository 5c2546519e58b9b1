/** What must hold in every state of the model: the invariants of `docs/seam.md`, by their letters. */
import type { Invariant, StepInvariant } from './explorer.ts'
import { addRows, at, covers, rowsBelow, type Scope, type State, sameRows, sinks } from './state.ts'

export function invariants({ hotStoreDies }: Scope): Invariant<State>[] {
  const always: Invariant<State>[] = [
    {
      name: 'a. a table has each of its rows below its offsets once, and no other',
      holds: ({ lake }) => sinks.every((sink) => isComplete(lake[sink])),
    },
    {
      name: 'b. curated is covered by rejected, and rejected by raw',
      holds: ({ lake: { raw, rejected, curated } }) =>
        covers(raw.offsets, rejected.offsets) && covers(rejected.offsets, curated.offsets),
    },
    { name: 'c. hot ranges follow on each other up to the end', holds: isHotContiguous },
    {
      name: 'f. a published version is complete, and curated covers it',
      holds: ({ published, lake }) =>
        isComplete(published) && covers(lake.curated.offsets, published.offsets),
    },
    {
      name: 'g. a reader has batch offsets below lake offsets below realtime offsets',
      holds: ({ reader }) =>
        reader.phase !== 'open' ||
        (covers(reader.lake.offsets, reader.batch.offsets) &&
          covers(reader.realtime, reader.lake.offsets)),
    },
    {
      name: 'h. a reader shows each record below its realtime offsets once, and no other',
      holds: isAnswerExact,
    },
  ]
  return hotStoreDies === 'alone'
    ? always
    : [...always, { name: 'd. hot ranges begin at or below the lake offsets', holds: isHotJoined }]
}

export const stepInvariants: StepInvariant<State>[] = [
  { name: 'e. only what curated has is trimmed', holds: isTrimCovered },
  {
    name: 'i. offsets of a table, a view and a living reader never go back',
    holds: (before, after) =>
      sinks.every((sink) => covers(after.lake[sink].offsets, before.lake[sink].offsets)) &&
      covers(after.published.offsets, before.published.offsets) &&
      isReaderAhead(before, after),
  },
]

function isComplete({ rows, offsets }: State['published']): boolean {
  return sameRows(rows, rowsBelow(offsets))
}

function isHotContiguous({ hot }: State): boolean {
  return hot.every((stored) => {
    if (stored === null) return true
    const { ranges, end } = stored
    return ranges.every(({ from, until }, index) => {
      const next = ranges[index + 1]?.from ?? end
      return from < until && until === next
    })
  })
}

function isHotJoined({ hot, lake }: State): boolean {
  return hot.every((stored, partition) => {
    const first = stored?.ranges[0]
    return first === undefined || first.from <= at(lake.curated.offsets, partition)
  })
}

/** Both ways to ask: the view from its partials, the table from the lake's files. */
function isAnswerExact({ reader }: State): boolean {
  if (reader.phase !== 'open') return true
  const expected = rowsBelow(reader.realtime)
  const tail = reader.segments.reduce((all, { rows }) => addRows(all, rows), reader.batch.rows)
  return (
    sameRows(addRows(tail, reader.recent), expected) &&
    sameRows(addRows(reader.lake.rows, reader.recent), expected)
  )
}

/** Trimming keeps the end; a reset, which does not, is of ranges below the lake (`positions.ts`). */
function isTrimCovered(before: State, after: State): boolean {
  return before.hot.every((stored, partition) => {
    const kept = after.hot[partition] ?? null
    if (stored === null || kept === null || kept.end !== stored.end) return true
    const offset = at(after.lake.curated.offsets, partition)
    return stored.ranges.every((range) => range.until <= offset || kept.ranges.includes(range))
  })
}

function isReaderAhead({ reader: before }: State, { reader: after }: State): boolean {
  if (before.phase !== 'open' || after.phase !== 'open') return true
  return (
    covers(after.realtime, before.realtime) &&
    covers(after.lake.offsets, before.lake.offsets) &&
    covers(after.batch.offsets, before.batch.offsets)
  )
}

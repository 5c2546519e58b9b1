/** What the compiler made of a view, in words: `millrace doctor --explain` prints it. */
import type { Explanation } from './aggregates/aggregate.ts'
import type { Aggregation } from './find-aggregation.ts'
import type { PartialPlan } from './partial-sql.ts'

export interface ViewExplanation {
  /** Each aggregate as the view has it: what it promises, and what it keeps. */
  readonly aggregates: readonly (Explanation & { readonly sql: string })[]
  /** What else was decided, a sentence each. */
  readonly notes: readonly string[]
}

export function explainPlan(
  { keys, groupSets, aggregates }: PartialPlan,
  { levels }: Aggregation,
): ViewExplanation {
  const notes = [
    keys.length === 0
      ? 'Partial: one row for all rows of the table.'
      : `Partial: one row for each ${keys.map(({ sql }) => sql).join(', ')}.`,
  ]
  if (levels.length > 0) {
    notes.push(
      'Below the aggregation the view works row by row: the partial does too, and carries the place of each row in the event log.',
    )
  }
  if (aggregates.sketches.length > 0) {
    const count = aggregates.sketches.length
    notes.push(
      `Partial: ${count === 1 ? 'one aggregate keeps' : `${count} aggregates keep`} more rows per key, told apart by _part, _bucket and values.`,
    )
  }
  if (groupSets !== null) {
    notes.push(
      `Finalize: partials are kept by all keys and merged once more into each of ${groupSets.length} grouping sets.`,
    )
  }
  notes.push(
    'Finalize: everything above the aggregation runs over merged partials; equal rows are ordered by the keys, so that a limit or a window cuts the same rows on every run.',
  )
  return { aggregates: aggregates.explanations, notes }
}

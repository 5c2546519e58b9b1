/** The tables of `docs/views.md`, from what the compiler knows. */
import { aggregateGroups, windowFunctions } from '../../views/aggregates/aggregate-table.ts'

const code = (name: string) => `\`${name}\``
/** A pipe would end the cell. */
const cell = (text: string) => text.replaceAll('|', '\\|')

/** Columns as wide as their widest cell, as the formatter writes them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(cell))
  const widths = head.map((_, index) =>
    Math.max(...cells.map((row) => [...(row[index] ?? '')].length)),
  )
  const line = (row: readonly string[]) =>
    `| ${row.map((text, index) => text + ' '.repeat((widths[index] ?? 0) - [...text].length)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  const [first = [], ...others] = cells
  return [line(first), rule, ...others.map(line)].join('\n')
}

export function aggregateReference(): string {
  const { aggregates, refusals } = aggregateGroups
  const shown = (name: string) => (name === 'count_star' ? 'count(*)' : name)
  const compiled = aggregates.map(([names, { takes, accuracy, states }]) => [
    names.map((name) => code(shown(name))).join(', '),
    takes,
    accuracy,
    states,
  ])
  const refused = refusals.map(([names, { reason, remedy }]) => [
    names.map(code).join(', '),
    reason,
    remedy,
  ])
  return [
    table(['aggregate', 'over', 'answer', 'kept per group'], compiled),
    '',
    'Refused, each with its place in the file, the reason and what to write instead:',
    '',
    table(['aggregate', 'why not', 'instead'], refused),
    '',
    `Window functions (${[...windowFunctions].map(code).join(', ')}) run over results, never over rows of the table.`,
  ].join('\n')
}

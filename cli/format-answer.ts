/** An answer as a table for people, as JSON or as CSV. */

export interface Answer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly unknown[])[]
  /** One entry per view or table and mode that the statement names. */
  readonly coverage: readonly object[]
  readonly isTruncated: boolean
}

export const answerFormats = ['table', 'json', 'csv'] as const
export type AnswerFormat = (typeof answerFormats)[number]

export function formatAnswer(answer: Answer, format: AnswerFormat): string {
  switch (format) {
    case 'table':
      return tableOf(answer)
    case 'json':
      return jsonOf(answer)
    case 'csv':
      return csvOf(answer)
  }
}

/** `coverage` is the entry itself when there is one, else `{"parts": [entry, …]}`. */
function jsonOf({ columns, rows, coverage, isTruncated }: Answer): string {
  const [only, ...others] = coverage
  const shown = only !== undefined && others.length === 0 ? only : { parts: coverage }
  return JSON.stringify({
    columns,
    rows,
    coverage: shown,
    ...(isTruncated ? { isTruncated } : {}),
  })
}

function csvOf({ columns, rows }: Answer): string {
  const lines = [columns.map(({ name }) => name), ...rows].map((row) => row.map(csvField).join(','))
  return lines.join('\n')
}

function csvField(value: unknown): string {
  const text = textOf(value, '')
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const cellWidthMax = 60

function tableOf({ columns, rows, coverage, isTruncated }: Answer): string {
  const cells = rows.map((row) => row.map((value) => cut(textOf(value, 'NULL'))))
  const widths = columns.map(({ name }, index) =>
    Math.max(name.length, ...cells.map((row) => row[index]?.length ?? 0)),
  )
  const isNumber = columns.map(({ type }) => /INT|DECIMAL|DOUBLE|FLOAT/.test(type))
  const line = (row: readonly string[]) =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0
        return isNumber[index] ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '─'.repeat(width)).join('──')
  const count = rows.length === 1 ? '1 row' : `${rows.length} rows`
  const footer = [isTruncated ? `${count}, and there are more` : count, ...coverage.map(sentence)]
  return [line(columns.map(({ name }) => name)), rule, ...cells.map(line), footer.join(' · ')].join(
    '\n',
  )
}

function textOf(value: unknown, absent: string): string {
  if (value === null || value === undefined) return absent
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function cut(text: string): string {
  // A table has one line per row.
  const line = text.replaceAll(/[\p{Cc}]/gu, ' ')
  return line.length <= cellWidthMax ? line : `${line.slice(0, cellWidthMax - 1)}…`
}

/** What the server says about an answer, as far as a person wants to know it. */
function sentence(coverage: object): string {
  const { pipeline, mode, freshnessMs } = coverage as Record<string, unknown>
  const fresh = typeof freshnessMs === 'number' ? `, ${Math.round(freshnessMs)} ms old` : ''
  return `${pipeline} ${mode}${fresh}`
}

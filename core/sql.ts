/** SQL text helpers. Everything that is pasted into SQL goes through one of these. */

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** `['a', 'b']` as a DuckDB list literal of strings. */
export function quoteList(items: readonly string[]): string {
  return `[${items.map(quoteLiteral).join(', ')}]`
}

/** A column: its name and its DuckDB type as text, e.g. `DECIMAL(38,0)`. */
export interface Column {
  readonly name: string
  readonly type: string
}

/** `"ts" TIMESTAMP, "host" VARCHAR`: what CREATE TABLE takes between its parentheses. */
export function columnDefinitions(columns: readonly Column[]): string {
  return columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ')
}

/** Gives a query's text a limit on its rows, so that DuckDB never makes more than are answered. */
import type { StatedLimit } from './guard.ts'

/** How a text takes a limit: as a clause at its end or around it. */
export type LimitForm = 'append' | 'wrap'

/** The forms to try in order; the first one that parses is the one to use. */
export function limitForms(stated: StatedLimit): readonly LimitForm[] {
  return stated.kind === 'none' ? ['append', 'wrap'] : ['wrap']
}

export function boundedSql(sql: string, form: LimitForm, rows: number): string {
  switch (form) {
    case 'append':
      return `${sql}\nLIMIT ${rows}`
    case 'wrap':
      return `SELECT * FROM (\n${sql}\n) AS answer LIMIT ${rows}`
    default:
      return form satisfies never
  }
}

/** Strings, quoted names, dollar quotes, comments, or the semicolon that ends a statement. */
const lexeme =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$|--[^\n]*|\/\*[\s\S]*?\*\/|;/g

/** The text up to the semicolon that ends it. What is left is checked again before it runs. */
export function withoutEnd(sql: string): string {
  for (const { 0: text, index } of sql.matchAll(lexeme)) {
    if (text === ';') return sql.slice(0, index)
  }
  return sql
}

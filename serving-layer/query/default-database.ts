/**
 * `default` is a word of SQL's, so DuckDB wants the database of that name in quotes; every Hive client
 * writes it without. The quotes are added where the word stands before a dot.
 */

/** Texts in which the word means nothing: strings, quoted names, comments. */
const opaque =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$/
const unquoted = /(?<![\w.$])default(?=\s*\.)/
const either = new RegExp(`(${opaque.source})|${unquoted.source}`, 'gi')

export function quoteDefaultDatabase(sql: string): string {
  return sql.replace(either, (text, opaqueText: string | undefined) =>
    opaqueText === undefined ? '"default"' : text,
  )
}

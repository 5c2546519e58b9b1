/** What a file of `sql/macros` may hold: definitions of macros, and nothing that makes or changes data. */
import type { Problem } from './errors.ts'

/** A file whose statements are not all `CREATE MACRO` has a problem for each of the others. */
export function macroFileProblems(file: string, sql: string): readonly Problem[] {
  return statementsOf(sql)
    .filter(({ words }) => !definesMacro.test(words))
    .map(({ line, words }) => ({
      file,
      line,
      message: `The statement '${beginningOf(words)}' is refused: a file of macros takes CREATE MACRO only. Write a macro, or move the statement out of this folder.`,
    }))
}

const definesMacro = /^CREATE (?:OR REPLACE )?(?:(?:TEMP|TEMPORARY) )?(?:MACRO|FUNCTION) /i

interface Statement {
  /** Of its first word, from 1. */
  readonly line: number
  /** Its text with a space for each comment and gap. */
  readonly words: string
}

/** What must be read as one piece, because a semicolon in it ends nothing: quotes, comments, `$tag$`. */
const pieces =
  /(?<gap>\s+|--[^\n]*|\/\*[\s\S]*?\*\/)|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$|[\s\S]/g

function statementsOf(sql: string): readonly Statement[] {
  const statements: Statement[] = []
  let words = ''
  let line = 1
  const end = () => {
    if (words !== '') statements.push({ line, words: words.trim() })
    words = ''
  }
  for (const { 0: piece, index, groups } of sql.matchAll(pieces)) {
    if (piece === ';') end()
    else if (groups?.['gap'] === undefined) {
      if (words === '') line = sql.slice(0, index).split('\n').length
      words += piece
    } else if (words !== '' && !words.endsWith(' ')) words += ' '
  }
  end()
  return statements
}

const shownCharactersMax = 60

function beginningOf(words: string): string {
  return words.length <= shownCharactersMax ? words : `${words.slice(0, shownCharactersMax)}…`
}

/**
 * The digits of a JSON number as they were written. DuckDB's JSON reader makes a DOUBLE of every number
 * with a point or an exponent, which silently changes `200.00000000000000000001` to 200.0 and
 * `9007199254740993.0` to the even number below it.
 */
import { type Column, quoteIdentifier, quoteLiteral } from '../sql.ts'

/** A field of which a relation has the text and the value. */
export interface ReadField {
  readonly column: Column
  /** The name of the text's column. */
  readonly text: string
  /** SQL: the text is how the value of an integer is spelled; null for other types. */
  readonly usual: string | null
}

/** DOUBLE gives back up to this many digits as they were. */
const doubleDigits = 15

/** Found where there is a number that a DOUBLE may not give back. */
const longNumber = quoteLiteral(`[0-9][0-9.]{${doubleDigits}}|[0-9][eE]-[0-9]{3}`)

/**
 * SQL of the same relation, with texts and values of the exact types read again where digits were
 * lost.
 *
 * @param line SQL of the record's JSON.
 * @param parsed SQL of the fields of these names of a JSON, as a struct.
 */
export function exactDigitsSql(
  relation: string,
  fields: readonly ReadField[],
  line: string,
  parsed: (json: string, names: readonly string[]) => string,
): string {
  const exact = fields.filter(needsExactDigits)
  if (exact.length === 0) return relation
  const names = exact.map(({ column }) => column.name)
  const again =
    `CASE WHEN (${exact.map(mayBeDouble).join(' OR ')}) AND regexp_matches(${line}, ${longNumber}) ` +
    `THEN ${parsed(numbersAsTexts(line), names)} END`
  const replaced = exact.flatMap(({ column, text }) => {
    const name = quoteIdentifier(column.name)
    // A shorter number keeps its text: 1e3 is 1000.0, whatever else is in the line.
    const found = `CASE WHEN regexp_matches(_exact.${name}, ${longNumber}) THEN _exact.${name} ELSE ${text} END`
    return [
      `CASE WHEN _exact IS NULL THEN ${text} ELSE ${found} END AS ${text}`,
      `CASE WHEN _exact IS NULL THEN ${name} ELSE TRY_CAST(${found} AS ${column.type}) END AS ${name}`,
    ]
  })
  return `SELECT * REPLACE (${replaced.join(', ')}) FROM (SELECT *, ${again} AS _exact FROM (${relation}))`
}

/** A DECIMAL that a DOUBLE holds whole comes out of it whole, and is rounded to its scale either way. */
function needsExactDigits({ column, usual }: ReadField): boolean {
  const precision = /^(?:DECIMAL|NUMERIC)\((\d+)/i.exec(column.type)?.[1]
  return usual !== null || Number(precision ?? 0) > doubleDigits
}

/** Nearly every integer is spelled as usual and has none of this to pay. */
function mayBeDouble({ text, usual }: ReadField): string {
  return usual === null ? `contains(${text}, '.') OR contains(${text}, 'e')` : `NOT ${usual}`
}

/**
 * A number and everything before it that is none: whole texts, and what stands outside them. A match
 * begins where the last one ended, because there is always one more number to come.
 */
const untilNumber = '(?s)((?:"(?:[^"\\\\]|\\\\.)*"|[^"0-9-]|-[A-Za-z])*)(-?[0-9][0-9.eE+-]*)'

/** SQL: valid JSON with each number as a text. */
function numbersAsTexts(json: string): string {
  const replaced = `regexp_replace(${json} || '0', ${quoteLiteral(untilNumber)}, '\\1"\\2"', 'g')`
  // Without the zero that was put at the end, and its quotes.
  return `left(${replaced}, -3)`
}

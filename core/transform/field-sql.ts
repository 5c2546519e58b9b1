/**
 * From the text of one field to its declared type, strictly: a text that does not say a value of the
 * type is found out, never rounded and never turned into NULL unnoticed. (What a DECIMAL has behind its
 * scale is rounded, as SQL does.)
 */
import { type Column, quoteLiteral } from '../sql.ts'

export interface FieldSql {
  /** The typed value; NULL where there is none or it does not fit. */
  readonly typed: string
  /**
   * True where the text is how an integer is spelled; null for other types. It is found out first: it
   * costs a comparison, and everything else that there is to an integer ten times as much.
   */
  readonly usual: ((typed: string) => string) | null
  /** True where there is a text that does not say a value of the type; null: every text fits. */
  readonly misfit: (typed: string, usual: string) => string | null
}

const integerTypes =
  /^(TINYINT|SMALLINT|INTEGER|INT|BIGINT|HUGEINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|UHUGEINT)$/i
const finiteTypes = /^(TIMESTAMP.*|DATE|FLOAT|REAL|DOUBLE)$/i
const nestedTypes = /(\]|\))$/
const decimalType = /^(DECIMAL|NUMERIC)/i

/** How web servers write a time: `20/May/2015:21:05:15 +0000`. */
const commonLogTime = '%d/%b/%Y:%H:%M:%S %z'

/** @param text SQL of the field's text, NULL where the field is absent. */
export function fieldSql(column: Column, text: string): FieldSql {
  const { type } = column
  if (/^(VARCHAR|TEXT|STRING)$/i.test(type)) return { typed: text, usual: null, misfit: () => null }
  if (integerTypes.test(type)) {
    return {
      typed: `TRY_CAST(${text} AS ${type})`,
      usual: (typed) => `${text} = CAST(${typed} AS VARCHAR)`,
      // A cast alone would read 1.5 as 2 and 0x10 as 16.
      misfit: (typed, usual) =>
        `${text} IS NOT NULL AND CASE WHEN ${usual} THEN false ` +
        `ELSE ${typed} IS NULL OR NOT regexp_full_match(${text}, '[+-]?[0-9]+(\\.0*)?') END`,
    }
  }
  if (finiteTypes.test(type)) {
    return {
      typed: isZoned(type) ? zonedTime(text, type) : `TRY_CAST(${text} AS ${type})`,
      usual: null,
      misfit: (typed) => `${text} IS NOT NULL AND (${typed} IS NULL OR NOT isfinite(${typed}))`,
    }
  }
  const isNested = nestedTypes.test(type) && !decimalType.test(type)
  const source = isNested ? `TRY_CAST(${text} AS JSON)` : text
  return {
    typed: `TRY_CAST(${source} AS ${type})`,
    usual: null,
    misfit: (typed) => `${text} IS NOT NULL AND ${typed} IS NULL`,
  }
}

function isZoned(type: string): boolean {
  return /^(TIMESTAMPTZ|TIMESTAMP WITH TIME ZONE)$/i.test(type)
}

function zonedTime(text: string, type: string): string {
  return `coalesce(TRY_CAST(${text} AS ${type}), try_strptime(${text}, ${quoteLiteral(commonLogTime)}))`
}

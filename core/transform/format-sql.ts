/**
 * How the bytes of a record become the texts of its fields, for each record format. A record that
 * Filebeat wrapped in its JSON envelope is unwrapped first.
 */
import type { RecordFormat } from '../pipeline.ts'
import { type Column, quoteIdentifier, quoteList, quoteLiteral } from '../sql.ts'
import { exactDigitsSql, type ReadField } from './exact-digits.ts'

export interface FormatSql {
  /** A SELECT over `lines` that adds `_fields`; further columns of it are this format's own. */
  readonly fields: (lines: string) => string
  /** SQL, over that SELECT, of a field's text; NULL where the record has no such field. */
  readonly text: (column: Column) => string
  /** SQL of a relation of read fields in which no digit is missing, given one in which some may be. */
  readonly exact: (relation: string, fields: readonly ReadField[]) => string
  /** SQL, over that SELECT: the record is not of this format at all. */
  readonly isMalformed: string
  /** What a person is told of such a record. */
  readonly malformedDetail: string
}

export function formatSql(format: RecordFormat, schema: readonly Column[]): FormatSql {
  switch (format.kind) {
    case 'json':
      return jsonSql(schema)
    case 'text':
      return textSql(format.patterns)
    case 'csv':
      return csvSql(format.delimiter, schema)
    default:
      return format satisfies never
  }
}

const envelopeKeys = ['@timestamp', '@metadata', 'agent', 'message'] as const

function jsonSql(schema: readonly Column[]): FormatSql {
  const names = schema.map(({ name }) => name)
  // A pipeline with such a column of its own reads the envelope itself.
  const unwraps = !names.some((name) => (envelopeKeys as readonly string[]).includes(name))
  const parsed = (text: string, keys: readonly string[]) =>
    `TRY(from_json(${text}, ${quoteLiteral(
      JSON.stringify(Object.fromEntries(keys.map((key) => [key, 'VARCHAR']))),
    )}))`
  // The envelope's keys are looked for in the same pass over the text, which costs next to nothing.
  const keys = unwraps ? [...names, ...envelopeKeys] : names
  const outer = (lines: string) => `SELECT *, ${parsed('_value', keys)} AS _outer FROM ${lines}`
  const isEnvelope =
    '_outer.message IS NOT NULL AND _outer."@timestamp" IS NOT NULL AND ' +
    '(_outer."@metadata" IS NOT NULL OR _outer.agent IS NOT NULL)'
  const fields = (lines: string) =>
    unwraps
      ? `SELECT * EXCLUDE (_outer), CASE WHEN ${isEnvelope} THEN _outer.message ELSE _value END AS _line, ` +
        `CASE WHEN ${isEnvelope} THEN ${parsed('_outer.message', keys)} ELSE _outer END AS _fields ` +
        `FROM (${outer(lines)})`
      : `SELECT * RENAME (_outer AS _fields), _value AS _line FROM (${outer(lines)})`
  return {
    fields,
    text: ({ name }) => `_fields.${quoteIdentifier(name)}`,
    exact: (relation, read) => exactDigitsSql(relation, read, '_line', parsed),
    // Valid JSON that begins with a brace is an object; from_json takes [1] and "a" as well.
    isMalformed: `_fields IS NULL OR NOT (starts_with(_line, '{') OR regexp_matches(_line, '^\\s*\\{'))`,
    malformedDetail: 'The record is not a JSON object.',
  }
}

/** The line without its carriage return, taken out of Filebeat's envelope where it is in one. */
const lineText =
  `CASE WHEN starts_with(_value, '{') AND contains(_value, '"@timestamp"') ` +
  `THEN coalesce(TRY(CASE WHEN json_exists(_value, '$."@metadata"') OR json_exists(_value, '$.agent') ` +
  `THEN json_extract_string(_value, '$.message') END), _value) ` +
  `WHEN ends_with(_value, chr(13)) THEN rtrim(_value, chr(13)) ELSE _value END`

function textSql(written: readonly string[]): FormatSql {
  const patterns = written.map(withNamedGroups)
  const columnsOf = patterns.map(groupNames)
  const fields = (lines: string) => {
    let sql = `SELECT *, ${lineText} AS _line FROM ${lines}`
    patterns.forEach((pattern, index) => {
      const extract = `regexp_extract(_line, ${quoteLiteral(pattern)}, ${quoteList(columnsOf[index] ?? [])})`
      const earlier =
        index === 0 ? extract : `CASE WHEN NOT ${anyMatch(columnsOf, index)} THEN ${extract} END`
      sql = `SELECT *, ${earlier} AS _match_${index} FROM (${sql})`
    })
    return sql
  }
  return {
    fields,
    // An absent group is empty; a dash is how servers write "nothing".
    text: ({ name }) => {
      const sources = patterns.flatMap((_, index) =>
        columnsOf[index]?.includes(name)
          ? [`nullif(_match_${index}.${quoteIdentifier(name)}, '')`]
          : [],
      )
      if (sources.length === 0) return 'CAST(NULL AS VARCHAR)'
      return `nullif(${sources.length === 1 ? sources[0] : `coalesce(${sources.join(', ')})`}, '-')`
    },
    exact: (relation) => relation,
    isMalformed: `NOT ${anyMatch(columnsOf, patterns.length)}`,
    malformedDetail: 'The line matches none of the patterns of the pipeline.',
  }
}

/** True when one of the first `count` patterns filled a group: a match with nothing in it says nothing. */
function anyMatch(columnsOf: readonly (readonly string[])[], count: number): string {
  const terms = columnsOf
    .slice(0, count)
    .flatMap((names, index) =>
      names.map((name) => `coalesce(_match_${index}.${quoteIdentifier(name)}, '') <> ''`),
    )
  return terms.length === 0 ? 'false' : `(${terms.join(' OR ')})`
}

/** DuckDB's RE2 knows `(?P<name>` only, not the `(?<name>` of most others. */
function withNamedGroups(pattern: string): string {
  return pattern.replace(/\\[\s\S]|\(\?<(?=[A-Za-z_])/g, (found) =>
    found.startsWith('\\') ? found : '(?P<',
  )
}

/**
 * A name for every capturing group of an RE2 pattern, in order; unnamed ones get a name that no
 * column has.
 */
export function groupNames(pattern: string): string[] {
  const withoutClasses = pattern.replace(/\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]/g, '')
  const groups = withoutClasses.matchAll(/\((?:\?P?<([A-Za-z_]\w*)>|(?!\?))/g)
  return [...groups].map(([, name], index) => name ?? `_group_${index}`)
}

function csvSql(delimiter: string, schema: readonly Column[]): FormatSql {
  const d = quoteLiteral(delimiter)
  const inClass = delimiter.replace(/[\\\]^-]/g, '\\$&')
  const inPattern = delimiter.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const item = quoteLiteral(`("(?:[^"]|"")*"|[^"${inClass}]*)${inPattern}`)
  const fields = (lines: string) =>
    `SELECT *, CASE WHEN contains(_line, '"') THEN regexp_extract_all(_line || ${d}, ${item}, 1) ` +
    `ELSE string_split(_line, ${d}) END AS _fields FROM (SELECT *, ${lineText} AS _line FROM ${lines})`
  const positions = new Map(schema.map(({ name }, index) => [name, index + 1]))
  return {
    fields,
    text: ({ name }) => {
      const field = `_fields[${positions.get(name) ?? 0}]`
      return (
        `CASE WHEN starts_with(${field}, '"') ` +
        `THEN replace(${field}[2:-2], '""', '"') ELSE nullif(${field}, '') END`
      )
    },
    exact: (relation) => relation,
    // Where a quote is out of place the pieces do not add up to the line.
    isMalformed:
      `len(_fields) <> ${schema.length} OR ` +
      `length(array_to_string(_fields, ${d})) <> length(_line)`,
    malformedDetail: `The line is not ${schema.length} fields of CSV.`,
  }
}

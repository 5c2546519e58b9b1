/**
 * One SELECT from lines to parsed records: typed columns, and for a record that cannot become an
 * event the reason. Nothing in it can fail on a record's account.
 */
import type { Pipeline } from '../pipeline.ts'
import { type Column, quoteIdentifier, quoteLiteral } from '../sql.ts'
import { fieldSql } from './field-sql.ts'
import { formatSql } from './format-sql.ts'

/**
 * What is known of a record before it is parsed. `_value` is its text, with invalid UTF-8 replaced;
 * `_bytes` is set where that text is not exactly what was received. `_problem` is a reason to
 * reject that was found in the bytes: `empty`, `too_long` or `invalid_utf8`.
 */
export const lineColumns: readonly Column[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: '_timestamp', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: '_key', type: 'BLOB' },
  { name: '_headers', type: 'VARCHAR' },
  { name: '_value', type: 'VARCHAR' },
  { name: '_bytes', type: 'BLOB' },
  { name: '_problem', type: 'VARCHAR' },
]

/** Columns of a parsed record before those of the schema. `_reason` is NULL for an event. */
export const parsedColumns: readonly Column[] = [
  ...lineColumns.filter(({ name }) => name !== '_problem'),
  { name: '_reason', type: 'VARCHAR' },
  { name: '_detail', type: 'VARCHAR' },
]

const detailLengthMax = 200

const byteProblems: Readonly<Record<string, string>> = {
  empty: 'The record has no bytes.',
  too_long: 'The record is longer than the speed layer takes (recordBytesMax); raw has all of it.',
  invalid_utf8: 'The record is not valid UTF-8.',
}

/** @returns SQL with the columns {@link parsedColumns} and the schema's, given a relation of lines. */
export function parseSql(pipeline: Pipeline): (lines: string) => string {
  const format = formatSql(pipeline.format, pipeline.schema)
  const fields = pipeline.schema.map((column, index) =>
    readField(format.text(column), column, index),
  )
  const misfits = fields.filter(({ misfit }) => misfit !== null)
  const firstMisfit =
    misfits.length === 0
      ? 'CAST(NULL AS INTEGER)'
      : `CASE ${misfits.map(({ misfit, index }) => `WHEN ${misfit} THEN ${index}`).join(' ')} END`
  const checks = pipeline.checks.map(
    // A check that fails to compute has not passed.
    ({ name, sql }) => `WHEN TRY((${sql}\n)) IS NOT TRUE THEN ${quoteLiteral(`check:${name}`)}`,
  )
  const kept = parsedColumns.filter(({ name }) => name !== '_reason' && name !== '_detail')
  const output = [
    ...kept.map(({ name }) => name),
    '_reason',
    `CASE WHEN _reason IS NOT NULL THEN ${detailSql(pipeline, format.malformedDetail)} END AS _detail`,
    ...fields.map(({ name }) => name),
  ]
  return (lines) => {
    const split = select(
      [`${format.isMalformed} AS _is_malformed`, ...fields.map(({ text }) => text)],
      format.fields(lines),
    )
    const cast = select(
      fields.map(({ typed }) => typed),
      split,
    )
    const compared = select(
      fields.flatMap(({ usual }) => usual),
      cast,
    )
    const exact = format.exact(
      compared,
      fields.map(({ read }) => read),
    )
    const fitted = select([`${firstMisfit} AS _misfit`], exact)
    const judged =
      `SELECT *, CASE WHEN _problem IS NOT NULL THEN _problem WHEN _is_malformed THEN 'malformed' ` +
      `WHEN _misfit IS NOT NULL THEN 'wrong_type' ${checks.join(' ')} END AS _reason FROM (${fitted})`
    return `SELECT ${output.join(', ')} FROM (${judged})`
  }
}

/** What a field is called, and the SQL of its columns and its judgement, one after the other. */
function readField(source: string, column: Column, index: number) {
  const text = `_text_${index}`
  const usual = `_usual_${index}`
  const sql = fieldSql(column, text)
  const name = quoteIdentifier(column.name)
  return {
    index,
    name,
    text: `${source} AS ${text}`,
    typed: `${sql.typed} AS ${name}`,
    usual: sql.usual === null ? [] : [`${sql.usual(name)} AS ${usual}`],
    misfit: sql.misfit(name, usual),
    read: { column, text, usual: sql.usual === null ? null : usual },
  }
}

/** The relation with further columns. */
function select(columns: readonly string[], relation: string): string {
  return `SELECT ${['*', ...columns].join(', ')} FROM (${relation})`
}

function detailSql(pipeline: Pipeline, malformedDetail: string): string {
  const problems = Object.entries(byteProblems).map(
    ([reason, detail]) => `WHEN ${quoteLiteral(reason)} THEN ${quoteLiteral(detail)}`,
  )
  const misfits = pipeline.schema.map(({ name, type }, index) => {
    const before = quoteLiteral(`Column '${name}' takes ${type}, not '`)
    return `WHEN ${index} THEN ${before} || left(_text_${index}, ${detailLengthMax}) || ''''`
  })
  const checks = pipeline.checks.map(
    ({ name, sql }) =>
      `WHEN ${quoteLiteral(`check:${name}`)} THEN ${quoteLiteral(`The check ${name} (${sql}) is not true.`)}`,
  )
  return (
    `CASE _reason ${problems.join(' ')} WHEN 'malformed' THEN ${quoteLiteral(malformedDetail)} ` +
    `WHEN 'wrong_type' THEN (CASE _misfit ${misfits.join(' ')} END || '.') ${checks.join(' ')} END`
  )
}

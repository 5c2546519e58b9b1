/**
 * Names and SQL of the mirror's relations. Internal tables live in schema `mirror`; what people query
 * are views in `default` (merged), `batch` and `realtime`.
 *
 *   default.<view>  = finalize(merge(batch_<view> ∪ tail_<view> ∪ partial(recent_<table>)))
 *   default.<table> = lake files ∪ recent_<table>
 */
import type { LoadedPipeline } from '../../core/pipeline.ts'
import { type Column, columnDefinitions, quoteIdentifier } from '../../core/sql.ts'
import type { CompiledView } from '../../core/views/compiled-view.ts'

export const segmentColumn = '_segment'

const internal = (name: string) => `mirror.${quoteIdentifier(name)}`

export const recentTable = (pipeline: LoadedPipeline) =>
  internal(`recent_${pipeline.pipeline.table}`)
export const batchTable = (view: CompiledView) => internal(`batch_${view.name}`)
export const tailTable = (view: CompiledView) => internal(`tail_${view.name}`)

/** One row per pipeline: what `recent_<table>` and the lake's files in this snapshot cover. */
export const pipelineCoverage = internal('pipeline_coverage')
/** One row per view, `_rejected` and `_raw` table: the offsets of the part that is published. */
export const objectCoverage = internal('object_coverage')

export function columnList(columns: readonly Column[]): string {
  return columns.map(({ name }) => quoteIdentifier(name)).join(', ')
}

export const sharedTablesSql: readonly string[] = [
  'CREATE SCHEMA mirror',
  'CREATE SCHEMA "default"',
  'CREATE SCHEMA batch',
  'CREATE SCHEMA realtime',
  `CREATE TABLE ${pipelineCoverage} (pipeline VARCHAR, lake VARCHAR, realtime VARCHAR, newest_ms DOUBLE)`,
  `CREATE TABLE ${objectCoverage} (pipeline VARCHAR, object VARCHAR, offsets VARCHAR, published_ms DOUBLE)`,
]

/** The empty internal tables of a pipeline and the views over them; table views come with the first files. */
export function pipelineTablesSql(loaded: LoadedPipeline): string[] {
  const statements = [
    `CREATE TABLE ${recentTable(loaded)} (${columnDefinitions(loaded.curatedColumns)})`,
  ]
  for (const view of loaded.views) {
    const partials = columnDefinitions(view.partialColumns)
    statements.push(
      `CREATE TABLE ${batchTable(view)} (${partials})`,
      `CREATE TABLE ${tailTable(view)} (${partials}, ${segmentColumn} BIGINT)`,
      ...answerViewsSql(loaded, view),
    )
  }
  return statements
}

function answerViewsSql(loaded: LoadedPipeline, view: CompiledView): string[] {
  const columns = columnList(view.partialColumns)
  const batch = `SELECT ${columns} FROM ${batchTable(view)}`
  const tail = `SELECT ${columns} FROM ${tailTable(view)}`
  const recent = `SELECT ${columns} FROM (${view.partialSql(recentTable(loaded))})`
  const answer = (parts: readonly string[]) =>
    view.finalizeSql(`(${view.mergeSql(`(${parts.join(' UNION ALL ')})`)})`)
  const name = quoteIdentifier(view.name)
  return [
    `CREATE VIEW "default".${name} AS ${answer([batch, tail, recent])}`,
    `CREATE VIEW batch.${name} AS ${answer([batch])}`,
    `CREATE VIEW realtime.${name} AS ${answer([tail, recent])}`,
  ]
}

/** Points the curated table's views at a version's files. `lakeSql` selects the curated columns. */
export function curatedViewsSql(loaded: LoadedPipeline, lakeSql: string): string[] {
  const name = quoteIdentifier(loaded.pipeline.table)
  const columns = columnList(loaded.curatedColumns)
  const recent = `SELECT ${columns} FROM ${recentTable(loaded)}`
  return [
    `CREATE OR REPLACE VIEW "default".${name} AS SELECT ${columns} FROM (${lakeSql}) UNION ALL ${recent}`,
    `CREATE OR REPLACE VIEW batch.${name} AS SELECT ${columns} FROM (${lakeSql})`,
    `CREATE OR REPLACE VIEW realtime.${name} AS ${recent}`,
  ]
}

/** A table that only the lake has (`_rejected`, `_raw`): nothing of it is in the hot store. */
export function lakeOnlyViewsSql(name: string, selectSql: string): string[] {
  const quoted = quoteIdentifier(name)
  return [
    `CREATE OR REPLACE VIEW "default".${quoted} AS ${selectSql}`,
    `CREATE OR REPLACE VIEW batch.${quoted} AS ${selectSql}`,
    `CREATE OR REPLACE VIEW realtime.${quoted} AS SELECT * FROM (${selectSql}) WHERE false`,
  ]
}

/** The raw table as people read it: bytes as text where they are text, escaped (`\xNN`) where not. */
export function readableRawSql(lakeSql: string): string {
  const text = (column: string) => `coalesce(TRY(decode(${column})), CAST(${column} AS VARCHAR))`
  return `SELECT _partition, _offset, _timestamp, ${text('key')} AS "key", headers, ${text('value')} AS "value" FROM (${lakeSql})`
}

export const readableRawColumns: readonly Column[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: '_timestamp', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: 'key', type: 'VARCHAR' },
  { name: 'headers', type: 'VARCHAR' },
  { name: 'value', type: 'VARCHAR' },
]

/**
 * A pipeline is one folder of `sql/`: a topic, its schema, checks, enrichment and views. These are
 * the types that the layers share; `pipeline-definition.ts` reads them from files' text.
 */
import type { Column } from './sql.ts'
import type { CompiledView } from './views/compiled-view.ts'

/** How the bytes of a record become the columns of the schema. */
export type RecordFormat =
  | { readonly kind: 'json' }
  /** A regular expression (RE2) with one named group per schema column that it fills. */
  | { readonly kind: 'text'; readonly patterns: readonly string[] }
  | { readonly kind: 'csv'; readonly delimiter: string }

/** A row that fails one is kept in `<table>_rejected` with this name, never dropped silently. */
export interface Check {
  readonly name: string
  /** A boolean SQL expression over the schema's columns. NULL counts as failed. */
  readonly sql: string
}

/** A reference table that `curated.sql` may join: rows `key → columns`. */
export interface Reference {
  readonly name: string
  readonly path: string
  readonly key: string
}

export interface PartitionColumn {
  readonly name: string
  /** SQL over the curated columns that gives a VARCHAR; its values name the folders. */
  readonly sql: string
}

/** One SQL file of `views/`: both the batch part and the realtime part are compiled from it. */
export interface ViewSource {
  readonly name: string
  readonly file: string
  readonly sql: string
  /** The file's leading `--` comment. */
  readonly description: string
}

export interface Pipeline {
  /** The folder's name, e.g. `http_logs`. */
  readonly name: string
  readonly description: string
  readonly topic: string
  readonly partitions: number
  readonly format: RecordFormat
  readonly schema: readonly Column[]
  /** The schema column that says when the event happened, if there is one. */
  readonly eventTime: string | null
  readonly checks: readonly Check[]
  readonly references: readonly Reference[]
  /** Name of the curated table; also the stem of `<table>_rejected` and `<table>_raw`. */
  readonly table: string
  /** A SELECT over `input` (the checked rows with the schema's columns). */
  readonly curatedSql: string
  readonly partitionBy: readonly PartitionColumn[]
  readonly views: readonly ViewSource[]
}

/** Columns every curated row carries after its own: they make any cut exact to the row. */
export const coordinateColumns: readonly Column[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
]

/** Columns of the raw table, the master dataset: the record exactly as received. */
export const rawColumns: readonly Column[] = [
  ...coordinateColumns,
  { name: '_timestamp', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: 'key', type: 'BLOB' },
  /** A JSON object of strings, or NULL without headers. */
  { name: 'headers', type: 'VARCHAR' },
  { name: 'value', type: 'BLOB' },
]

/** Columns of the rejected table. `value` is the text with invalid UTF-8 replaced; raw has the bytes. */
export const rejectedColumns: readonly Column[] = [
  ...coordinateColumns,
  { name: '_timestamp', type: 'TIMESTAMP WITH TIME ZONE' },
  /** `malformed`, `wrong_type`, `invalid_utf8`, `too_long`, `empty`, `check:<name>` or `enrichment`. */
  { name: 'reason', type: 'VARCHAR' },
  /** A sentence for people: the column or check and what was found. */
  { name: 'detail', type: 'VARCHAR' },
  { name: 'value', type: 'VARCHAR' },
]

/** Where a pipeline's tables lie below the lake's root (DESIGN.md §7). */
export function tablePaths(pipeline: Pick<Pipeline, 'name'>) {
  return {
    raw: `${pipeline.name}/raw`,
    curated: `${pipeline.name}/curated`,
    rejected: `${pipeline.name}/rejected`,
    view: (view: string) => `${pipeline.name}/views/${view}`,
  } as const
}

/**
 * In the configuration of a view's table: the hash of the definition that its partials were computed
 * by. Partials of another definition cannot be merged.
 */
export const definitionHashKey = 'millrace.definitionHash'

/** The Delta `txn` appId that carries a partition's next offset in every commit. */
export function transactionAppId(pipeline: string, partition: number): string {
  return `millrace/${pipeline}/${partition}`
}

/** A pipeline that has been checked against DuckDB: what every layer works with. */
export interface LoadedPipeline {
  readonly pipeline: Pipeline
  /** The curated table as people see it: `curated.sql`'s columns, the partition columns, the coordinates. */
  readonly curatedColumns: readonly Column[]
  readonly views: readonly CompiledView[]
}

/** The SQL of one field of the schema: a view or table with its arguments. */
import { quoteIdentifier } from '../../core/sql.ts'
import type { JsonValue } from '../../stores/engine/json-values.ts'
import type { CatalogObject, Coverage, Mode } from '../mirror/contract.ts'
import type { QueryAnswer, QueryRequest } from '../query/query-service.ts'
import { type ColumnFilter, conditionsOf, Parameters } from './filters.ts'

/** A column with the name and the conversion that GraphQL needs. */
export interface ShownColumn {
  readonly name: string
  readonly type: string
  readonly fieldName: string
}

export interface ObjectArguments {
  /** By field name. */
  readonly where?: Readonly<Record<string, ColumnFilter | null>> | null
  readonly orderBy?: readonly {
    readonly column: string
    readonly direction: 'ASC' | 'DESC'
  }[]
  readonly limit?: number | null
  readonly offset?: number | null
  readonly mode?: Mode
}

export interface ObjectQuery {
  readonly object: CatalogObject
  readonly columns: readonly ShownColumn[]
  /** The columns to read; null reads no rows, only the coverage. */
  readonly selected: ReadonlySet<string> | null
  readonly arguments: ObjectArguments
  /** A condition in SQL besides the filters. */
  readonly condition?: string
}

export function objectRequest(query: ObjectQuery): QueryRequest {
  const { object, columns, selected } = query
  const { where, orderBy, limit, offset, mode } = query.arguments
  const parameters = new Parameters()
  const conditions = query.condition === undefined ? [] : [`(${query.condition})`]
  for (const column of columns) {
    const filter = where?.[column.fieldName]
    if (!filter) continue
    const sql = source(object, column.name)
    conditions.push(...conditionsOf({ sql, type: column.type }, filter, parameters))
  }
  const sql = [
    `SELECT ${selectList(columns, selected)} FROM ${quoteIdentifier(object.name)}`,
    conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`,
    orderClause(object, orderBy ?? []),
    offset ? `OFFSET ${offset}` : '',
  ]
  return {
    sql: sql.filter((part) => part !== '').join(' '),
    parameters: parameters.values,
    ...(selected === null ? { limit: 0 } : typeof limit === 'number' ? { limit } : {}),
    ...(mode === undefined ? {} : { mode }),
  }
}

function selectList(columns: readonly ShownColumn[], selected: ReadonlySet<string> | null): string {
  const chosen = columns.filter(({ fieldName }) => selected?.has(fieldName))
  if (chosen.length === 0) return 'NULL'
  return chosen
    .map(({ name, fieldName }) => `${quoteIdentifier(name)} AS ${quoteIdentifier(fieldName)}`)
    .join(', ')
}

/** The keys come last, so that rows that compare equal always have the same order. */
function orderClause(
  object: CatalogObject,
  orderBy: NonNullable<ObjectArguments['orderBy']>,
): string {
  if (orderBy.length === 0) return ''
  const named = new Set(orderBy.map(({ column }) => column))
  const terms = [
    ...orderBy.map(({ column, direction }) => `${source(object, column)} ${direction}`),
    ...object.keys.filter((key) => !named.has(key)).map((key) => source(object, key)),
  ]
  return `ORDER BY ${terms.join(', ')}`
}

/** With the table's name: an alias of the select list could have the same name. */
function source(object: CatalogObject, column: string): string {
  return `${quoteIdentifier(object.name)}.${quoteIdentifier(column)}`
}

export interface ShownAnswer {
  readonly rows: readonly Record<string, JsonValue>[]
  readonly coverage: Coverage
  readonly isTruncated: boolean
}

/** An answer to {@link objectRequest} as GraphQL's objects. */
export function shownAnswer(
  answer: QueryAnswer,
  selected: ReadonlySet<string> | null,
): ShownAnswer {
  const [coverage] = answer.coverage
  if (coverage === undefined) throw new Error('An answer about an object must state its coverage.')
  const isTruncated = selected !== null && answer.isTruncated
  return { rows: rowObjects(answer), coverage, isTruncated }
}

/** GraphQL's Float has no NaN and no infinities: they become null. */
function rowObjects({ columns, rows }: QueryAnswer): Record<string, JsonValue>[] {
  const isFloat = columns.map(({ type }) => type === 'DOUBLE' || type === 'FLOAT')
  return rows.map((row) =>
    Object.fromEntries(
      columns.map(({ name }, index) => {
        const value = row[index] ?? null
        return [name, isFloat[index] && typeof value === 'string' ? null : value]
      }),
    ),
  )
}

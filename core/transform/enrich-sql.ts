/**
 * `curated.sql` as the speed layer and a rebuild run it: with the coordinates of each row carried through, so that
 * a row that was lost or doubled is found, and with the partition columns added.
 */
import { MillraceError } from '../errors.ts'
import type { LoadedPipeline } from '../pipeline.ts'
import { quoteIdentifier } from '../sql.ts'
import {
  type AstNode,
  columnReference,
  isNode,
  nodesOf,
  parseAst,
  printAst,
  statementOf,
  textOf,
  walk,
} from '../views/ast.ts'
import type { SqlParser } from '../views/sql-parser.ts'

export interface EnrichSql {
  /** A SELECT of the curated columns, in order, given a relation with the schema's and the coordinates. */
  readonly select: (input: string) => string
  /** Each input row gives exactly one row by the form of the query; otherwise it must be checked. */
  readonly isRowWise: boolean
}

/** @param references SQL of each reference table by name. */
export async function enrichSql(
  { pipeline, curatedColumns }: LoadedPipeline,
  parser: SqlParser,
  references: ReadonlyMap<string, string>,
): Promise<EnrichSql> {
  const node = selectOf(pipeline.name, parseAst(await parser.serialize(pipeline.curatedSql)))
  const input = inputName(pipeline.name, node)
  const coordinates = [columnReference(input, '_partition'), columnReference(input, '_offset')]
  const carried: AstNode = {
    ...node,
    select_list: [...coordinates, ...nodesOf(node['select_list'])],
  }
  const curated = await parser.deserialize(printAst(statementOf(carried)))
  const partitions = pipeline.partitionBy.map(
    ({ name, sql }) => `(${sql}\n) AS ${quoteIdentifier(name)}`,
  )
  const columns = curatedColumns.map(({ name }) => quoteIdentifier(name)).join(', ')
  const tables = [...references].map(([name, sql]) => `, ${quoteIdentifier(name)} AS (${sql})`)
  return {
    isRowWise: isRowWise(node),
    select: (rows) =>
      `WITH "input" AS (SELECT * FROM ${rows})${tables.join('')} ` +
      `SELECT ${columns} FROM (SELECT ${['*', ...partitions].join(', ')} FROM (${curated}))`,
  }
}

function selectOf(pipeline: string, tree: AstNode): AstNode {
  const node = nodesOf(tree['statements'])[0]?.['node']
  if (isNode(node) && textOf(node['type']) === 'SELECT_NODE') return node
  throw invalid(pipeline, 'must be one SELECT over input')
}

/** The name by which the query calls `input` where its own columns are written. */
function inputName(pipeline: string, node: AstNode): string {
  const tables = [...walk(node['from_table'])].filter(
    (table) => textOf(table['type']) === 'BASE_TABLE' && textOf(table['table_name']) === 'input',
  )
  const [table, ...others] = tables
  if (table === undefined || others.length > 0) throw invalid(pipeline, 'must read input once')
  return textOf(table['alias']) === '' ? 'input' : textOf(table['alias'])
}

function isRowWise(node: AstNode): boolean {
  const from = node['from_table']
  return (
    isNode(from) &&
    textOf(from['type']) === 'BASE_TABLE' &&
    from['sample'] === null &&
    node['sample'] === null &&
    node['where_clause'] === null &&
    node['having'] === null &&
    node['qualify'] === null &&
    nodesOf(node['modifiers']).length === 0 &&
    nodesOf(node['group_expressions']).length === 0 &&
    // unnest() in the list of columns gives a row for each element.
    ![...walk(node['select_list'])].some((item) => textOf(item['function_name']) === 'unnest')
  )
}

function invalid(pipeline: string, expected: string): MillraceError {
  return new MillraceError(
    'PIPELINE_INVALID',
    `The pipeline '${pipeline}' cannot be run: its curated.sql ${expected}.`,
  )
}

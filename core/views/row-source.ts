/**
 * What is below the aggregation: SELECTs that work row by row, in FROM or as common table expressions,
 * and lists unnested into rows. The partial keeps them as they are, with the row's place in the event log
 * carried through, so that ties are decided as over the table itself.
 */
import { type Column, quoteIdentifier } from '../sql.ts'
import {
  type AstNode,
  columnReference,
  functionCall,
  nodesOf,
  textOf,
  walk,
  withAlias,
} from './ast.ts'
import type { Aggregation } from './find-aggregation.ts'
import { functionName, isCall } from './function-rules.ts'
import { inputTable, inputToken } from './input-token.ts'
import { refuse } from './refusal.ts'
import type { EmptyTable, SqlParser } from './sql-parser.ts'
import type { SqlPrinter } from './sql-printer.ts'

export interface RowSource {
  /** The aggregation's rows over the curated table's. */
  readonly sql: (input: string) => string
  /** Its columns, without the place. */
  readonly columns: readonly Column[]
  readonly place: readonly Column[]
}

const placeNames = { partition: '__partition', offset: '__offset', element: '__element' } as const

interface Context {
  readonly table: EmptyTable
  readonly parser: SqlParser
  readonly printer: SqlPrinter
}

export async function rowSourceOf(
  { levels }: Aggregation,
  { table, parser, printer }: Context,
): Promise<RowSource> {
  let source: RowSource = {
    sql: (input) => input,
    columns: table.columns,
    place: [
      { name: '_partition', type: 'INTEGER' },
      { name: '_offset', type: 'BIGINT' },
    ],
  }
  for (const [depth, level] of levels.entries()) {
    const below = source
    const { select, place } = withPlace(level, below.place, depth)
    const text = await printer.query(select)
    const sql = (input: string) => `(${text.replace(inputToken, () => below.sql(input))})`
    const described = await parser
      .describe(`SELECT * FROM ${sql(quoteIdentifier(table.name))}`, [table])
      .catch((error: unknown) => refuseLevel(level, error))
    const columns = described.slice(0, described.length - place.length)
    refuseDuplicates(level, columns)
    source = { sql, columns, place }
  }
  return source
}

/** The SELECT over {@link inputToken}, with the place behind its own columns. */
function withPlace(level: AstNode, below: readonly Column[], depth: number) {
  const from = level['from_table'] as AstNode
  const alias = textOf(from['alias']) || textOf(from['table_name']) || 'unnamed_subquery'
  const isFirst = depth === 0
  const names = isFirst ? [placeNames.partition, placeNames.offset] : below.map(({ name }) => name)
  const carried = below.map(({ name }, index) =>
    withAlias(columnReference(alias, name), names[index] ?? name),
  )
  const lists = unnestedLists(level)
  const element = `${placeNames.element}${depth}`
  const items = nodesOf(level['select_list']).map((item) =>
    isFirst ? item : withoutPlace(item, below),
  )
  const place: Column[] = below.map(({ type }, index) => ({ name: names[index] ?? '', type }))
  const elements = lists.length === 0 ? [] : [withAlias(elementNumber(lists), element)]
  if (lists.length > 0) place.push({ name: element, type: 'BIGINT' })
  const select = {
    ...level,
    cte_map: { map: [] },
    select_list: [...items, ...carried, ...elements],
    from_table: inputTable(alias),
  }
  return { select, place }
}

/** A star leaves out the place of the level below, which is carried by itself. */
function withoutPlace(item: AstNode, below: readonly Column[]): AstNode {
  if (item['class'] !== 'STAR') return item
  const own = Array.isArray(item['exclude_list']) ? item['exclude_list'] : []
  return { ...item, exclude_list: [...own, ...below.map(({ name }) => name)] }
}

function isUnnest(node: AstNode): boolean {
  return isCall(node) && ['unnest', 'unlist'].includes(functionName(node))
}

/** The arguments of every unnest() in the SELECT list: DuckDB walks them side by side. */
function unnestedLists(level: AstNode): readonly AstNode[] {
  const lists: AstNode[] = []
  for (const node of walk(level['select_list'])) {
    if (!isUnnest(node)) continue
    const [list, option] = nodesOf(node['children'])
    if (list === undefined || option !== undefined) {
      return refuse(
        node,
        'unnest() has options',
        'Which element of which list a row is would be lost',
        'Unnest one list at a time, e.g. SELECT unnest(inner_list) FROM (SELECT unnest(outer_list) AS inner_list FROM …)',
      )
    }
    lists.push(list)
  }
  return lists
}

/** `unnest(range(greatest(len(a), len(b))))`: one more list, as long as the longest. */
function elementNumber(lists: readonly AstNode[]): AstNode {
  const lengths = lists.map((list) => functionCall('len', withAlias(list, '')))
  return functionCall('unnest', functionCall('range', functionCall('greatest', ...lengths)))
}

function refuseLevel(level: AstNode, error: unknown): never {
  const message = error instanceof Error ? error.message : String(error)
  return refuse(
    nodesOf(level['select_list'])[0] ?? null,
    `its rows cannot be followed to their place in the event log: ${message.split('\n')[0]}`,
    'A SELECT below the aggregation gives columns and unnested lists, row by row',
    'Compute the value in curated.sql',
  )
}

function refuseDuplicates(level: AstNode, columns: readonly Column[]): void {
  const names = columns.map(({ name }) => name.toLowerCase())
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return
  refuse(
    nodesOf(level['select_list'])[0] ?? null,
    `two columns below the aggregation are called '${twice}'`,
    'Which one is meant would be a matter of their order',
    'Give one of them another name with AS',
  )
}

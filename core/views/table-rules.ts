/** Which tables and table functions a view may name. */
import { type AstNode, isNode, nodesOf, textOf, walk } from './ast.ts'
import { refuse } from './refusal.ts'
import { lateralLevels } from './row-levels.ts'

export const joinReason = 'The joined value could change after the row was counted'
export const joinRemedy =
  'Join in curated.sql instead, so that the joined value is frozen in the row'

/** @param root the whole statement; the table is read through one of its SELECTs. */
export function refuseTableFunctions(root: AstNode): void {
  const unnested = new Set<AstNode>()
  for (const node of walk(root)) {
    const from = node['from_table']
    if (node['type'] !== 'SELECT_NODE' || !isNode(from)) continue
    for (const call of lateralLevels(from).calls) unnested.add(call)
  }
  for (const node of walk(root)) {
    if (node['type'] === 'TABLE_FUNCTION' && !unnested.has(node)) refuseTableFunction(node)
    if (node['type'] === 'PIVOT' || node['type'] === 'SHOW_REF') {
      refuse(
        node,
        'PIVOT, DESCRIBE and SHOW are not aggregations over the table',
        'Their columns depend on the data or on the session',
        'Use count(*) FILTER (WHERE ...) for each column',
      )
    }
  }
}

function refuseTableFunction(node: AstNode): never {
  const call = node['function']
  const name = isNode(call) ? textOf(call['function_name']) : 'a table function'
  if (name === 'unnest') {
    refuse(
      isNode(call) ? call : node,
      'it unnests in a way that has no plain rows',
      'Lists are unnested row by row, each element beside the columns of its row',
      'Write FROM (SELECT unnest(list) AS x, * FROM table), or FROM table, unnest(list) AS t(x)',
    )
  }
  return refuse(
    isNode(call) ? call : node,
    `${name}() is a table function`,
    'What it reads is not part of the event log',
    joinRemedy,
  )
}

function commonTableNames(root: AstNode): ReadonlySet<string> {
  const names = new Set<string>()
  for (const node of walk(root)) {
    const map = node['cte_map']
    if (!isNode(map)) continue
    for (const entry of nodesOf(map['map'])) names.add(textOf(entry['key']).toLowerCase())
  }
  return names
}

export function tableReferences(root: AstNode, table: string): readonly AstNode[] {
  const common = commonTableNames(root)
  return [...walk(root)].filter((node) => {
    if (node['type'] !== 'BASE_TABLE') return false
    const name = textOf(node['table_name']).toLowerCase()
    return name === table.toLowerCase() && !common.has(name) && textOf(node['schema_name']) === ''
  })
}

export function refuseForeignTables(root: AstNode, table: string): void {
  const common = commonTableNames(root)
  for (const node of walk(root)) {
    if (node['type'] === 'JOIN' && tableReferences(node, table).length > 0 && isDirectJoin(node)) {
      refuse(lastTable(node), `it joins '${table}'`, joinReason, joinRemedy)
    }
  }
  for (const node of walk(root)) {
    if (node['type'] !== 'BASE_TABLE') continue
    const name = textOf(node['table_name'])
    const schema = textOf(node['schema_name'])
    const isOwn = name.toLowerCase() === table.toLowerCase()
    if (schema === '' && (isOwn || common.has(name.toLowerCase()))) continue
    refuse(
      node,
      `the table '${schema === '' ? name : `${schema}.${name}`}' is not '${table}'`,
      "A view reads its pipeline's own table and nothing else",
      joinRemedy,
    )
  }
}

/** A join that has the table itself as a side, not an aggregation of it. */
function isDirectJoin(join: AstNode): boolean {
  if (lateralLevels(join).reference !== null) return false
  return [join['left'], join['right']].some(
    (side) => isNode(side) && (side['type'] === 'BASE_TABLE' || side['type'] === 'JOIN'),
  )
}

/** A join has no place of its own; its last table has. */
function lastTable(join: AstNode): AstNode {
  return [...walk(join)].filter((node) => node['type'] === 'BASE_TABLE').at(-1) ?? join
}

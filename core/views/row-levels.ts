/** SELECTs that work row by row between the table and the aggregation. */
import {
  type AstNode,
  columnReference,
  functionCall,
  isNode,
  nodesOf,
  rewrite,
  selectNode,
  starNode,
  textOf,
  walk,
  withAlias,
} from './ast.ts'
import { refuse } from './refusal.ts'

/** A SELECT without anything that looks at other rows. */
export function isRowByRow(select: AstNode): boolean {
  const isEmpty = ['having', 'qualify', 'sample'].every((field) => !isNode(select[field]))
  const hasWindow = [...walk(select['select_list'])].some((node) => node['class'] === 'WINDOW')
  return isEmpty && !hasWindow && nodesOf(select['modifiers']).length === 0
}

export interface Reader {
  readonly select: AstNode
  readonly alias: string
  /** The name of the common table expression that is read; null for a subquery in FROM. */
  readonly commonTable: string | null
}

/** The SELECT whose only source is `select`; null where there is none. */
export function readerOf(root: AstNode, select: AstNode): Reader | null {
  const name = commonTableOf(root, select)
  for (const node of walk(root)) {
    const from = node['from_table']
    if (node['type'] !== 'SELECT_NODE' || !isNode(from) || hasColumnList(from)) continue
    const alias = textOf(from['alias'])
    if (isNode(from['subquery']) && from['subquery']['node'] === select) {
      return { select: node, alias: alias || 'unnamed_subquery', commonTable: null }
    }
    if (name !== null && textOf(from['table_name']).toLowerCase() === name) {
      return { select: node, alias: alias || name, commonTable: name }
    }
  }
  return null
}

function hasColumnList(from: AstNode): boolean {
  return Array.isArray(from['column_name_alias']) && from['column_name_alias'].length > 0
}

function commonTableOf(root: AstNode, select: AstNode): string | null {
  for (const node of walk(root)) {
    const map = node['cte_map']
    if (!isNode(map)) continue
    for (const entry of nodesOf(map['map'])) {
      const value = entry['value']
      if (!isNode(value) || !isNode(value['query']) || value['query']['node'] !== select) continue
      if (Array.isArray(value['aliases']) && value['aliases'].length > 0) return null
      return textOf(entry['key']).toLowerCase()
    }
  }
  return null
}

export function refuseSecondReader(root: AstNode, { commonTable }: Reader): void {
  if (commonTable === null) return
  const references = [...walk(root)].filter(
    (node) =>
      node['type'] === 'BASE_TABLE' && textOf(node['table_name']).toLowerCase() === commonTable,
  )
  const second = references[1]
  if (second === undefined) return
  refuse(
    second,
    `it reads '${commonTable}', rows of the table, a second time`,
    'A view has one aggregation over its table: one set of partials',
    'Use FILTER or CASE inside one aggregation, or write two views',
  )
}

export interface Lateral {
  /** The table that is joined with its own lists; null for any other FROM. */
  readonly reference: AstNode | null
  /** The nodes of the table function. */
  readonly calls: readonly AstNode[]
  /** One SELECT for each list: `SELECT *, unnest(list) AS x FROM …`. */
  readonly levels: readonly AstNode[]
  readonly qualifiers: readonly string[]
}

const noLateral: Lateral = { reference: null, calls: [], levels: [], qualifiers: [] }

/** `FROM table, unnest(list) AS t(x)`, and more lists joined in the same way. */
export function lateralLevels(from: AstNode): Lateral {
  if (from['type'] === 'BASE_TABLE') {
    const name = textOf(from['alias']) || textOf(from['table_name'])
    return { ...noLateral, reference: from, qualifiers: [name] }
  }
  const { left, right } = from
  const isCross = from['ref_type'] === 'CROSS' && from['condition'] === null
  if (from['type'] !== 'JOIN' || !isCross || !isNode(left) || !isNode(right)) return noLateral
  const call = right['function']
  const isUnnest = right['type'] === 'TABLE_FUNCTION' && isNode(call)
  const isPlain = right['with_ordinality'] === 'WITHOUT_ORDINALITY'
  const below = lateralLevels(left)
  if (!isUnnest || !isPlain || !isNode(call) || below.reference === null) return noLateral
  const [list, option] = nodesOf(call['children'])
  if (textOf(call['function_name']) !== 'unnest' || list === undefined || option !== undefined) {
    return noLateral
  }
  const names = right['column_name_alias']
  const element = Array.isArray(names) && names.length > 0 ? textOf(names[0]) : 'unnest'
  const [table = ''] = below.qualifiers
  const isFirst = below.levels.length === 0
  const level = selectNode({
    select_list: [
      starNode,
      withAlias(functionCall('unnest', isFirst ? list : unqualified(list)), element),
    ],
    from_table: isFirst ? below.reference : { type: 'SUBQUERY', alias: table },
  })
  return {
    reference: below.reference,
    calls: [...below.calls, right],
    levels: [...below.levels, level],
    qualifiers: [...below.qualifiers, textOf(right['alias']) || 'unnest'],
  }
}

/** The SELECT over the table and its lists as one over the last of their levels. */
export function overLateral(select: AstNode, { qualifiers }: Lateral): AstNode {
  const from_table = { type: 'SUBQUERY', alias: qualifiers[0] ?? '' }
  return { ...unqualified({ ...select, from_table: null }), from_table }
}

/** Names may be those of the table or of an element: both are columns of the level below. */
function unqualified(expression: AstNode): AstNode {
  return rewrite(expression, (node) => {
    if (node['class'] !== 'COLUMN_REF' || !Array.isArray(node['column_names'])) return undefined
    return columnReference(textOf(node['column_names'].at(-1)))
  })
}

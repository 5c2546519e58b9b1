/**
 * Gives every name its meaning, as DuckDB's binder does: inside an aggregation a column of the table
 * wins over an alias of the SELECT list; only ORDER BY looks at aliases first.
 */
import {
  type AstNode,
  columnReference,
  fingerprint,
  nodesOf,
  rewrite,
  textOf,
  walk,
  withAlias,
} from './ast.ts'
import type { Aggregation } from './find-aggregation.ts'
import { isAggregateCall } from './function-rules.ts'
import type { GroupSets } from './group-sets.ts'
import { refuse } from './refusal.ts'
import type { FunctionFacts } from './sql-parser.ts'

export interface ResolvedAggregation {
  readonly select: AstNode
  /** Group keys in order, each once. */
  readonly keys: readonly AstNode[]
  /** For each grouping set the positions of its keys; null where there is one set with all of them. */
  readonly groupSets: GroupSets | null
  /** The SELECT list with every column reference a plain column of the table. */
  readonly items: readonly AstNode[]
  /** Resolves another expression of the same SELECT (WHERE, HAVING, QUALIFY, ORDER BY). */
  readonly resolve: (expression: AstNode) => AstNode
  /** The alias of a SELECT item, if the name is one. */
  readonly isAlias: (name: string) => boolean
}

interface Names {
  readonly columns: ReadonlyMap<string, string>
  readonly aliases: ReadonlyMap<string, AstNode>
  readonly qualifiers: ReadonlySet<string>
}

export function resolveNames(
  { select, qualifiers }: Aggregation,
  columnNames: readonly string[],
  functions: ReadonlyMap<string, FunctionFacts>,
): ResolvedAggregation {
  const list = nodesOf(select['select_list'])
  const names: Names = {
    columns: new Map(columnNames.map((name) => [name.toLowerCase(), name])),
    aliases: new Map(
      list
        .filter((item) => textOf(item['alias']) !== '')
        .map((item) => [textOf(item['alias']).toLowerCase(), item]),
    ),
    qualifiers: new Set(qualifiers.map((name) => name.toLowerCase())),
  }
  const resolve = (node: AstNode) => resolveExpression(node, names, new Set())
  const items = list.map((item) => withAlias(resolve(item), textOf(item['alias'])))
  const grouped = groupKeys(select, items, names, functions)
  const keys = uniqueKeys(grouped)
  return {
    select,
    items,
    keys,
    groupSets: groupSetsOf(select, grouped, keys),
    resolve,
    isAlias: (name) => names.aliases.has(name.toLowerCase()),
  }
}

function resolveExpression(root: AstNode, names: Names, open: ReadonlySet<string>): AstNode {
  return rewrite(root, (node) =>
    node['class'] === 'COLUMN_REF' ? resolveReference(node, names, open) : undefined,
  )
}

/** @param open aliases whose expressions are being resolved: an alias never means itself. */
function resolveReference(node: AstNode, names: Names, open: ReadonlySet<string>): AstNode {
  const parts = (node['column_names'] as readonly string[]).map((part) => part.toLowerCase())
  const isQualified = parts.length === 2 && names.qualifiers.has(parts[0] ?? '')
  const name = (isQualified ? parts[1] : parts[0]) ?? ''
  const column = parts.length === 1 || isQualified ? names.columns.get(name) : undefined
  if (column !== undefined) {
    return { ...columnReference(column), query_location: node['query_location'] ?? 0 }
  }
  const alias = parts.length === 1 && !open.has(name) ? names.aliases.get(name) : undefined
  if (alias !== undefined) {
    return withAlias(resolveExpression(alias, names, new Set([...open, name])), '')
  }
  return refuse(
    node,
    `'${parts.join('.')}' is neither a column of the table nor an alias`,
    'A view reads plain columns',
    `Use one of: ${[...names.columns.values()].join(', ')}`,
  )
}

function groupKeys(
  select: AstNode,
  items: readonly AstNode[],
  names: Names,
  functions: ReadonlyMap<string, FunctionFacts>,
): readonly AstNode[] {
  if (select['aggregate_handling'] === 'FORCE_AGGREGATES') {
    return items.filter(
      (item) =>
        ![...walk(item)].some(
          (node) => node['class'] === 'WINDOW' || isAggregateCall(functions, node),
        ),
    )
  }
  return nodesOf(select['group_expressions']).map((expression) => {
    const item = items[(ordinalOf(expression) ?? 0) - 1]
    return item ?? resolveExpression(expression, names, new Set())
  })
}

/** The n of `GROUP BY n`. */
function ordinalOf(expression: AstNode): number | null {
  if (expression['class'] !== 'CONSTANT') return null
  const value = (expression['value'] as AstNode)['value']
  return typeof value === 'number' && Number.isInteger(value) ? value : null
}

/** The sets name expressions by their position in GROUP BY, where one may stand twice. */
function groupSetsOf(
  select: AstNode,
  grouped: readonly AstNode[],
  keys: readonly AstNode[],
): GroupSets | null {
  const sets = select['group_sets']
  if (!Array.isArray(sets) || sets.length < 2) return null
  const texts = keys.map(fingerprint)
  return sets.map((set) =>
    (Array.isArray(set) ? set : []).map((position) => {
      const key = grouped[Number(position)]
      return key === undefined ? -1 : texts.indexOf(fingerprint(key))
    }),
  )
}

function uniqueKeys(keys: readonly AstNode[]): readonly AstNode[] {
  const byText = new Map(keys.map((key) => [fingerprint(key), withAlias(key, '')]))
  return [...byText.values()]
}

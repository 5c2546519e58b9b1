/**
 * DuckDB's syntax tree as JSON (`json_serialize_sql`). Numbers that a double cannot hold keep their
 * source text; `query_location` becomes a plain number, absent (-1) where DuckDB has none.
 */

export type AstValue = string | number | boolean | null | AstNode | readonly AstValue[]
/** Any object of the tree. Nodes are never changed in place: every rewrite gives a new tree. */
export interface AstNode {
  readonly [key: string]: AstValue
}

const noLocation = -1

/** A number whose exact text matters: `{ "$n": "18446744073709551615" }`. */
const exactNumber = '$n'

export function parseAst(json: string): AstNode {
  // The third argument of a reviver (its source text) is not yet in TypeScript's library.
  const revive = (key: string, value: AstValue, context?: { source?: string }): AstValue => {
    if (typeof value !== 'number') return value
    if (key === 'query_location') return Number.isSafeInteger(value) ? value : noLocation
    const source = context?.source
    return source === undefined || source === String(value) ? value : { [exactNumber]: source }
  }
  return JSON.parse(json, revive as (key: string, value: unknown) => unknown) as AstNode
}

export function printAst(node: AstNode): string {
  const raw = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON
  return JSON.stringify(node, (key, value: unknown) => {
    if (key === 'query_location') return 0
    if (isNode(value) && typeof value[exactNumber] === 'string') return raw(value[exactNumber])
    return value
  })
}

export function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The objects of a list field; empty where the field is absent or null. */
export function nodesOf(value: AstValue | undefined): readonly AstNode[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

export function textOf(value: AstValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

/** The byte offset in the source, or -1. */
export function locationOf(node: AstNode): number {
  const location = node['query_location']
  return typeof location === 'number' ? location : noLocation
}

/** Every object below and including `root`, depth first, in source order. */
export function* walk(root: AstValue | undefined): Generator<AstNode> {
  if (Array.isArray(root)) {
    for (const item of root) yield* walk(item)
  } else if (isNode(root)) {
    yield root
    for (const value of Object.values(root)) yield* walk(value)
  }
}

/**
 * Rebuilds a tree from the top: where `replace` gives a node, it stands as it is; where it gives
 * undefined, the children are visited.
 */
export function rewrite<T extends AstValue>(
  root: T,
  replace: (node: AstNode) => AstNode | undefined,
): T {
  const visit = (value: AstValue): AstValue => {
    if (Array.isArray(value)) return value.map(visit)
    if (!isNode(value)) return value
    const replaced = replace(value)
    if (replaced !== undefined) return replaced
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, visit(child)]))
  }
  return visit(root) as T
}

/** Equal for two expressions that mean the same text: aliases and places in the source do not count. */
export function fingerprint(node: AstNode): string {
  return JSON.stringify(node, (key, value: unknown) =>
    key === 'query_location' || key === 'alias' ? undefined : value,
  )
}

export function columnReference(...names: readonly string[]): AstNode {
  return {
    class: 'COLUMN_REF',
    type: 'COLUMN_REF',
    alias: '',
    query_location: 0,
    column_names: names,
  }
}

export function functionCall(name: string, ...children: readonly AstNode[]): AstNode {
  return {
    class: 'FUNCTION',
    type: 'FUNCTION',
    alias: '',
    query_location: 0,
    function_name: name,
    schema: '',
    children,
    filter: null,
    order_bys: { type: 'ORDER_MODIFIER', orders: [] },
    distinct: false,
    is_operator: false,
    export_state: false,
    catalog: '',
  }
}

export function withAlias(node: AstNode, alias: string): AstNode {
  return { ...node, alias }
}

const emptySelect: AstNode = {
  type: 'SELECT_NODE',
  modifiers: [],
  cte_map: { map: [] },
  select_list: [],
  from_table: { type: 'EMPTY', alias: '', sample: null, query_location: 0 },
  where_clause: null,
  group_expressions: [],
  group_sets: [],
  aggregate_handling: 'STANDARD_HANDLING',
  having: null,
  sample: null,
  qualify: null,
}

/** A SELECT_NODE with the given fields and nothing else. */
export function selectNode(fields: AstNode): AstNode {
  return { ...emptySelect, ...fields }
}

/** What `json_deserialize_sql` takes: one statement. */
export function statementOf(node: AstNode): AstNode {
  return { error: false, statements: [{ node, named_param_map: [] }] }
}

/** `*`, as a node of a SELECT list. */
export const starNode: AstNode = {
  class: 'STAR',
  type: 'STAR',
  alias: '',
  query_location: 0,
  relation_name: '',
  exclude_list: [],
  replace_list: [],
  columns: false,
  expr: null,
  qualified_exclude_list: [],
  rename_list: [],
}

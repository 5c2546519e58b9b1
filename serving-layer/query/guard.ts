/**
 * The guard between people's SQL and DuckDB. The database can read files, so what a query may touch is
 * decided here, on the syntax tree that DuckDB's own parser gives (`json_serialize_sql`, which takes
 * SELECT-like statements only). Everything not known to be harmless is refused.
 */
import { MillraceError } from '../../core/errors.ts'
import { type CatalogObject, type Mode, modes, schemaOfMode } from '../mirror/contract.ts'
import { type FunctionPolicy, tableFunctionsAllowed } from './function-policy.ts'

export interface GuardContext {
  /** By name in lower case. */
  readonly objects: ReadonlyMap<string, CatalogObject>
  readonly functions: FunctionPolicy
}

export interface ObjectUse {
  readonly object: CatalogObject
  /** What the query names (`batch.logs`); null where it leaves the choice to the caller's mode. */
  readonly mode: Mode | null
}

/** What the statement says at its end about the number of its rows. */
export type StatedLimit =
  | { readonly kind: 'none' }
  | { readonly kind: 'constant'; readonly rows: number }
  /** An expression or a percentage. */
  | { readonly kind: 'computed' }
  /** DESCRIBE and SUMMARIZE: a row per column, and no LIMIT possible. */
  | { readonly kind: 'fixed' }

export type CheckedStatement =
  | { readonly kind: 'select'; readonly uses: readonly ObjectUse[]; readonly limit: StatedLimit }
  | { readonly kind: 'show-tables' }

type Node = Readonly<Record<string, unknown>>
type Scope = ReadonlySet<string>

interface Visit {
  readonly value: unknown
  readonly scope: Scope
}

interface Walk extends GuardContext {
  readonly uses: Map<string, ObjectUse>
}

/**
 * Checks the output of `json_serialize_sql`. Throws `QUERY_INVALID` for what does not parse,
 * `OBJECT_UNKNOWN` for tables that the catalog lacks, `QUERY_REFUSED` for the rest.
 */
export function checkStatement(serialized: string, context: GuardContext): CheckedStatement {
  const statement = onlyStatementOf(JSON.parse(serialized) as Node)
  const select = nodeOf(statement['node'])
  if (isShowTables(select)) return { kind: 'show-tables' }
  const walk: Walk = { ...context, uses: new Map() }
  const pending: Visit[] = [{ value: statement, scope: new Set() }]
  for (let visit = pending.pop(); visit !== undefined; visit = pending.pop()) {
    pending.push(...visitNode(visit, walk))
  }
  return { kind: 'select', uses: [...walk.uses.values()], limit: statedLimitOf(select) }
}

function onlyStatementOf(parsed: Node): Node {
  if (parsed['error'] === true) {
    const message = `${parsed['error_message']}`
    if (parsed['error_type'] !== 'not implemented') {
      throw new MillraceError('QUERY_INVALID', `The query does not parse: ${message}.`)
    }
    throw refused(
      'Only a query is allowed: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or SHOW TABLES. ' +
        'A PIVOT must list its values with IN.',
    )
  }
  const statements = parsed['statements'] as readonly Node[]
  const [first] = statements
  if (first === undefined) throw new MillraceError('QUERY_INVALID', 'The query is empty.')
  if (statements.length > 1) {
    throw refused(`${statements.length} statements were given; send one at a time.`)
  }
  return first
}

/** Checks one value and returns what below it is still to be checked, each with the names it can see. */
function visitNode({ value, scope }: Visit, walk: Walk): Visit[] {
  if (Array.isArray(value)) return value.map((item) => ({ value: item as unknown, scope }))
  if (typeof value !== 'object' || value === null) return []
  const node = value as Node
  // A constant's value is data: nothing in it names anything.
  if (node['class'] === 'CONSTANT') return []
  checkKind(node)
  if (node['type'] === 'BASE_TABLE') checkTable(node, scope, walk)
  if (node['type'] === 'SHOW_REF') checkShow(node)
  if (node['type'] === 'TABLE_FUNCTION') return visitTableFunction(node, scope)
  if (typeof node['function_name'] === 'string') checkFunction(node, walk.functions)
  if (node['type'] === 'RECURSIVE_CTE_NODE') return visitRecursive(node, scope)
  return visitChildren(node, scope)
}

const expressionClasses = new Set(
  `BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT DEFAULT FUNCTION LAMBDA LAMBDA_REF
   OPERATOR PARAMETER POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW`.split(/\s+/),
)

const nodeTypes = new Set(
  `SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE
   BASE_TABLE EMPTY EXPRESSION_LIST JOIN PIVOT SHOW_REF SUBQUERY TABLE_FUNCTION
   DISTINCT_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER ORDER_MODIFIER
   ORDER_DEFAULT ASCENDING DESCENDING`.split(/\s+/),
)

/** Syntax that this guard has never seen is refused, not ignored. */
function checkKind(node: Node): void {
  const kind = node['class']
  if (typeof kind === 'string') {
    if (!expressionClasses.has(kind)) throw refused(`Syntax '${kind}' is not supported in queries.`)
    return
  }
  const type = node['type']
  if (typeof type !== 'string' || nodeTypes.has(type) || type.endsWith('_TYPE_INFO')) return
  throw refused(`Syntax '${type}' is not supported in queries.`)
}

function checkTable(node: Node, scope: Scope, walk: Walk): void {
  const [catalog, schema, name] = ['catalog_name', 'schema_name', 'table_name'].map(
    (key) => `${node[key] ?? ''}`,
  ) as [string, string, string]
  const key = name.toLowerCase()
  if (catalog === '' && schema === '' && scope.has(key)) return
  const object = walk.objects.get(key)
  const mode = modes.find((each) => schemaOfMode[each] === schema.toLowerCase()) ?? null
  if (object === undefined || catalog !== '' || (schema !== '' && mode === null)) {
    const asked = [catalog, schema, name].filter((part) => part !== '').join('.')
    const known = [...walk.objects.values()].map((each) => each.name).join(', ')
    throw new MillraceError(
      'OBJECT_UNKNOWN',
      `Table '${asked}' does not exist. The databases default, batch and realtime have: ${known}.`,
    )
  }
  if (nodeOf(node['at_clause']) !== null) throw refused('AT (VERSION …) is not supported.')
  walk.uses.set(`${mode}.${key}`, { object, mode })
}

function checkShow(node: Node): void {
  const type = node['show_type']
  const describes = type === 'DESCRIBE' || type === 'SUMMARY'
  if (nodeOf(node['query']) === null || !describes) {
    throw refused(
      'Of SHOW, only SHOW TABLES is allowed; DESCRIBE and SUMMARIZE take a table or a query.',
    )
  }
}

function checkFunction(node: Node, policy: FunctionPolicy): void {
  const name = `${node['function_name']}`.toLowerCase()
  checkFunctionPlace(node, name)
  if (policy.allowed.has(name)) return
  if (policy.refused.has(name)) throw refused(`Function '${name}' is not allowed in queries.`)
  throw new MillraceError('QUERY_INVALID', `Function '${name}' does not exist.`)
}

function checkFunctionPlace(node: Node, name: string): void {
  const schema = `${node['schema'] ?? ''}`.toLowerCase()
  if (`${node['catalog'] ?? ''}` !== '' || (schema !== '' && schema !== 'main')) {
    throw refused(`Function '${name}' must be called without a database before its name.`)
  }
}

function visitTableFunction(node: Node, scope: Scope): Visit[] {
  const call = nodeOf(node['function'])
  const name = `${call?.['function_name'] ?? ''}`.toLowerCase()
  if (call === null || !tableFunctionsAllowed.has(name)) {
    throw refused(
      `Table function '${name}' is not allowed in queries; allowed are ` +
        `${[...tableFunctionsAllowed].join(', ')}.`,
    )
  }
  checkFunctionPlace(call, name)
  const { function_name: _, ...callRest } = call
  return [...visitChildren({ ...node, function: null }, scope), ...visitChildren(callRest, scope)]
}

/** Only the right side of a recursive query sees the query's own name. */
function visitRecursive(node: Node, scope: Scope): Visit[] {
  const { right, ...rest } = node
  const inner = new Set([...scope, cteNameOf(node['cte_name'])])
  return [...visitChildren(rest, scope), { value: right, scope: inner }]
}

/** A WITH name is seen by the names after it and by the rest of its node, nowhere else. */
function visitChildren(node: Node, scope: Scope): Visit[] {
  const { cte_map: cteMap, ...rest } = node
  const entries = (nodeOf(cteMap)?.['map'] ?? []) as readonly Node[]
  const visits: Visit[] = []
  let visible = scope
  for (const { key, value } of entries) {
    visits.push({ value, scope: visible })
    visible = new Set([...visible, cteNameOf(key)])
  }
  if (node['type'] === 'CTE_NODE') visible = new Set([...visible, cteNameOf(node['cte_name'])])
  for (const child of Object.values(rest)) visits.push({ value: child, scope: visible })
  return visits
}

/** A plain word can never be taken for a file, whatever scope DuckDB looks it up in. */
function cteNameOf(name: unknown): string {
  const text = `${name}`
  if (!/^\w+$/.test(text)) {
    throw refused(`WITH name '${text}' must consist of letters, digits and underscores.`)
  }
  return text.toLowerCase()
}

function isShowTables(select: Node | null): boolean {
  const from = nodeOf(select?.['from_table'])
  return from?.['type'] === 'SHOW_REF' && from['table_name'] === '"tables"'
}

function isDescription(select: Node | null): boolean {
  const list = (select?.['select_list'] ?? []) as readonly Node[]
  const isPlain = list.length === 1 && list[0]?.['class'] === 'STAR'
  return isPlain && nodeOf(select?.['from_table'])?.['type'] === 'SHOW_REF'
}

function statedLimitOf(select: Node | null): StatedLimit {
  if (isDescription(select)) return { kind: 'fixed' }
  const modifiers = (select?.['modifiers'] ?? []) as readonly Node[]
  if (modifiers.some(({ type }) => type === 'LIMIT_PERCENT_MODIFIER')) return { kind: 'computed' }
  const modifier = modifiers.find(({ type }) => type === 'LIMIT_MODIFIER')
  const limit = nodeOf(modifier?.['limit'])
  if (limit === null) return { kind: 'none' }
  const rows = limit['class'] === 'CONSTANT' ? nodeOf(limit['value'])?.['value'] : null
  return typeof rows === 'number' && Number.isSafeInteger(rows)
    ? { kind: 'constant', rows }
    : { kind: 'computed' }
}

function nodeOf(value: unknown): Node | null {
  return typeof value === 'object' && value !== null ? (value as Node) : null
}

function refused(reason: string): MillraceError {
  return new MillraceError('QUERY_REFUSED', `The query was refused: ${reason}`)
}

/** Which functions a view may call: only those that give the same result for the same rows for ever. */
import { type AstNode, isNode, nodesOf, parseAst, textOf, walk } from './ast.ts'
import { refuse } from './refusal.ts'
import type { FunctionFacts, SqlParser } from './sql-parser.ts'

type Functions = ReadonlyMap<string, FunctionFacts>

const freezeRemedy = 'Compute the value in curated.sql, where it is frozen in the row'

/** DuckDB calls these consistent, yet their result depends on a version, a session or the data's place. */
const unstable = new Map<string, string>([
  ['hash', 'its values may change with a DuckDB version. Use md5() or sha256()'],
  ['current_setting', 'it depends on the session. Write the value into the view'],
  ['getvariable', 'it depends on the session. Write the value into the view'],
  ['getenv', 'it depends on the process. Write the value into the view'],
  ['version', 'it depends on the DuckDB version. Leave it out'],
  ['pg_typeof', 'it depends on the DuckDB version. Leave it out'],
  ['query', 'it runs other SQL. Write the SQL itself'],
  ['query_table', 'it runs other SQL. Write the SQL itself'],
])

/** Words that the parser gives as column names although they are functions without brackets. */
const clockWords = new Set([
  'current_date',
  'current_time',
  'current_timestamp',
  'localtime',
  'localtimestamp',
])

export function isCall(node: AstNode): boolean {
  return node['class'] === 'FUNCTION'
}

export function functionName(node: AstNode): string {
  return textOf(node['function_name']).toLowerCase()
}

export function isAggregateCall(functions: Functions, node: AstNode): boolean {
  return (
    isCall(node) &&
    node['is_operator'] !== true &&
    functions.get(functionName(node))?.isAggregate === true
  )
}

/** Refuses the first call whose result may differ between two runs over the same rows. */
export async function refuseUnstableCalls(parser: SqlParser, root: AstNode): Promise<void> {
  const functions = await parser.functions()
  for (const node of walk(root)) {
    if (node['class'] === 'COLUMN_REF') refuseClockWord(node)
    if (!isCall(node) && node['class'] !== 'WINDOW') continue
    refuseUnstableName(functions, node, node)
    const macro = functions.get(functionName(node))?.macroSql
    if (typeof macro === 'string') await refuseMacroBody(parser, functions, node, macro)
  }
}

function refuseClockWord(node: AstNode): void {
  const names = node['column_names']
  const word = Array.isArray(names) && names.length === 1 ? textOf(names[0]).toLowerCase() : ''
  if (!clockWords.has(word)) return
  refuse(
    node,
    `${word} differs from run to run`,
    'Batch and realtime would see different times',
    freezeRemedy,
  )
}

function refuseUnstableName(functions: Functions, call: AstNode, at: AstNode): void {
  const name = functionName(call)
  const known = unstable.get(name)
  if (known !== undefined) {
    const [reason = '', remedy = ''] = known.split('. ')
    refuse(at, `${name}() is not reproducible`, reason[0]?.toUpperCase() + reason.slice(1), remedy)
  }
  if (functions.get(name)?.isVolatile !== true) return
  refuse(
    at,
    `${name}() may differ from run to run`,
    'The batch and the realtime part of an answer would not agree',
    freezeRemedy,
  )
}

/** A macro is expanded by the binder, so that what it hides must be judged here. */
async function refuseMacroBody(
  parser: SqlParser,
  functions: Functions,
  at: AstNode,
  body: string,
  depth = 0,
): Promise<void> {
  const parsed = parseAst(await parser.serialize(`SELECT ${body}`))
  if (parsed['error'] === true || depth > 8) return
  for (const node of walk(nodesOf(parsed['statements']))) {
    if (node['class'] === 'COLUMN_REF')
      refuseClockWord({ ...node, query_location: at['query_location'] ?? 0 })
    if (!isCall(node)) continue
    refuseUnstableName(functions, node, at)
    if (isAggregateCall(functions, node)) {
      refuse(
        at,
        `the macro ${functionName(at)}() contains the aggregate ${functionName(node)}()`,
        'The compiler takes aggregates from the text of the view',
        'Write the aggregate in the view and keep the macro for the rest',
      )
    }
    const inner = functions.get(functionName(node))?.macroSql
    if (typeof inner === 'string') await refuseMacroBody(parser, functions, at, inner, depth + 1)
  }
}

/** The literal arguments and other children of a call. */
export function argumentsOf(call: AstNode): readonly AstNode[] {
  return nodesOf(call['children'])
}

export function filterOf(call: AstNode): AstNode | null {
  const filter = call['filter']
  return isNode(filter) ? filter : null
}

/** curated.sql and checks work row by row: a row's result must not depend on other rows or on time. */
import { isNode, nodesOf, parseAst, textOf, walk } from './ast.ts'
import { isAggregateCall, refuseUnstableCalls } from './function-rules.ts'
import { ViewRefusal } from './refusal.ts'
import type { SqlParser } from './sql-parser.ts'

/**
 * What makes a SELECT over `table` other than row-wise, as the end of a sentence with its remedy; null
 * when nothing does. A rebuild from the raw table gives the same rows only then.
 */
export async function rowWiseProblem(
  sql: string,
  table: string,
  parser: SqlParser,
): Promise<string | null> {
  const parsed = parseAst(await parser.serialize(sql))
  const [statement, second] = nodesOf(parsed['statements'])
  const root = statement?.['node']
  if (second !== undefined || !isNode(root)) return 'is not one SELECT: write one'
  if (root['type'] !== 'SELECT_NODE') return `is not one SELECT over '${table}': write one`
  const functions = await parser.functions()
  if (nodesOf(root['modifiers']).length > 0) {
    return 'has DISTINCT, ORDER BY or LIMIT, which look at other rows: leave them out'
  }
  if (nodesOf(root['group_expressions']).length > 0) {
    return 'has GROUP BY: aggregate in a view instead'
  }
  for (const node of walk(root)) {
    if (node['class'] === 'WINDOW') {
      return `uses ${textOf(node['function_name'])}() OVER, which looks at other rows: leave it out`
    }
    if (isAggregateCall(functions, node)) {
      return `uses the aggregate ${textOf(node['function_name'])}(): aggregate in a view instead`
    }
  }
  try {
    await refuseUnstableCalls(parser, root)
    return null
  } catch (error) {
    if (!(error instanceof ViewRefusal)) throw error
    return `is not reproducible: ${error.refusal.what}. Take times from the record itself`
  }
}

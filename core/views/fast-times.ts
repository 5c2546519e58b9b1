/**
 * Functions of a TIMESTAMPTZ ask the calendar of the session's time zone, which takes 150 to 300 ns a
 * row. All our sessions run in UTC, where a TIMESTAMPTZ and a TIMESTAMP have the same calendar: the
 * same functions over `make_timestamp(epoch_us(ts))` take 20 to 40.
 */
import { type AstNode, functionCall, isNode, nodesOf, rewrite, textOf } from './ast.ts'
import { functionName, isCall } from './function-rules.ts'

const parts = new Set([
  'year',
  'quarter',
  'month',
  'week',
  'day',
  'hour',
  'minute',
  'second',
  'dayofweek',
  'isodow',
  'dayofyear',
  'dayname',
  'monthname',
])

/** @param isZoned whether a column of the table, by its declared name, is a TIMESTAMPTZ. */
export function withFastTimes(expression: AstNode, isZoned: (column: string) => boolean): AstNode {
  const isZonedColumn = (node: AstNode | undefined): node is AstNode =>
    node?.['class'] === 'COLUMN_REF' &&
    isZoned(textOf((node['column_names'] as readonly string[])[0]))
  return rewrite(expression, (node) => {
    if (isDateCast(node) && isNode(node['child']) && isZonedColumn(node['child'])) {
      return { ...node, child: withoutZone(node['child']) }
    }
    if (!isCall(node)) return undefined
    const [first, second] = nodesOf(node['children'])
    if (parts.has(functionName(node)) && isZonedColumn(first)) {
      return { ...node, children: [withoutZone(first)] }
    }
    if (functionName(node) !== 'date_trunc' || first === undefined || !isZonedColumn(second)) {
      return undefined
    }
    const truncated = { ...node, alias: '', children: [first, withoutZone(second)] }
    const zoned = functionCall('make_timestamptz', functionCall('epoch_us', truncated))
    return { ...zoned, alias: node['alias'] ?? '' }
  })
}

function isDateCast(node: AstNode): boolean {
  const target = node['cast_type']
  return node['class'] === 'CAST' && isNode(target) && target['id'] === 'DATE'
}

function withoutZone(column: AstNode): AstNode {
  return functionCall('make_timestamp', functionCall('epoch_us', column))
}

/** Text and types of expressions, asked of DuckDB. */
import type { Column } from '../sql.ts'
import {
  type AstNode,
  fingerprint,
  nodesOf,
  parseAst,
  printAst,
  selectNode,
  statementOf,
  withAlias,
} from './ast.ts'
import { withFastTimes } from './fast-times.ts'
import type { EmptyTable, SqlParser } from './sql-parser.ts'

export class SqlPrinter {
  readonly #parser: SqlParser
  readonly #table: EmptyTable
  readonly #texts = new Map<string, string>()
  readonly #types = new Map<string, string>()

  constructor(parser: SqlParser, table: EmptyTable) {
    this.#parser = parser
    this.#table = table
  }

  /** The SQL of an expression over the table's row, as a partial computes it. */
  async rowText(expression: AstNode): Promise<string> {
    const zoned = this.#table.columns.filter(({ type }) => type === 'TIMESTAMP WITH TIME ZONE')
    return await this.text(
      withFastTimes(expression, (name) => zoned.some((column) => column.name === name)),
    )
  }

  /** The SQL of a whole query node. */
  async query(node: AstNode): Promise<string> {
    return await this.#parser.deserialize(printAst(statementOf(node)))
  }

  /** The SQL of an expression, without an alias. */
  async text(expression: AstNode): Promise<string> {
    const key = fingerprint(expression)
    const known = this.#texts.get(key)
    if (known !== undefined) return known
    const node = selectNode({ select_list: [withAlias(expression, '')] })
    const text = (await this.query(node)).replace(/^SELECT /, '')
    this.#texts.set(key, text)
    return text
  }

  /** {@link rowText} as the name, and its type. */
  async typed(expression: AstNode): Promise<Column> {
    const name = await this.rowText(expression)
    const known = this.#types.get(name)
    if (known !== undefined) return { name, type: known }
    const sql = `SELECT ${name} AS v FROM "${this.#table.name}"`
    const [column] = await this.#parser.describe(sql, [this.#table])
    if (column === undefined) throw new Error(`The expression ${name} has no type.`)
    this.#types.set(name, column.type)
    return { name, type: column.type }
  }

  /** Parses the SQL of an expression. */
  async expression(sql: string): Promise<AstNode> {
    const parsed = parseAst(await this.#parser.serialize(`SELECT ${sql}`))
    const [statement] = nodesOf(parsed['statements'])
    const [expression] = nodesOf((statement?.['node'] as AstNode | undefined)?.['select_list'])
    if (expression === undefined) throw new Error(`The compiler's own SQL does not parse: ${sql}`)
    return expression
  }
}

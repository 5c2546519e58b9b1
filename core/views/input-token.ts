/** Stands for the input in printed SQL; it is replaced, once, by the caller's relation. */
import type { AstNode } from './ast.ts'

export const inputToken = '__millrace_input__'

export function inputTable(alias: string): AstNode {
  return {
    type: 'BASE_TABLE',
    alias,
    sample: null,
    query_location: 0,
    schema_name: '',
    table_name: inputToken,
    column_name_alias: [],
    catalog_name: '',
    at_clause: null,
  }
}

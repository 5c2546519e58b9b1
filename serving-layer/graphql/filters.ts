/** `where` arguments: an input type per scalar, and the SQL with bound parameters that they mean. */
import {
  GraphQLBoolean,
  type GraphQLInputFieldConfigMap,
  GraphQLInputObjectType,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLScalarType,
  GraphQLString,
} from 'graphql'
import type { QueryParameter } from '../query/query-service.ts'
import { jsonScalar } from './scalars.ts'

/** Values of parameters in order; `add` gives the placeholder. */
export class Parameters {
  readonly values: QueryParameter[] = []

  add(value: QueryParameter): string {
    this.values.push(value)
    return `$${this.values.length}`
  }
}

const comparisons = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const

/** Filters of one scalar, made once per schema. */
export class FilterTypes {
  readonly #types = new Map<string, GraphQLInputObjectType>()

  of(scalar: GraphQLScalarType): GraphQLInputObjectType {
    const known = this.#types.get(scalar.name)
    if (known !== undefined) return known
    const type = new GraphQLInputObjectType({
      name: `${scalar.name}Filter`,
      description: 'All given conditions must hold. `eq: null` and `ne: null` ask for NULL.',
      fields: filterFields(scalar),
    })
    this.#types.set(scalar.name, type)
    return type
  }
}

function filterFields(scalar: GraphQLScalarType): GraphQLInputFieldConfigMap {
  const fields: GraphQLInputFieldConfigMap = { isNull: { type: GraphQLBoolean } }
  if (scalar === jsonScalar) return fields
  for (const name of Object.keys(comparisons)) fields[name] = { type: scalar }
  fields['in'] = { type: new GraphQLList(new GraphQLNonNull(scalar)) }
  if (scalar === GraphQLString) {
    fields['like'] = {
      type: GraphQLString,
      description: 'A pattern: % is any text, _ any character.',
    }
  }
  return fields
}

export type ColumnFilter = Readonly<Record<string, unknown>>

/** Conditions that must all hold for one column. Texts are cast to the column's type by DuckDB. */
export function conditionsOf(
  column: { readonly sql: string; readonly type: string },
  filter: ColumnFilter,
  parameters: Parameters,
): string[] {
  const name = column.sql
  const bound = (value: unknown) => `CAST(${parameters.add(parameterOf(value))} AS ${column.type})`
  return Object.entries(filter).map(([operator, value]) => {
    if (operator === 'isNull') return value === false ? `${name} IS NOT NULL` : `${name} IS NULL`
    if (value === null) return `${name} IS ${operator === 'ne' ? 'NOT NULL' : 'NULL'}`
    if (operator === 'in') return inCondition(name, value as readonly unknown[], bound)
    if (operator === 'like') return `${name} LIKE ${bound(value)}`
    return `${name} ${comparisons[operator as keyof typeof comparisons]} ${bound(value)}`
  })
}

function inCondition(
  name: string,
  values: readonly unknown[],
  bound: (value: unknown) => string,
): string {
  return values.length === 0 ? 'false' : `${name} IN (${values.map(bound).join(', ')})`
}

function parameterOf(value: unknown): QueryParameter {
  if (typeof value === 'boolean' || typeof value === 'number') return value
  return `${value}`
}

/** The GraphQL types of one view or table. */
import {
  type GraphQLArgumentConfig,
  GraphQLBoolean,
  GraphQLEnumType,
  type GraphQLEnumValueConfigMap,
  type GraphQLFieldConfig,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
} from 'graphql'
import type { CatalogObject } from '../mirror/contract.ts'
import type { FilterTypes } from './filters.ts'
import { fieldNames } from './names.ts'
import type { ShownColumn } from './object-query.ts'
import { scalarOf } from './scalars.ts'
import { coverageType, directionType, modeType } from './shared-types.ts'

type Arguments = Record<string, GraphQLArgumentConfig>

export interface ObjectTypes {
  readonly object: CatalogObject
  readonly fieldName: string
  readonly columns: readonly ShownColumn[]
  readonly answerType: GraphQLNonNull<GraphQLObjectType>
  readonly where: Arguments
  readonly orderBy: Arguments
}

/** Suffixes of the type names that one object needs. */
export const objectTypeSuffixes = ['', 'Answer', 'Where', 'Column', 'OrderBy'] as const

export function objectTypes(
  object: CatalogObject,
  { fieldName, typeName }: { readonly fieldName: string; readonly typeName: string },
  filters: FilterTypes,
): ObjectTypes {
  const shownNames = fieldNames(object.columns.map(({ name }) => name))
  const columns = object.columns.map((column, index) => ({
    ...column,
    fieldName: shownNames[index] ?? column.name,
  }))
  return {
    object,
    fieldName,
    columns,
    answerType: new GraphQLNonNull(answerType(object, typeName, columns)),
    where: { where: { type: whereType(typeName, columns, filters) } },
    orderBy: { orderBy: { type: orderByType(typeName, columns) } },
  }
}

export const limitArgument: Arguments = {
  limit: { type: GraphQLInt, description: 'Rows answered at most.' },
}

export const modeArgument: Arguments = {
  mode: { type: new GraphQLNonNull(modeType), defaultValue: 'merged' },
}

export const offsetArgument: Arguments = {
  offset: {
    type: GraphQLInt,
    description: 'Rows to skip; with `orderBy`, pages never overlap while the data is the same.',
  },
}

function answerType(
  object: CatalogObject,
  typeName: string,
  columns: readonly ShownColumn[],
): GraphQLObjectType {
  const rowType = new GraphQLObjectType({
    name: typeName,
    description: object.description,
    fields: Object.fromEntries(
      columns.map(({ fieldName, type }): [string, GraphQLFieldConfig<unknown, unknown>] => [
        fieldName,
        { type: scalarOf(type), description: type },
      ]),
    ),
  })
  return new GraphQLObjectType({
    name: `${typeName}Answer`,
    fields: {
      rows: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(rowType))) },
      coverage: { type: new GraphQLNonNull(coverageType) },
      isTruncated: {
        type: new GraphQLNonNull(GraphQLBoolean),
        description: 'There are more rows than the limit or the size of an answer allows.',
      },
    },
  })
}

function whereType(
  typeName: string,
  columns: readonly ShownColumn[],
  filters: FilterTypes,
): GraphQLInputObjectType {
  return new GraphQLInputObjectType({
    name: `${typeName}Where`,
    description: 'All given conditions must hold.',
    fields: Object.fromEntries(
      columns.map(({ fieldName, type }) => [fieldName, { type: filters.of(scalarOf(type)) }]),
    ),
  })
}

function orderByType(typeName: string, columns: readonly ShownColumn[]) {
  const values: GraphQLEnumValueConfigMap = Object.fromEntries(
    columns.map(({ fieldName, name }) => [fieldName, { value: name }]),
  )
  const columnType = new GraphQLEnumType({ name: `${typeName}Column`, values })
  const type = new GraphQLInputObjectType({
    name: `${typeName}OrderBy`,
    fields: {
      column: { type: new GraphQLNonNull(columnType) },
      direction: { type: new GraphQLNonNull(directionType), defaultValue: 'ASC' },
    },
  })
  return new GraphQLList(new GraphQLNonNull(type))
}

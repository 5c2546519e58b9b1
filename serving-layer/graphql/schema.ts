/** The GraphQL schema, generated from the catalog: a field per view and table. */
import {
  type GraphQLFieldConfig,
  type GraphQLFieldConfigMap,
  GraphQLInt,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql'
import type { CatalogObject, Mode } from '../mirror/contract.ts'
import type { GraphqlServices, RequestContext } from './context.ts'
import { FilterTypes } from './filters.ts'
import { fieldNames, typeNames } from './names.ts'
import { type ObjectArguments, objectRequest, shownAnswer } from './object-query.ts'
import {
  limitArgument,
  modeArgument,
  type ObjectTypes,
  objectTypeSuffixes,
  objectTypes,
  offsetArgument,
} from './object-types.ts'
import { pipelinesField, pipelineTypeName } from './pipelines-field.ts'
import { scalarNames } from './scalars.ts'
import { selectedBelow } from './selection.ts'
import { modeType, sharedTypeNames, sqlAnswerType } from './shared-types.ts'
import { Places, subscriptionField } from './subscriptions.ts'

type Field = GraphQLFieldConfig<unknown, RequestContext>

export function graphqlSchema(services: GraphqlServices): GraphQLSchema {
  const types = catalogTypes(services.mirror.objects)
  const places = new Places(services.settings.subscriptionsMax)
  const fieldsBy = (fieldOf: (each: ObjectTypes) => Field) =>
    Object.fromEntries(types.map((each) => [each.fieldName, fieldOf(each)]))
  const query: GraphQLFieldConfigMap<unknown, RequestContext> = {
    sql: sqlField(services),
    pipelines: pipelinesField(services),
    ...fieldsBy((each) => objectField(each, services)),
  }
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: query }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: fieldsBy((each) => subscriptionField(each, services, places)),
    }),
  })
}

function catalogTypes(objects: readonly CatalogObject[]): ObjectTypes[] {
  const names = objects.map(({ name }) => name)
  const fields = fieldNames(names, ['sql', 'pipelines'])
  const taken = ['Query', 'Subscription', pipelineTypeName, ...sharedTypeNames, ...scalarNames]
  const ownTypes = typeNames(names, taken)
  const filters = new FilterTypes()
  const used = new Set(taken)
  return objects.map((object, index) => {
    const [fieldName = object.name, wanted = object.name] = [fields[index], ownTypes[index]]
    let typeName = wanted
    // `logs_where` must not collide with the filter type of `logs`.
    while (objectTypeSuffixes.some((suffix) => used.has(`${typeName}${suffix}`))) typeName += '_'
    for (const suffix of objectTypeSuffixes) used.add(`${typeName}${suffix}`)
    return objectTypes(object, { fieldName, typeName }, filters)
  })
}

function objectField(types: ObjectTypes, { queryService }: GraphqlServices): Field {
  const { object, columns } = types
  return {
    type: types.answerType,
    description: object.description,
    args: {
      ...types.where,
      ...types.orderBy,
      ...limitArgument,
      ...offsetArgument,
      ...modeArgument,
    },
    resolve: async (_, args: ObjectArguments, { signal }, info) => {
      const selected = selectedBelow(info, 'rows')
      const request = objectRequest({ object, columns, selected, arguments: args })
      return shownAnswer(await queryService.execute({ ...request, signal }), selected)
    },
  }
}

interface SqlArguments {
  readonly statement: string
  readonly limit?: number | null
  readonly mode: Mode
}

function sqlField({ queryService }: GraphqlServices): Field {
  return {
    type: new GraphQLNonNull(sqlAnswerType),
    description: 'Answers one SELECT over the views and tables.',
    args: {
      statement: { type: new GraphQLNonNull(GraphQLString) },
      limit: { type: GraphQLInt, description: 'Rows answered at most.' },
      mode: {
        type: new GraphQLNonNull(modeType),
        defaultValue: 'merged',
        description: 'What names without a database (default, batch, realtime) mean.',
      },
    },
    resolve: async (_, { statement, limit, mode }: SqlArguments, { signal }) =>
      await queryService.execute({
        sql: statement,
        mode,
        signal,
        ...(typeof limit === 'number' ? { limit } : {}),
      }),
  }
}

/** `pipelines`: how each pipeline is doing. */
import {
  type GraphQLFieldConfig,
  GraphQLFloat,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from 'graphql'
import { offsetsToJson } from '../../core/offsets.ts'
import type { PipelineStatus } from '../mirror/contract.ts'
import type { GraphqlServices, RequestContext } from './context.ts'
import { bigIntScalar, jsonScalar, offsetsScalar } from './scalars.ts'

const pipelineType = new GraphQLObjectType<PipelineStatus>({
  name: 'Pipeline',
  fields: {
    name: { type: new GraphQLNonNull(GraphQLString) },
    topic: { type: new GraphQLNonNull(GraphQLString) },
    lag: {
      type: new GraphQLNonNull(bigIntScalar),
      description: 'Offsets of the event log that answers do not show yet.',
      resolve: ({ lagRecords }) => shownCount(lagRecords),
    },
    freshnessMs: {
      type: GraphQLFloat,
      description: 'ms since the newest visible record was logged; null when there is none.',
    },
    batchAgeMs: {
      type: GraphQLFloat,
      description: 'ms since the oldest batch view was published; null when one never was.',
    },
    rejectedCount: {
      type: new GraphQLNonNull(bigIntScalar),
      description: 'Records that failed a check; they are in the table that ends in _rejected.',
      resolve: ({ rejectedCount }) => shownCount(rejectedCount),
    },
    log: {
      type: offsetsScalar,
      description: 'Next offsets of the event log.',
      resolve: ({ log }) => offsetsToJson(log),
    },
    realtime: {
      type: offsetsScalar,
      description: 'Offsets that merged answers cover.',
      resolve: ({ realtime }) => offsetsToJson(realtime),
    },
    lake: {
      type: offsetsScalar,
      description: 'Offsets that the lake covers.',
      resolve: ({ lake }) => offsetsToJson(lake),
    },
    batch: {
      type: jsonScalar,
      description: 'Offsets that the batch views cover, by view.',
      resolve: ({ batch }) =>
        Object.fromEntries([...batch].map(([view, offsets]) => [view, offsetsToJson(offsets)])),
    },
  },
})

export const pipelineTypeName = pipelineType.name

export function pipelinesField({
  mirror,
}: GraphqlServices): GraphQLFieldConfig<unknown, RequestContext> {
  return {
    type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(pipelineType))),
    description: 'Lag, freshness and progress of each pipeline.',
    resolve: () => mirror.status(),
  }
}

function shownCount(count: bigint): number | string {
  const number = Number(count)
  return Number.isSafeInteger(number) ? number : `${count}`
}

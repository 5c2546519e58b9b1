/** Types of the schema that do not depend on the catalog. */
import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLFloat,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from 'graphql'
import { offsetsToJson } from '../../core/offsets.ts'
import type { Coverage } from '../mirror/contract.ts'
import { jsonScalar, offsetsScalar } from './scalars.ts'

const text = new GraphQLNonNull(GraphQLString)

export const modeType = new GraphQLEnumType({
  name: 'Mode',
  description: 'Which part of the data an answer is made of.',
  values: {
    merged: { description: 'Batch view and everything since: the exact answer.' },
    batch: { description: 'What the batch layer has published.' },
    realtime: { description: 'What came after the batch view.' },
  },
})

export const directionType = new GraphQLEnumType({
  name: 'Direction',
  values: { ASC: {}, DESC: {} },
})

export const coverageType = new GraphQLObjectType<Coverage>({
  name: 'Coverage',
  description: 'What an answer states about itself: every record below the offsets is in it.',
  fields: {
    pipeline: { type: text },
    mode: { type: new GraphQLNonNull(modeType) },
    view: { type: GraphQLString },
    batch: { type: offsetsScalar, resolve: ({ batch }) => offsetsToJson(batch) },
    lake: { type: offsetsScalar, resolve: ({ lake }) => offsetsToJson(lake) },
    realtime: { type: offsetsScalar, resolve: ({ realtime }) => offsetsToJson(realtime) },
    freshnessMs: {
      type: GraphQLFloat,
      description: 'ms since the newest visible record was logged; null when there is none.',
    },
    batchAgeMs: {
      type: GraphQLFloat,
      description: 'ms since the batch view was published; null when it never was.',
    },
  },
})

const columnType = new GraphQLObjectType({
  name: 'Column',
  fields: {
    name: { type: text },
    type: { type: text, description: "DuckDB's name of the type." },
  },
})

export const sqlAnswerType = new GraphQLObjectType({
  name: 'SqlAnswer',
  fields: {
    columns: { type: listOf(columnType) },
    rows: { type: listOf(jsonScalar), description: 'An array of values per row.' },
    coverage: {
      type: listOf(coverageType),
      description: 'One entry per view or table and mode that the statement names.',
    },
    isTruncated: {
      type: new GraphQLNonNull(GraphQLBoolean),
      description: 'There are more rows than the limit or the size of an answer allows.',
    },
  },
})

function listOf(type: GraphQLObjectType | typeof jsonScalar) {
  return new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)))
}

export const sharedTypeNames: readonly string[] = [
  modeType,
  directionType,
  coverageType,
  columnType,
  sqlAnswerType,
].map(({ name }) => name)

/** GraphQL's types for DuckDB's. Values arrive as the query service's JSON and pass unchanged. */
import {
  GraphQLBoolean,
  GraphQLError,
  GraphQLFloat,
  GraphQLInt,
  GraphQLScalarType,
  GraphQLString,
  Kind,
  type ValueNode,
} from 'graphql'

function textScalar(name: string, description: string, pattern: RegExp): GraphQLScalarType {
  const parse = (value: unknown): string => {
    const text =
      typeof value === 'string' || Number.isSafeInteger(value) || isFraction(value)
        ? `${value}`
        : ''
    if (pattern.test(text)) return text
    throw new GraphQLError(
      `${JSON.stringify(value)} is not a ${name}; numbers beyond 2^53 must be strings.`,
    )
  }
  return new GraphQLScalarType({
    name,
    description,
    serialize: (value) => value,
    parseValue: parse,
    parseLiteral: (node: ValueNode) => {
      // The text of a literal has every digit, whatever a JavaScript number would make of it.
      const isText = node.kind === Kind.STRING || node.kind === Kind.INT || node.kind === Kind.FLOAT
      return parse(isText ? node.value : node.kind)
    },
  })
}

function isFraction(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value)
}

const bigInt = textScalar(
  'BigInt',
  'A whole number with all its digits: a JSON number up to 2^53 - 1, a string beyond.',
  /^-?\d+$/,
)

const decimal = textScalar(
  'Decimal',
  'A decimal number with all its digits, as a string, e.g. "12.30".',
  /^-?(?:\d+(?:\.\d*)?|\.\d+)$/,
)

const timestamp = textScalar(
  'Timestamp',
  'A moment in ISO 8601 with microseconds, in UTC: "2026-01-02T03:04:05.000006Z".',
  /^[-+:.\w ]+$/,
)

const localTimestamp = textScalar(
  'LocalTimestamp',
  'A date and time without a zone: "2026-01-02T03:04:05.000006".',
  /^[-+:.\w ]+$/,
)

const date = textScalar('Date', 'A day: "2026-01-02".', /^[-+:.\w ]+$/)

/** Lists, structures and maps; a map is a list of `{key, value}`. */
const json = new GraphQLScalarType({
  name: 'JSON',
  description: 'A JSON value; whole numbers beyond 2^53 in it are strings.',
})

/** Offsets per partition: `{"0": "12", "1": "7"}`. */
export const offsetsScalar = new GraphQLScalarType({
  name: 'Offsets',
  description: 'The next offset of each partition, e.g. {"0": "12", "1": "7"}.',
})

export const jsonScalar = json
export const bigIntScalar = bigInt

export const scalarNames: readonly string[] = [
  bigInt,
  decimal,
  timestamp,
  localTimestamp,
  date,
  json,
  offsetsScalar,
  GraphQLBoolean,
  GraphQLFloat,
  GraphQLInt,
  GraphQLString,
].map(({ name }) => name)

const byType: Readonly<Record<string, GraphQLScalarType>> = {
  BOOLEAN: GraphQLBoolean,
  TINYINT: GraphQLInt,
  SMALLINT: GraphQLInt,
  INTEGER: GraphQLInt,
  UTINYINT: GraphQLInt,
  USMALLINT: GraphQLInt,
  UINTEGER: bigInt,
  BIGINT: bigInt,
  UBIGINT: bigInt,
  HUGEINT: bigInt,
  UHUGEINT: bigInt,
  FLOAT: GraphQLFloat,
  DOUBLE: GraphQLFloat,
  'TIMESTAMP WITH TIME ZONE': timestamp,
  TIMESTAMPTZ: timestamp,
  TIMESTAMP: localTimestamp,
  TIMESTAMP_S: localTimestamp,
  TIMESTAMP_MS: localTimestamp,
  TIMESTAMP_NS: localTimestamp,
  DATE: date,
}

/** The GraphQL type of a column of DuckDB's type `type`, e.g. `DECIMAL(38,0)`. */
export function scalarOf(type: string): GraphQLScalarType {
  const upper = type.toUpperCase()
  const known = byType[upper]
  if (known !== undefined) return known
  const scale = /^DECIMAL\(\d+, ?(\d+)\)$/.exec(upper)?.[1]
  if (scale !== undefined) return scale === '0' ? bigInt : decimal
  if (/\]$|^(?:STRUCT|MAP|UNION)\b/.test(upper)) return json
  return GraphQLString
}

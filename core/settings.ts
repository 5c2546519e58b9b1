/**
 * What a settings schema says about itself: one list of fields serves the loader, the environment
 * overrides and the generated page `docs/configuration.md`.
 */
import { z } from 'zod'

/** One setting, i.e. one leaf of a schema of nested `strictObject`s. */
export interface SettingField {
  /** E.g. `['speed', 'lakeCommitIntervalMs']`. */
  readonly path: readonly string[]
  readonly kind: 'number' | 'boolean' | 'text' | 'structure'
  /** What a value must be, to follow "expected", e.g. `a whole number from 1 to 65535`. */
  readonly expected: string
  readonly description: string
  readonly defaultValue: unknown
  /** The environment variable that overrides it. */
  readonly variable: string
}

export interface FieldNaming {
  /** Begins every environment variable, e.g. `MILLRACE_`. */
  readonly prefix: string
  /** Short variable names by setting, e.g. `{ dataDirectory: 'MILLRACE_DATA' }`. */
  readonly shortVariables?: Readonly<Record<string, string>>
}

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly minimum?: number
  readonly maximum?: number
  readonly items?: JsonSchema
  readonly default?: unknown
  readonly description?: string
}

/** Every setting of a schema, in the schema's order. */
export function settingFields(schema: z.ZodType, naming: FieldNaming): SettingField[] {
  // A JSON schema is the one form of a zod schema that is documented and stable to walk over.
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return fieldsOf(root, [], naming)
}

function fieldsOf(node: JsonSchema, path: readonly string[], naming: FieldNaming): SettingField[] {
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([name, child]) =>
      fieldsOf(child, [...path, name], naming),
    )
  }
  return [
    {
      path,
      kind: kindOf(node),
      expected: expectedOf(node),
      description: node.description ?? '',
      defaultValue: node.default,
      variable: naming.shortVariables?.[path.join('.')] ?? variableName(path, naming.prefix),
    },
  ]
}

/** `['speed', 'lakeCommitIntervalMs']` is `MILLRACE_SPEED_LAKE_COMMIT_INTERVAL_MS`. */
function variableName(path: readonly string[], prefix: string): string {
  const words = path.map((name) => name.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase())
  return `${prefix}${words.join('_')}`
}

function alternativesOf(node: JsonSchema): readonly JsonSchema[] {
  if (node.anyOf !== undefined) return node.anyOf.flatMap(alternativesOf)
  if (Array.isArray(node.type)) return node.type.map((type: string) => ({ ...node, type }))
  return [node]
}

function kindOf(node: JsonSchema): SettingField['kind'] {
  const types = new Set(alternativesOf(node).map(({ type }) => type))
  types.delete('null')
  if (types.size !== 1) return 'structure'
  if (types.has('integer') || types.has('number')) return 'number'
  if (types.has('boolean')) return 'boolean'
  return types.has('string') ? 'text' : 'structure'
}

function expectedOf(node: JsonSchema): string {
  return alternativesOf(node).map(expectedOfOne).join(' or ')
}

function expectedOfOne(node: JsonSchema): string {
  if (node.enum !== undefined) return `one of ${node.enum.map((value) => `'${value}'`).join(', ')}`
  switch (node.type) {
    case 'integer':
      return `a whole number${rangeOf(node)}`
    case 'number':
      return `a number${rangeOf(node)}`
    case 'boolean':
      return 'true or false'
    case 'string':
      return 'a text'
    case 'array':
      return `a list, each item ${expectedOf(node.items ?? {})}`
    case 'null':
      return 'null'
    default:
      return 'a map of names to values'
  }
}

function rangeOf({ minimum, maximum }: JsonSchema): string {
  const isOpenBelow = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER
  const isOpenAbove = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER
  if (isOpenBelow) return isOpenAbove ? '' : ` up to ${maximum}`
  return isOpenAbove ? ` from ${minimum}` : ` from ${minimum} to ${maximum}`
}

/** Reads `pipeline.yml`: its text to values, with the line of everything that is wrong. */
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'
import type { Problem } from './errors.ts'

/** The name of a pipeline, a view, a column. */
export const identifier = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,62}$/,
    'is not a name: use lower-case letters, digits and _, starting with a letter',
  )
const sqlText = z.string().trim().min(1, 'is empty: write an SQL expression')

const definitionSchema = z.strictObject({
  description: z.string().default(''),
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/, 'is not a topic name: use letters, digits, ".", "_" and "-"'),
  partitions: z.int().min(1).max(1024).default(3),
  format: z.enum(['json', 'text', 'csv']).default('json'),
  patterns: z
    .array(z.string().min(1))
    .min(1, 'is empty: write a regular expression with named groups')
    .optional(),
  delimiter: z.string().length(1, 'must be one character, e.g. ";"').optional(),
  schema: z.record(identifier, z.string()),
  event_time: identifier.optional(),
  checks: z.record(identifier, sqlText).default({}),
  references: z
    .record(identifier, z.strictObject({ path: z.string().min(1), key: identifier }))
    .default({}),
  table: identifier.optional(),
  partition_by: z.record(identifier, sqlText).default({}),
})

export type Definition = z.infer<typeof definitionSchema>

/** What has been read. */
export interface ReadDefinition {
  /** Null where something is wrong that has been reported. */
  readonly whole: Definition | null
  /** Every part that is as it should be, for a look at what they say together. */
  readonly parts: Partial<Omit<Definition, LookedInto>>
  /** The names and values of these maps, whatever the values are; null where there is no map. */
  readonly schema: ReadonlyMap<string, unknown> | null
  readonly partitionBy: ReadonlyMap<string, unknown>
}

type LookedInto = 'schema' | 'partition_by'

/** The YAML file with its lines. */
export class DefinitionReader {
  readonly #problems: Problem[] = []
  readonly #file: string
  readonly #lines = new LineCounter()
  readonly #document: ReturnType<typeof parseDocument>

  constructor(file: string, text: string) {
    this.#file = file
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
  }

  /** Null when the file has no shape to go on with; the problems say why. */
  read(): ReadDefinition | null {
    for (const error of [...this.#document.errors, ...this.#document.warnings]) {
      this.#problems.push({
        file: this.#file,
        line: this.#lines.linePos(error.pos[0]).line,
        message: `The file is not YAML as expected: ${error.message.replace(/\.?$/, '.')}`,
      })
    }
    if (this.#problems.length > 0) return null
    if (!isMap(this.#document.contents)) {
      this.report([], 'The file must be a map of names: begin with the topic and the schema.')
      return null
    }
    const values = this.#values()
    if (values === null) return null
    const whole = definitionSchema.safeParse(values.value)
    for (const issue of whole.error?.issues ?? []) this.#reportIssue(issue)
    return {
      whole: whole.data ?? null,
      parts: usableParts(values.value),
      schema: mapOf(values.value['schema']),
      partitionBy: mapOf(values.value['partition_by']) ?? new Map(),
    }
  }

  /** Null when aliases (`*name`) refer to nothing, or to so much that a small file fills the memory. */
  #values(): { readonly value: Readonly<Record<string, unknown>> } | null {
    try {
      return { value: this.#document.toJS() }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.report([], `The aliases of the file cannot be used: ${reason}.`)
      return null
    }
  }

  /** From the first line to the last. */
  get problems(): readonly Problem[] {
    return this.#problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0))
  }

  has(key: string): boolean {
    return this.#document.has(key)
  }

  report(path: readonly (string | number)[], message: string): void {
    const line = this.lineOf(path)
    this.#problems.push({ file: this.#file, ...(line === null ? {} : { line }), message })
  }

  #reportIssue(issue: z.core.$ZodIssue): void {
    const path = issue.path.map((step) => (typeof step === 'symbol' ? step.toString() : step))
    const name = path.join('.')
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const known = path.length === 0 ? Object.keys(definitionSchema.shape) : ['path', 'key']
        this.report(
          [...path, key],
          `The key '${[...path, key].join('.')}' is unknown: expected one of ${known.join(', ')}.`,
        )
      }
      return
    }
    if (issue.code === 'invalid_key') {
      const reason = issue.issues[0]?.message ?? issue.message
      this.report(path, `The name '${path.at(-1)}' in '${path.slice(0, -1).join('.')}' ${reason}.`)
      return
    }
    const value = this.#document.getIn(path)
    const shown = value === undefined ? '' : ` (found '${scalarText(value)}')`
    const required = value === undefined && issue.code === 'invalid_type'
    this.report(
      path,
      required
        ? `The key '${name || 'topic'}' is missing: add it.`
        : `'${name}' ${issue.message.replace(/^Invalid input: /, 'is invalid: ').replace(/\.$/, '')}${shown}.`,
    )
  }

  /** The line of the key that the path ends with, or of the nearest key around it. */
  lineOf(path: readonly (string | number)[]): number | null {
    let node: unknown = this.#document.contents
    let offset: number | null = null
    for (const step of path) {
      const next = childOf(node, step)
      if (next === null) break
      offset = next.offset ?? offset
      node = next.node
    }
    return offset === null ? (path.length === 0 ? 1 : null) : this.#lines.linePos(offset).line
  }
}

function usableParts(value: Readonly<Record<string, unknown>>): ReadDefinition['parts'] {
  const parts = Object.entries(definitionSchema.shape).map(([name, part]) => {
    return [name, part.safeParse(value[name]).data]
  })
  return Object.fromEntries(parts)
}

function mapOf(value: unknown): ReadonlyMap<string, unknown> | null {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isRecord ? new Map(Object.entries(value)) : null
}

function childOf(node: unknown, step: string | number) {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
    if (pair === undefined) return null
    return { node: pair.value, offset: rangeStart(pair.key) }
  }
  const items = (node as { items?: readonly unknown[] } | null)?.items
  if (items === undefined || typeof step !== 'number' || items[step] === undefined) return null
  return { node: items[step], offset: rangeStart(items[step]) }
}

function rangeStart(node: unknown): number | null {
  return (node as Node | null)?.range?.[0] ?? null
}

function scalarText(value: unknown): string {
  const plain = isScalar(value) ? value.value : value
  return typeof plain === 'string' ? plain : JSON.stringify(plain)
}

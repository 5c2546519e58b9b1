/** YAML as values that still know their line, with `${NAME:default}` filled in. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parse, parseDocument } from 'yaml'
import type { Problem } from '../../core/errors.ts'

export type LocatedNode = LocatedMap | LocatedList | LocatedScalar

export interface LocatedMap {
  readonly kind: 'map'
  readonly line: number
  readonly entries: readonly LocatedEntry[]
}

export interface LocatedEntry {
  readonly key: string
  readonly line: number
  readonly node: LocatedNode
}

interface LocatedList {
  readonly kind: 'list'
  readonly line: number
  readonly items: readonly LocatedNode[]
}

interface LocatedScalar {
  readonly kind: 'scalar'
  readonly line: number
  readonly value: unknown
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface LocatedDocument {
  /** Null when the text is no YAML map. */
  readonly root: LocatedMap | null
  readonly problems: readonly Problem[]
}

export function parseLocated(
  text: string,
  file: string,
  environment: Environment,
): LocatedDocument {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, merge: true })
  const problems: Problem[] = document.errors.map((error) => ({
    file,
    line: lineCounter.linePos(error.pos[0]).line,
    message: `Not valid YAML: ${error.message.split('\n')[0]?.replace(/ at line .*$/, '')}.`,
  }))
  if (problems.length > 0) return { root: null, problems }

  const lineOf = (node: Node) => lineCounter.linePos(node.range?.[0] ?? 0).line
  const locate = (node: unknown, parentLine: number): LocatedNode => {
    const target = isAlias(node) ? node.resolve(document) : node
    if (isMap(target))
      return { kind: 'map', line: lineOf(target), entries: entriesOf(target.items) }
    if (isSeq(target)) {
      const line = lineOf(target)
      return { kind: 'list', line, items: target.items.map((item) => locate(item, line)) }
    }
    if (!isScalar(target)) return { kind: 'scalar', line: parentLine, value: null }
    const line = lineOf(target)
    const expanded = expand(target.value, environment)
    for (const message of expanded.problems) problems.push({ file, line, message })
    return { kind: 'scalar', line, value: expanded.value }
  }
  const entriesOf = (pairs: readonly { key: unknown; value: unknown }[]): LocatedEntry[] =>
    pairs.flatMap(({ key, value }) => {
      const line = isScalar(key) ? lineOf(key) : 1
      const name = isScalar(key) ? String(key.value) : String(key)
      const node = locate(value, line)
      // A merge key brings the entries of the map it names.
      if (name === '<<' && node.kind === 'map') return [...node.entries]
      return [{ key: name, line, node }]
    })

  const root = locate(document.contents, 1)
  if (root.kind === 'map') return { root, problems }
  const isEmpty = root.kind === 'scalar' && root.value === null
  const message = isEmpty ? 'The file is empty.' : 'Expected a map of options.'
  return { root: null, problems: [...problems, { file, line: 1, message }] }
}

/** The plain value below a node. */
export function plainValue(node: LocatedNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(plainValue)
  return Object.fromEntries(node.entries.map(({ key, node: inner }) => [key, plainValue(inner)]))
}

const placeholder = /\$\{([^}:]+)(?::([^}]*))?\}/g

function expand(value: unknown, environment: Environment) {
  const problems: string[] = []
  if (typeof value !== 'string' || !value.includes('${')) return { value, problems }
  const text = value.replace(placeholder, (whole, name: string, fallback: string | undefined) => {
    const found = environment[name]
    if (found !== undefined) return found
    if (fallback !== undefined && !fallback.startsWith('?')) return fallback
    const hint = fallback?.slice(1).trim() || `set it, or write \${${name}:default}`
    problems.push(`The environment variable '${name}' is not set: ${hint}.`)
    return whole
  })
  // A value that is one placeholder takes the type its text has: a number, a list, a boolean.
  const isOnlyPlaceholder = value.replace(placeholder, '') === ''
  if (!isOnlyPlaceholder || problems.length > 0) return { value: text, problems }
  return { value: typedText(text), problems }
}

function typedText(text: string): unknown {
  try {
    return parse(text) as unknown
  } catch {
    // Not YAML by itself (a password with a colon, say): it stays the text that it is.
    return text
  }
}

/** Matches the entries of a map with an option table, whatever mix of dots and nesting they use. */

import type { z } from 'zod'
import type { LocatedMap, LocatedNode } from './located-yaml.ts'
import { plainValue } from './located-yaml.ts'
import type { OptionSpec, OptionTable } from './option-tables.ts'

export interface FoundOption {
  readonly name: string
  readonly line: number
  readonly node: LocatedNode
  readonly spec: OptionSpec
}

export interface FoundOptions {
  readonly known: readonly FoundOption[]
  readonly unknown: readonly { readonly name: string; readonly line: number }[]
}

/** An option stands where its dotted name ends; a map between two dots is a spelling, not a value. */
export function findOptions(map: LocatedMap, table: OptionTable): FoundOptions {
  const names = Object.keys(table)
  const known: FoundOption[] = []
  const unknown: { name: string; line: number }[] = []
  /** `ssl.enabled` belongs to `ssl`: the value is built up from its parts. */
  const addPart = (name: string, line: number, node: LocatedNode): void => {
    const owner = ownerOf(name, table)
    if (owner === null) {
      unknown.push({ name, line })
      return
    }
    const inner = name.slice(owner.length + 1)
    const wrapped: LocatedNode = { kind: 'map', line, entries: [{ key: inner, line, node }] }
    known.push({ name: owner, line, node: wrapped, spec: table[owner] ?? {} })
  }
  const visit = (at: LocatedMap, prefix: string): void => {
    for (const { key, line, node } of at.entries) add(`${prefix}${key}`, line, node)
  }
  const add = (name: string, line: number, node: LocatedNode): void => {
    const isInside = names.some((candidate) => candidate.startsWith(`${name}.`))
    const spec = table[name]
    if (isInside && node.kind === 'map' && node.entries.length > 0) visit(node, `${name}.`)
    else if (spec !== undefined) known.push({ name, line, node, spec })
    else if (!isInside || !isNothing(node)) addPart(name, line, node)
  }
  visit(map, '')
  return { known, unknown }
}

function ownerOf(name: string, table: OptionTable): string | null {
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const owner = name.slice(0, dot)
    if (Object.hasOwn(table, owner)) return owner
  }
  return null
}

function isNothing(node: LocatedNode): boolean {
  if (node.kind === 'map') return node.entries.length === 0
  return node.kind === 'scalar' && node.value === null
}

/** The raw settings of options that have an effect, and the line of each. */
export function settingsOf(options: readonly FoundOption[]) {
  const raw: Record<string, unknown> = {}
  const lines = new Map<string, number>()
  const names = new Map<string, string>()
  for (const { name, line, node, spec } of options) {
    if (spec.sets === undefined || isNothing(node)) continue
    raw[spec.sets] = merged(raw[spec.sets], plainValue(node))
    if (!lines.has(spec.sets)) lines.set(spec.sets, line)
    names.set(spec.sets, name)
  }
  const placeOf = (otherwise: number) => (field: string) => ({
    name: names.get(field) ?? field,
    line: lines.get(field) ?? otherwise,
  })
  return { raw, lines, placeOf }
}

interface OptionPlace {
  readonly name: string
  readonly line: number
}

/** Every issue of a schema as a problem at the line of its option. */
export function refuseIssues(
  issues: readonly z.core.$ZodIssue[],
  placeOf: (field: string) => OptionPlace,
  refuse: (line: number, message: string) => void,
): void {
  for (const issue of issues) {
    const { name, line } = placeOf(String(issue.path[0]))
    refuse(line, issueText(name, issue))
  }
}

export function issueText(option: string, issue: z.core.$ZodIssue): string {
  const inner = issue.path.slice(1).join('.')
  const name = inner === '' ? option : `${option}.${inner}`
  return `'${name}': ${issue.message.replace(/\.$/, '')}.`
}

/** Parts of one option that were written apart (`json.a: …` and `json.b: …`) are one map. */
function merged(before: unknown, after: unknown): unknown {
  if (!isMap(before) || !isMap(after)) return after
  return { ...before, ...after }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

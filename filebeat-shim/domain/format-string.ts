/** Filebeat's format strings: `logs-%{[fields.app]}`, `%{[fields][app]:other}`, `%{[message]}`. */

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly path: readonly string[]; readonly fallback: string | null }

export interface FormatString {
  readonly source: string
  readonly parts: readonly Part[]
}

export type FormatStringResult =
  | { readonly kind: 'parsed'; readonly format: FormatString }
  | { readonly kind: 'refused'; readonly reason: string }

const reference = /^((?:\[[^[\]]+\])+)(?::(.*))?$/s

export function parseFormatString(source: string): FormatStringResult {
  const parts: Part[] = []
  let at = 0
  while (at < source.length) {
    const open = source.indexOf('%{', at)
    if (open === -1) {
      parts.push({ kind: 'text', text: source.slice(at) })
      break
    }
    if (open > at) parts.push({ kind: 'text', text: source.slice(at, open) })
    const close = source.indexOf('}', open)
    if (close === -1) return { kind: 'refused', reason: `'${source}' has a '%{' without its '}'.` }
    const part = fieldOf(source.slice(open + 2, close))
    if (part === null) return { kind: 'refused', reason: refusal(source.slice(open, close + 1)) }
    parts.push(part)
    at = close + 1
  }
  return { kind: 'parsed', format: { source, parts } }
}

function refusal(found: string): string {
  return `'${found}' is not understood; expected a field such as %{[fields.name]} or %{[fields][name]:default}.`
}

function fieldOf(inside: string): Part | null {
  const match = reference.exec(inside)
  if (match?.[1] === undefined) return null
  const path = match[1]
    .slice(1, -1)
    .split('][')
    .flatMap((step) => step.split('.'))
  return { kind: 'field', path, fallback: match[2] ?? null }
}

/** The text for an event, or null when a field is missing and has no default. */
export function renderFormat(format: FormatString, event: unknown): string | null {
  let text = ''
  for (const part of format.parts) {
    const piece = part.kind === 'text' ? part.text : (fieldText(event, part.path) ?? part.fallback)
    if (piece === null) return null
    text += piece
  }
  return text
}

/** True when the format names a field under `root`: `message` differs from line to line. */
export function refersTo(format: FormatString, root: string): boolean {
  return format.parts.some((part) => part.kind === 'field' && part.path[0] === root)
}

/** True for the format that is one field and nothing else. */
export function isExactlyField(format: FormatString, name: string): boolean {
  const [only] = format.parts
  if (format.parts.length !== 1 || only?.kind !== 'field') return false
  return only.path.length === 1 && only.path[0] === name
}

/** A field as text; null when it is missing, empty or no scalar. */
export function fieldText(event: unknown, path: readonly string[]): string | null {
  const value = fieldAt(event, path)
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null
}

/** Keys may hold dots themselves: `{ 'a.b': 1 }` answers to `a.b` like `{ a: { b: 1 } }`. */
function fieldAt(event: unknown, path: readonly string[]): unknown {
  if (path.length === 0) return event
  if (typeof event !== 'object' || event === null) return undefined
  for (let steps = path.length; steps > 0; steps -= 1) {
    const key = path.slice(0, steps).join('.')
    if (!Object.hasOwn(event, key)) continue
    // Safe: `event` is an object that owns `key`.
    const inner = (event as Record<string, unknown>)[key]
    const value = fieldAt(inner, path.slice(steps))
    if (value !== undefined) return value
  }
  return undefined
}

/** The value types of filebeat.yml: durations, sizes, lists, patterns. */
import { z } from 'zod'
import { parseFormatString } from '../domain/format-string.ts'

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** `10s`, `1m30s`, `500ms`, `-1`; a bare number is seconds. Returns ms, or null when it is neither. */
export function parseDurationMs(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value * 1000 : null
  if (typeof value !== 'string') return null
  const text = value.trim()
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  if (!/^-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return null
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    totalMs += Number(amount) * (unitMs[unit ?? ''] ?? 0)
  }
  return text.startsWith('-') ? -totalMs : totalMs
}

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1000,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
}

function parseBytes(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : null
  if (typeof value !== 'string') return null
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(value.trim())
  const unit = byteUnits[(match?.[2] ?? '').toLowerCase()]
  return match === null || unit === undefined ? null : Math.floor(Number(match[1]) * unit)
}

/** A custom zod type from a parser that returns null for what it refuses. */
function parsed<T>(parse: (value: unknown) => T | null, expected: string) {
  return z.unknown().transform((value, context): T => {
    const result = parse(value)
    if (result !== null) return result
    context.addIssue({ code: 'custom', message: `expected ${expected}, found ${shown(value)}` })
    return z.NEVER
  })
}

export const duration = parsed(parseDurationMs, "a duration such as '10s' or '500ms'")
export const byteCount = parsed((value) => {
  const bytes = parseBytes(value)
  return bytes !== null && bytes > 0 ? bytes : null
}, "a size above 0 such as 1048576 or '1MiB'")

export const flag = parsed((value) => (typeof value === 'boolean' ? value : null), 'true or false')
export const text = parsed(
  (value) => (typeof value === 'string' || typeof value === 'number' ? String(value) : null),
  'text',
)
export const anyValue = z.unknown()

/** One text or a list of them, as Filebeat accepts it. */
export const textList = parsed((value) => {
  const list = Array.isArray(value) ? value : [value]
  return list.every((item) => typeof item === 'string') ? (list as string[]) : null
}, 'text or a list of texts')

/** Go regular expressions, as far as they mean the same here. */
export const patternList = z.unknown().transform((value, context): RegExp[] => {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.flatMap((item) => {
    const pattern = typeof item === 'string' ? patternOf(item) : null
    if (pattern !== null) return [pattern]
    const message = `expected a regular expression, found ${shown(item)}`
    context.addIssue({ code: 'custom', message })
    return []
  })
})

function patternOf(source: string): RegExp | null {
  const leadingFlags = /^\(\?([ims]+)\)/.exec(source)
  const body = leadingFlags === null ? source : source.slice(leadingFlags[0].length)
  try {
    return new RegExp(body.replaceAll('[[:space:]]', '\\s'), leadingFlags?.[1] ?? '')
  } catch {
    // Refused with the option's line by the caller.
    return null
  }
}

export const formatString = z.unknown().transform((value, context) => {
  const result = parseFormatString(typeof value === 'string' ? value : '')
  const isText = typeof value === 'string' && value !== ''
  if (isText && result.kind === 'parsed') return result.format
  const message =
    isText && result.kind === 'refused' ? result.reason : `expected text, found ${shown(value)}`
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

/** Custom fields: a map of JSON values. */
export const fieldMap = parsed(
  (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? nested(value as Record<string, unknown>)
      : null,
  'a map of fields',
)

/** `{ 'a.b': 1 }` means `{ a: { b: 1 } }`, as everywhere in Beats. */
function nested(map: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(map)) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    const inner = isMap ? nested(value as Record<string, unknown>) : value
    insert(result, key.split('.'), inner)
  }
  return result
}

function insert(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    target[key] = value
    return
  }
  const existing = target[key]
  const isMap = typeof existing === 'object' && existing !== null && !Array.isArray(existing)
  const inner = isMap ? (existing as Record<string, unknown>) : {}
  target[key] = inner
  insert(inner, rest, value)
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value)
}

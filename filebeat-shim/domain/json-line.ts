/** A line of JSON merged into the event around it, as `json.*` and the ndjson parser say. */
export interface JsonMerge {
  readonly target: string
  readonly overwriteKeys: boolean
  readonly addErrorKey: boolean
  readonly messageKey: string | null
}

type Fields = Readonly<Record<string, unknown>>

/** A line that is no JSON object stays the event's message, with `error.*` when asked for. */
export function decodedJson(event: Fields, message: string, merge: JsonMerge): Fields {
  const parsed = parseObject(message)
  if (parsed.kind === 'refused') {
    if (!merge.addErrorKey) return event
    const error = { message: `Error decoding JSON: ${parsed.reason}`, type: 'json' }
    return { ...event, error }
  }
  const { messageKey } = merge
  const text = messageKey === null ? undefined : parsed.fields[messageKey]
  const { message: _line, ...rest } = event
  const base = typeof text === 'string' ? { ...rest, message: text } : rest
  if (merge.target !== '') return withTarget(base, merge.target.split('.'), parsed.fields)
  return merge.overwriteKeys ? { ...base, ...parsed.fields } : { ...parsed.fields, ...base }
}

function withTarget(event: Fields, [key = '', ...rest]: readonly string[], value: Fields): Fields {
  if (rest.length === 0) return { ...event, [key]: value }
  const inner = event[key]
  const isMap = typeof inner === 'object' && inner !== null && !Array.isArray(inner)
  return { ...event, [key]: withTarget(isMap ? (inner as Fields) : {}, rest, value) }
}

function parseObject(text: string) {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isObject) return { kind: 'parsed', fields: value as Fields } as const
    return { kind: 'refused', reason: 'the line is no JSON object' } as const
  } catch (error) {
    // Bad input is data: the reason goes into the event.
    return { kind: 'refused', reason: error instanceof Error ? error.message : 'not JSON' } as const
  }
}

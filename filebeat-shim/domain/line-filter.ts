/** include_lines, then exclude_lines: Filebeat's order. */
export interface LineFilter {
  readonly includeLines: readonly RegExp[]
  readonly excludeLines: readonly RegExp[]
}

/** Null when every line is kept, so that no line has to become text. */
export function lineFilterOf({ includeLines, excludeLines }: LineFilter) {
  if (includeLines.length === 0 && excludeLines.length === 0) return null
  return (value: Buffer): boolean => {
    const text = value.toString('utf8')
    if (includeLines.length > 0 && !includeLines.some((pattern) => pattern.test(text))) return false
    return !excludeLines.some((pattern) => pattern.test(text))
  }
}

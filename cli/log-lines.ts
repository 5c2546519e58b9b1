/** Log lines for people: pino writes JSON, a terminal shows time, level and sentence. */

const levelNames: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

const hiddenFields = new Set(['level', 'time', 'msg', 'err', 'pid', 'hostname'])

/** One line of pino's JSON as `12:00:01 warn  The sentence. field=value`. */
export function readableLogLine(json: string): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(json) as Record<string, unknown>
  } catch {
    return json.trimEnd()
  }
  const level = levelNames[Number(entry['level'])] ?? 'info'
  const time = String(entry['time'] ?? '').slice(11, 19)
  const error = entry['err'] as { readonly message?: string } | undefined
  const fields = Object.entries(entry)
    .filter(([name]) => !hiddenFields.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
  const reason = error?.message === undefined ? [] : [error.message]
  return [time, level.padEnd(5), String(entry['msg'] ?? ''), ...reason, ...fields]
    .join(' ')
    .trimEnd()
}

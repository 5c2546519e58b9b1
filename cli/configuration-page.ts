/** `docs/configuration.md`, from the schemas: what is said there is what the program does. */
import { type SettingField, settingFields } from '../core/settings.ts'
import { millraceSettings, variableNaming } from './settings.ts'

const introduction = `# Configuration

<!-- Written by \`npm run docs\` from the settings' schemas; a test compares. Do not edit. -->

Without any configuration everything is embedded and lies under \`./data\`. To change something, write
\`millrace.yml\` (or give another file with \`--config\`; [an example](../millrace.example.yml)) or set
the environment variable named beside the setting, which wins over the file. An unknown name and a value out of range stop the
start; every problem is listed at once, with its line.

Durations are whole numbers of milliseconds, sizes whole numbers of bytes. In environment variables, lists and maps are written as in
YAML: \`MILLRACE_HTTP_ALLOWED_HOSTS='[ops.example.com]'\`.

The variables \`MILLRACE_HIVE_PORT\` and \`MILLRACE_HIVE_HTTP_PORT\` are accepted and have no effect: this version has no
Hive server.
`

/** What a section is about; a section without a sentence is an error. */
const sections: Readonly<Record<string, string>> = {
  eventLog: 'The embedded event log: LMDB under `<dataDirectory>/event-log`.',
  hotStore: 'The hot store: rows in memory until the lake has them.',
  shipper: 'The filebeat-shim. What it reads and where to is said in its `filebeat.yml`.',
  speed: 'The speed layer: from the event log to hot rows and lake tables.',
  batch: 'The batch layer: recomputes and publishes views, compacts and vacuums tables.',
  serving: 'The serving layer: the mirror in DuckDB, queries and GraphQL.',
  http: 'The HTTP server of the serving layer.',
}

export function configurationPage(): string {
  const fields = settingFields(millraceSettings, variableNaming)
  const top = fields.filter(({ path }) => path.length === 1)
  const names = [
    ...new Set(fields.filter(({ path }) => path.length > 1).map(({ path }) => path[0])),
  ]
  const pages = names.map((name = '') => {
    const about = sections[name]
    if (about === undefined) throw new Error(`Section '${name}' needs a sentence here.`)
    return `## ${name}\n\n${about}\n\n${tableOf(fields.filter(({ path }) => path[0] === name && path.length > 1))}`
  })
  return [introduction, `## Top level\n\n${tableOf(top)}`, ...pages].join('\n')
}

const header = ['setting', 'default', 'expected', 'what it does', 'environment']

/** Padded as the formatter of the project wants it. */
function tableOf(fields: readonly SettingField[]): string {
  const rows = fields.map(({ path, defaultValue, expected, description, variable }) => [
    code(path.at(-1) ?? ''),
    code(JSON.stringify(defaultValue)),
    expected.replaceAll('|', '\\|'),
    description,
    code(variable),
  ])
  const widths = header.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`
  const rule = widths.map((width) => '-'.repeat(width))
  return `${[header, rule, ...rows].map(line).join('\n')}\n`
}

function code(text: string): string {
  return `\`${text}\``
}

/** All settings: each layer's section, and where things lie. */
import { existsSync } from 'node:fs'
import { z } from 'zod'
import { batchSettings } from '../batch-layer/config.ts'
import { shipperSettings } from '../filebeat-shim/config.ts'
import { httpSettings, servingSettings } from '../serving-layer/config.ts'
import { speedSettings } from '../speed-layer/config.ts'
import { eventLogSettings } from '../stores/event-log/config.ts'
import { hotStoreSettings } from '../stores/hot-store/config.ts'
import { loadSettings } from '../stores/settings.ts'

export const millraceSettings = z.strictObject({
  dataDirectory: z
    .string()
    .min(1)
    .default('./data')
    .describe('Folder of the event log, the lake and everything else that is kept.'),
  pipelinesDirectory: z
    .string()
    .min(1)
    .default('./sql')
    .describe('Folder with one folder per pipeline.'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least severe log lines that are written.'),
  eventLog: eventLogSettings.prefault({}),
  hotStore: hotStoreSettings.prefault({}),
  shipper: shipperSettings.prefault({}),
  speed: speedSettings.prefault({}),
  batch: batchSettings.prefault({}),
  serving: servingSettings.prefault({}),
  http: httpSettings.prefault({}),
})

export type Settings = z.infer<typeof millraceSettings>

export const variableNaming = {
  prefix: 'MILLRACE_',
  shortVariables: { dataDirectory: 'MILLRACE_DATA' },
} as const

/** Names that belong to the tests and to servers that this version does not have yet. */
const foreignVariables = [
  'MILLRACE_REQUIRE_SERVICES',
  'MILLRACE_HIVE_PORT',
  'MILLRACE_HIVE_HTTP_PORT',
]

const defaultFile = 'millrace.yml'

/** The file after `--config`, else `millrace.yml` of the working directory if there is one. */
export function readSettings(config: string | undefined): Settings {
  const file = config ?? (existsSync(defaultFile) ? defaultFile : undefined)
  return loadSettings(millraceSettings, {
    ...variableNaming,
    ...(file === undefined ? {} : { file }),
    environment: process.env,
    foreignVariables,
  })
}

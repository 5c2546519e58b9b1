import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parseDurationMs } from '../config/value-types.ts'
import { parseFilebeatConfig, topicsOf } from '../config.ts'

const kafka = "output.kafka: { hosts: ['k:9092'], topic: logs }\n"

function parse(source: string, environment: Record<string, string> = {}) {
  return parseFilebeatConfig(source, { file: 'filebeat.yml', environment })
}

function problemsOf(source: string): string {
  try {
    parse(source)
  } catch (error) {
    expect(error).toMatchObject({ code: 'SHIPPER_CONFIG_INVALID' })
    return error instanceof Error ? error.message : ''
  }
  throw new Error('The configuration was accepted.')
}

test('the demo configuration loads without a warning', async () => {
  const config = parse(await readFile(new URL('../filebeat.yml', import.meta.url), 'utf8'))
  expect(config.warning).toBeNull()
  expect(topicsOf(config)).toEqual(['logs_raw'])
})

test.each([
  ['10s', 10_000],
  ['1m30s', 90_000],
  ['500ms', 500],
  ['0', 0],
  ['-1', -1000],
  [5, 5000],
  ['soon', null],
])('the duration %s is %s ms', (value, expected) => {
  expect(parseDurationMs(value)).toBe(expected)
})

test('an input of type log with the options that real files use', () => {
  const config = parse(`
filebeat.inputs:
- type: log
  enabled: true
  paths:
    - /var/log/nginx/*.log
  exclude_files: ['\\.gz$']
  include_lines: ['^ERR', '(?i)warn']
  exclude_lines: '^DEBUG'
  fields:
    log_topic: nginx
    env: {name: prod}
  tags: ["web"]
  scan_frequency: 5s
  ignore_older: 24h
  close_inactive: 1m
  json.keys_under_root: true
  json.add_error_key: true
  multiline.pattern: '^\\['
  multiline.negate: true
  harvester_buffer_size: 16384
output.kafka:
  enabled: true
  hosts: ["kafka1:9092", "kafka2:9092"]
  topic: '%{[fields][log_topic]}'
  partition.round_robin:
    reachable_only: false
  required_acks: 1
  compression: gzip
  max_message_bytes: 1000000
  version: 2.1.0
logging.level: info
`)
  expect(config.inputs[0]).toMatchObject({
    dialect: 'log',
    paths: ['/var/log/nginx/*.log'],
    tags: ['web'],
    fields: { log_topic: 'nginx', env: { name: 'prod' } },
    scanIntervalMs: 5000,
    ignoreOlderMs: 86_400_000,
    closeInactiveMs: 60_000,
    json: { target: '', addErrorKey: true },
  })
  expect(config.inputs[0]?.includeLines.map((pattern) => pattern.test('A WARNing'))).toEqual([
    false,
    true,
  ])
  expect(topicsOf(config)).toEqual(['nginx'])
  expect(config.output).toMatchObject({
    hosts: ['kafka1:9092', 'kafka2:9092'],
    partition: { kind: 'round_robin', groupEvents: 1 },
    requiredAcks: 1,
    recordBytesMax: 1_000_000,
    codec: { kind: 'json' },
  })
  expect(config.warning).toMatch(/'multiline' \(line 19\)/)
  expect(config.warning).toMatch(/'output\.kafka\.version' \(line 31\)/)
  expect(config.warning).toMatch(/'logging' \(line 32\)/)
})

test('an input of type filestream, nested and dotted, with ndjson and the fingerprint options', () => {
  const config = parse(
    `
filebeat:
  inputs:
    - type: filestream
      id: app
      paths: /srv/**/app.json
      prospector:
        scanner:
          check_interval: 1s
          fingerprint.enabled: false
          exclude_files: ['.gz$']
      close.on_state_change.inactive: 2m
      message_max_bytes: 64KiB
      parsers:
        - ndjson: {target: "data", overwrite_keys: true}
        - multiline: {type: count, count_lines: 3}
fields: {site: east}
output:
  kafka:
    hosts: \${BROKERS}
    topic: logs-%{[fields.site]}
    key: '%{[fields.site]}'
    partition.hash.hash: [fields.site]
    headers: [{key: a, value: b}]
    codec: {format: {string: '%{[message]}'}}
    required_acks: -1
    max_message_bytes: \${LIMIT:2048}
`,
    { BROKERS: "['a:1', 'b:2']" },
  )
  expect(config.inputs[0]).toMatchObject({
    id: 'app',
    scanIntervalMs: 1000,
    closeInactiveMs: 120_000,
    lineBytesMax: 65_536,
    fields: { site: 'east' },
    json: { target: 'data', overwriteKeys: true },
  })
  expect(config.output).toMatchObject({
    hosts: ['a:1', 'b:2'],
    key: { source: '%{[fields.site]}' },
    partition: { kind: 'hash', fields: ['fields.site'] },
    headers: { a: 'b' },
    codec: { kind: 'format' },
    recordBytesMax: 2048,
  })
  expect(topicsOf(config)).toEqual(['logs-east'])
  expect(config.warning).toMatch(/'parsers\.multiline'/)
  expect(config.warning).toMatch(/fingerprint\.enabled/)
})

test('every problem is reported at once, each with its line', () => {
  const text = problemsOf(`filebeat.inputs:
- type: log
  paths: [/var/log/*.log]
  scan_freqency: 10s
  close.on_state_change.inactive: 5m
- type: container
  paths: [/x]
- type: filestream
  paths: [/y]
  ignore_older: never
output.kafka:
  hosts: ['\${HOST}']
  topic: '%{[fields][log_topic]}'
  required_acks: 7
output.elasticsearch: {hosts: []}
processors:
  - add_host_metadata: ~
  - drop_event: {when.equals.a: 1}
`)
  const lines = [...text.matchAll(/filebeat\.yml:(\d+):/g)].map((match) => Number(match[1]))
  expect(lines).toEqual([4, 5, 6, 10, 12, 14, 15, 18])
  expect(text).toMatch(/write 'close_inactive'/)
})

test.each([
  ['no inputs', kafka, /'filebeat\.inputs' is missing/],
  ['no output', 'filebeat.inputs: [{type: log, paths: [/a]}]\n', /'output\.kafka' is missing/],
  ['no YAML', 'filebeat.inputs: [\n', /:\d+: Not valid YAML/],
  ['an empty file', '', /The file is empty/],
  ['only disabled inputs', `filebeat.inputs: [{type: log, enabled: false}]\n${kafka}`, /No input/],
  [
    'a topic without a value',
    "filebeat.inputs: [{type: log, paths: [/a]}]\noutput.kafka: {topic: '%{[fields.x]}'}\n",
    /has no value for input/,
  ],
  [
    'a topic that depends on the line',
    "filebeat.inputs: [{type: log, paths: [/a]}]\noutput.kafka: {topic: '%{[message]}'}\n",
    /depends on the line/,
  ],
  [
    'an id used twice',
    `filebeat.inputs: [{type: log, id: a, paths: [/a]}, {type: log, id: a, paths: [/b]}]\n${kafka}`,
    /used twice/,
  ],
])('%s is refused', (_name, source, expected) => {
  expect(problemsOf(source)).toMatch(expected)
})

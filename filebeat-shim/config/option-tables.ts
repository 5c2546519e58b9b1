/**
 * Every option that Filebeat's file inputs and Kafka output have, by its dotted name: what it sets here,
 * or that it has no effect yet, or that it belongs to the other dialect.
 */

export type InputDialect = 'log' | 'filestream'

export interface OptionSpec {
  /** The field of the settings it sets; absent for an option that is known and has no effect yet. */
  readonly sets?: string
  /** Absent for options of both dialects. */
  readonly only?: InputDialect
  /** What the other dialect calls it. */
  readonly instead?: string
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

const none: OptionSpec = {}

const sharedInput = {
  type: { sets: 'type' },
  id: { sets: 'id' },
  enabled: { sets: 'enabled' },
  paths: { sets: 'paths' },
  fields: { sets: 'fields' },
  fields_under_root: { sets: 'fieldsUnderRoot' },
  tags: { sets: 'tags' },
  encoding: { sets: 'encoding' },
  include_lines: { sets: 'includeLines' },
  exclude_lines: { sets: 'excludeLines' },
  ignore_older: { sets: 'ignoreOlderMs' },
  harvester_limit: none,
  clean_inactive: none,
  clean_removed: none,
  buffer_size: none,
  line_terminator: none,
  pipeline: none,
  index: none,
  keep_null: none,
  publisher_pipeline: none,
  processors: { sets: 'processors' },
} satisfies OptionTable

const logInput = {
  exclude_files: { sets: 'excludeFiles', only: 'log', instead: 'prospector.scanner.exclude_files' },
  recursive_glob: {
    sets: 'recursiveGlob',
    only: 'log',
    instead: 'prospector.scanner.recursive_glob',
  },
  'recursive_glob.enabled': {
    sets: 'recursiveGlob',
    only: 'log',
    instead: 'prospector.scanner.recursive_glob',
  },
  scan_frequency: {
    sets: 'scanIntervalMs',
    only: 'log',
    instead: 'prospector.scanner.check_interval',
  },
  symlinks: { sets: 'symlinks', only: 'log', instead: 'prospector.scanner.symlinks' },
  max_bytes: { sets: 'lineBytesMax', only: 'log', instead: 'message_max_bytes' },
  tail_files: { sets: 'tailFiles', only: 'log', instead: 'ignore_inactive: since_first_start' },
  close_inactive: {
    sets: 'closeInactiveMs',
    only: 'log',
    instead: 'close.on_state_change.inactive',
  },
  json: { sets: 'json', only: 'log', instead: 'parsers: - ndjson' },
  multiline: { only: 'log', instead: 'parsers: - multiline' },
  backoff: { only: 'log', instead: 'backoff.init' },
  max_backoff: { only: 'log', instead: 'backoff.max' },
  backoff_factor: { only: 'log' },
  close_renamed: { only: 'log', instead: 'close.on_state_change.renamed' },
  close_removed: { only: 'log', instead: 'close.on_state_change.removed' },
  close_eof: { only: 'log', instead: 'close.reader.on_eof' },
  close_timeout: { only: 'log', instead: 'close.reader.after_interval' },
  harvester_buffer_size: { only: 'log', instead: 'buffer_size' },
  'scan.order': { only: 'log' },
  'scan.sort': { only: 'log' },
  document_type: { only: 'log' },
  input_type: { only: 'log' },
  allow_deprecated_use: { only: 'log' },
} satisfies OptionTable

const filestreamInput = {
  'prospector.scanner.exclude_files': {
    sets: 'excludeFiles',
    only: 'filestream',
    instead: 'exclude_files',
  },
  'prospector.scanner.include_files': { sets: 'includeFiles', only: 'filestream' },
  'prospector.scanner.recursive_glob': {
    sets: 'recursiveGlob',
    only: 'filestream',
    instead: 'recursive_glob.enabled',
  },
  'prospector.scanner.check_interval': {
    sets: 'scanIntervalMs',
    only: 'filestream',
    instead: 'scan_frequency',
  },
  'prospector.scanner.symlinks': { sets: 'symlinks', only: 'filestream', instead: 'symlinks' },
  message_max_bytes: { sets: 'lineBytesMax', only: 'filestream', instead: 'max_bytes' },
  'close.on_state_change.inactive': {
    sets: 'closeInactiveMs',
    only: 'filestream',
    instead: 'close_inactive',
  },
  parsers: { sets: 'parsers', only: 'filestream', instead: 'json or multiline' },
  'prospector.scanner.resend_on_touch': { only: 'filestream' },
  'prospector.scanner.fingerprint': { only: 'filestream' },
  'prospector.scanner.fingerprint.enabled': { only: 'filestream' },
  'prospector.scanner.fingerprint.offset': { only: 'filestream' },
  'prospector.scanner.fingerprint.length': { only: 'filestream' },
  file_identity: { only: 'filestream' },
  'close.on_state_change.check_interval': { only: 'filestream' },
  'close.on_state_change.renamed': { only: 'filestream', instead: 'close_renamed' },
  'close.on_state_change.removed': { only: 'filestream', instead: 'close_removed' },
  'close.reader.on_eof': { only: 'filestream', instead: 'close_eof' },
  'close.reader.after_interval': { only: 'filestream', instead: 'close_timeout' },
  'backoff.init': { only: 'filestream', instead: 'backoff' },
  'backoff.max': { only: 'filestream', instead: 'max_backoff' },
  ignore_inactive: { only: 'filestream', instead: 'tail_files' },
  rotation: { only: 'filestream' },
  take_over: { only: 'filestream' },
  compression: { only: 'filestream' },
  delete: { only: 'filestream' },
  read_until_eof: { only: 'filestream' },
  include_file_owner_name: { only: 'filestream' },
  include_file_owner_group_name: { only: 'filestream' },
  allow_deprecated_id_duplication: { only: 'filestream' },
} satisfies OptionTable

export const inputOptions: OptionTable = { ...sharedInput, ...logInput, ...filestreamInput }

export const kafkaOptions: OptionTable = {
  enabled: { sets: 'enabled' },
  hosts: { sets: 'hosts' },
  topic: { sets: 'topic' },
  key: { sets: 'key' },
  partition: { sets: 'partition' },
  headers: { sets: 'headers' },
  'codec.format.string': { sets: 'format' },
  'codec.json': { sets: 'json' },
  required_acks: { sets: 'requiredAcks' },
  compression: { sets: 'compression' },
  max_message_bytes: { sets: 'recordBytesMax' },
  topics: none,
  compression_level: none,
  version: none,
  username: none,
  password: none,
  sasl: none,
  kerberos: none,
  ssl: none,
  client_id: none,
  worker: none,
  workers: none,
  timeout: none,
  broker_timeout: none,
  max_retries: none,
  backoff: none,
  metadata: none,
  channel_buffer_size: none,
  keep_alive: none,
  bulk_max_size: none,
  bulk_flush_frequency: none,
  queue: none,
}

/** The top of the file. `filebeat` and `output` are read part by part. */
export const topOptions: OptionTable = {
  'filebeat.inputs': { sets: 'inputs' },
  'output.kafka': { sets: 'kafka' },
  fields: { sets: 'fields' },
  fields_under_root: { sets: 'fieldsUnderRoot' },
  tags: { sets: 'tags' },
  name: { sets: 'name' },
  processors: { sets: 'processors' },
  'filebeat.registry': none,
  'filebeat.shutdown_timeout': none,
  'filebeat.config': none,
  'filebeat.config_dir': none,
  'filebeat.modules': none,
  'filebeat.autodiscover': none,
  'filebeat.overwrite_pipelines': none,
  logging: none,
  setup: none,
  http: none,
  queue: none,
  monitoring: none,
  xpack: none,
  cloud: none,
  path: none,
  max_procs: none,
  keystore: none,
  timestamp: none,
  features: none,
  instrumentation: none,
  seccomp: none,
  management: none,
}

/** Outputs of Filebeat that are not the event log. */
export const otherOutputs = ['elasticsearch', 'logstash', 'redis', 'file', 'console', 'discard']

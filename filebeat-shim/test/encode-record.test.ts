import { expect, test } from 'vitest'
import { eventLogSettings } from '../../stores/event-log/config.ts'
import { parseFilebeatConfig, shipperSettings } from '../config.ts'
import { partitionOf } from '../domain/partition.ts'
import { recordMaker } from '../encode-record.ts'

const sender = { hostName: 'h', agentId: 'agent', ephemeralId: 'run', version: '1' }

function makerOf(input: string, output: string, partitions = 8) {
  const config = parseFilebeatConfig(
    `filebeat.inputs: [{type: log, paths: [/a.log], ${input}}]\noutput.kafka: {topic: t, ${output}}`,
    { file: 'f', environment: {} },
  )
  const [first] = config.inputs
  if (first === undefined) throw new Error('no input')
  const origin = { input: first, path: '/a.log', sourceId: '5-6-x', inode: '5', device: '6' }
  return recordMaker(origin, { output: config.output, sender, topic: 't' }, partitions)
}

function lineOf(text: string, isTruncated = false) {
  return { value: Buffer.from(text), offset: 42, isTruncated, readAtMs: 1_700_000_000_123 }
}

test('codec.json is the envelope of Filebeat, field for field', () => {
  const maker = makerOf('tags: [web], fields: {app: shop}', 'hosts: []')
  expect(JSON.parse(maker.make(lineOf('hello "you"')).value.toString())).toEqual({
    '@timestamp': '2023-11-14T22:13:20.123Z',
    '@metadata': { beat: 'filebeat', type: '_doc', version: '1' },
    log: { offset: 42, file: { path: '/a.log', device_id: '6', inode: '5' } },
    message: 'hello "you"',
    input: { type: 'log' },
    tags: ['web'],
    fields: { app: 'shop' },
    ecs: { version: '8.0.0' },
    host: { name: 'h' },
    agent: { ephemeral_id: 'run', id: 'agent', name: 'h', type: 'filebeat', version: '1' },
  })
})

test('a cut line says so in the envelope and in a header', () => {
  const record = makerOf('tags: []', 'hosts: []').make(lineOf('cut', true))
  expect(JSON.parse(record.value.toString())).toMatchObject({ log: { flags: ['truncated'] } })
  expect(record.headers).toMatchObject({ 'source.truncated': 'true' })
})

test('the longest line fits a record of the event log in its envelope, whatever is in it', () => {
  const { lineBytesMax } = shipperSettings.parse({})
  const { recordBytesMax } = eventLogSettings.parse({})
  const maker = makerOf('tags: [web]', 'hosts: []')
  for (const character of ['x', '"', '\u0001', '\xff']) {
    const value = Buffer.alloc(lineBytesMax, character, 'latin1')
    const record = maker.make({ ...lineOf(''), value, isTruncated: true })
    expect(record.value.length).toBeLessThanOrEqual(recordBytesMax)
  }
})

test('a line of JSON is decoded into the envelope and stays itself as the raw line', () => {
  const json = 'json.keys_under_root: true'
  const decoded = makerOf(json, 'hosts: []').make(lineOf('{"level":"info"}')).value.toString()
  expect(JSON.parse(decoded)).toMatchObject({ level: 'info' })
  const raw = makerOf(json, "codec.format.string: '%{[message]}'").make(lineOf('{"level":"info"}'))
  expect(raw.value.toString()).toBe('{"level":"info"}')
})

test('a key decides the partition with the arithmetic of Filebeat', () => {
  const maker = makerOf('fields: {app: shop}', "key: '%{[fields.app]}-%{[message]}'")
  const line = lineOf('1')
  const record = maker.make(line)
  expect(record.key?.toString()).toBe('shop-1')
  expect(maker.partitionFor(record, line)).toBe(partitionOf(Buffer.from('shop-1'), 8))
})

test('without a key a source stays on one partition', () => {
  const maker = makerOf('tags: []', 'hosts: []')
  const lines = ['a', 'b', 'c'].map((text) => lineOf(text))
  const partitions = lines.map((line) => maker.partitionFor(maker.make(line), line))
  expect(new Set(partitions)).toEqual(new Set([partitionOf(Buffer.from('5-6-x'), 8)]))
})

test('round_robin takes the partitions in turn', () => {
  const maker = makerOf('tags: []', 'partition.round_robin.group_events: 2', 3)
  const line = lineOf('a')
  const partitions = Array.from({ length: 8 }, () => maker.partitionFor(maker.make(line), line))
  const [first = 0] = partitions
  const turns = partitions.map((partition) => (partition - first + 3) % 3)
  expect(turns).toEqual([0, 0, 1, 1, 2, 2, 0, 0])
})

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { markerOf } from '../domain/content-marker.ts'
import { readRegistry, writeRegistry } from '../registry.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registry-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const marker = markerOf(Buffer.from('abc'))
const entry = {
  input: 'a',
  identity: '1-2',
  source: '1-2-abc',
  path: '/x.log',
  offset: 3,
  head: marker,
  tail: marker,
  seenAtMs: 1,
}
const content = { shipperId: 'me', entries: [entry] }

test('what is written is read again, and no temporary file is left', async () => {
  const path = join(directory, 'deep', 'registry.json')
  await writeRegistry(path, content)
  expect(await readRegistry(path)).toMatchObject(content)
  expect(await readdir(join(directory, 'deep'))).toEqual(['registry.json'])
})

test('a missing registry is an empty one', async () => {
  expect((await readRegistry(join(directory, 'none.json'))).entries).toEqual([])
})

test('a torn temporary file of a crash is not looked at and is written over', async () => {
  const path = join(directory, 'registry.json')
  await writeRegistry(path, content)
  await writeFile(`${path}.tmp`, '{"format":"millr')
  expect((await readRegistry(path)).entries).toEqual([entry])
  await writeRegistry(path, { ...content, entries: [] })
  expect((await readRegistry(path)).entries).toEqual([])
})

test.each([
  ['an empty file', ''],
  ['a file of NUL bytes', '\0\0\0\0'],
  ['half a file', '{"format":"millrace-shipper-registry","version":1,"entr'],
  ['another format', '{"hello":1}'],
  [
    'a negative offset',
    JSON.stringify({
      format: 'millrace-shipper-registry',
      version: 1,
      shipperId: 'me',
      entries: [{ ...entry, offset: -1 }],
    }),
  ],
])('%s is refused with one sentence', async (_name, text) => {
  const path = join(directory, 'registry.json')
  await writeFile(path, text)
  await expect(readRegistry(path)).rejects.toMatchObject({ code: 'REGISTRY_INVALID' })
})

test('a newer registry is refused and says so', async () => {
  const path = join(directory, 'registry.json')
  await writeFile(path, '{"format":"millrace-shipper-registry","version":2,"anything":true}')
  await expect(readRegistry(path)).rejects.toThrow(/has version 2, expected 1/)
})

import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'
import { readAll, textRecords } from './batch-helpers.ts'
import { linesOf, startChild } from './child-processes.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const seeds = 40
const transactionAt = 152

/**
 * Strategy: bits, bytes, stretches and pages of a log's file are overwritten at places that a seed gives, mostly
 * in pages that lead to others; then the log is opened, read, appended to and trimmed.
 * Invariants: every record is as it was, or a MillraceError says what is wrong; the process never ends
 * with a signal. The seed stands before the outcome; `damage-child.ts <directory> <seed> 1` repeats it.
 */
test('damage at any place is refused with a sentence, or changes nothing', async () => {
  await using directory = await temporaryDirectory()
  const first = Math.floor(Math.random() * 1_000_000)
  const child = startChild(new URL('damage-child.ts', import.meta.url), [
    directory.path,
    `${first}`,
    `${seeds}`,
  ])
  const ended = once(child, 'exit')
  const outcomes: string[] = []
  for await (const line of linesOf(child)) outcomes.push(line)
  expect(await ended, `seed ${first + outcomes.length}`).toEqual([0, null])
  expect(outcomes).toHaveLength(seeds)
  expect(outcomes.filter((outcome) => !/ (same|EVENT_LOG_CORRUPT)$/.test(outcome))).toEqual([])
  expect(outcomes.some((outcome) => outcome.endsWith(' EVENT_LOG_CORRUPT'))).toBe(true)
}, 60_000)

test.each([
  ['the page size of the second meta page', 1, 48],
  ['the flags of a tree', 0, 53],
  ['the last page', 1, 149],
])('%s that is damaged is refused', async (_, page, place) => {
  await using directory = await temporaryDirectory()
  const { file, bytes } = await writtenLog(directory.path, textRecords('a'))
  const at = page * bytes.readUInt32LE(48) + place
  for (let bit = 0; bit < 8; bit += 1) {
    const damaged = Buffer.from(bytes)
    damaged[at] = (damaged[at] ?? 0) ^ (1 << bit)
    await writeFile(file, damaged)
    await expect(openEmbeddedEventLog({ directory: directory.path })).rejects.toMatchObject({
      code: 'EVENT_LOG_CORRUPT',
    })
  }
})

test('the newest commit is not given up when its number is damaged', async () => {
  await using directory = await temporaryDirectory()
  const { file, bytes } = await writtenLog(directory.path, textRecords('a'))
  const page = bytes.readUInt32LE(48)
  const metas = [0, page].map((at) => bytes.readBigUInt64LE(at + transactionAt))
  const [first = 0n, second = 0n] = metas
  // Now the older one would seem to be the newest, and its log is complete but for the last append.
  const at = (first > second ? 0 : page) + transactionAt
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at) - 2n, at)
  await writeFile(file, bytes)
  await expect(openEmbeddedEventLog({ directory: directory.path })).rejects.toMatchObject({
    code: 'EVENT_LOG_CORRUPT',
  })
})

test('retention does not free pages that a damaged first page of a batch names', async () => {
  await using directory = await temporaryDirectory()
  const records = [{ value: Buffer.alloc(100_000, 'x') }]
  const { file, bytes } = await writtenLog(directory.path, records)
  // The value begins 24 bytes after its first page; before the head of a batch stands that of the page.
  const batch = bytes.indexOf(Buffer.alloc(1000, 'x')) - 68
  const pagesAt = batch - 4
  expect(bytes.readUInt32LE(pagesAt)).toBe(25)
  bytes.writeUInt32LE(25_000, pagesAt)
  await writeFile(file, bytes)
  await using log = await openEmbeddedEventLog({ directory: directory.path, retentionMs: 1000 })
  expect(await readAll(log, 'topic', new Map([[0, 0n]]))).toHaveLength(3)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  await expect(log.enforceRetention()).rejects.toMatchObject({ code: 'EVENT_LOG_CORRUPT' })
  expect((await log.bounds('topic')).earliest.get(0)).toBe(0n)
})

test('a log of another format is refused by its number', async () => {
  await using directory = await temporaryDirectory()
  const { file, bytes } = await writtenLog(directory.path, textRecords('a'))
  const node = Buffer.from([1, 0, 0, 0, 0, 0, 1, 0, 0, '2'.charCodeAt(0)])
  for (let at = bytes.indexOf(node); at >= 0; at = bytes.indexOf(node, at + 1))
    bytes[at + node.length - 1] = '1'.charCodeAt(0)
  await writeFile(file, bytes)
  await expect(openEmbeddedEventLog({ directory: directory.path })).rejects.toMatchObject({
    code: 'DATA_DIRECTORY_UNUSABLE',
    message: expect.stringContaining("has format '1', expected '2'"),
  })
})

/** A log with three appends, closed. */
async function writtenLog(directory: string, records: Parameters<typeof append>[1]) {
  const file = join(directory, 'data.mdb')
  await append(directory, records)
  return { file, bytes: await readFile(file) }
}

async function append(directory: string, records: ReturnType<typeof textRecords>) {
  await using log = await openEmbeddedEventLog({ directory })
  await log.ensureTopic('topic', 1)
  const producer = await log.producer('topic', 'me')
  for (let sequence = 0; sequence < 3; sequence += 1) await producer.append(0, sequence, records)
}

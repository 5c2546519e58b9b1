import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../../clock.ts'
import { systemClock } from '../../clock.ts'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'
import { readAll, textRecords, textsOf } from './batch-helpers.ts'
import { describeEventLog } from './conformance.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const recordBytesMax = 64 * 1024

describeEventLog('embedded', async () => {
  const directory = await temporaryDirectory()
  let offsetMs = 0
  const clock: Clock = { now: () => Date.now() + offsetMs, sleep: systemClock.sleep }
  const open = () =>
    openEmbeddedEventLog({ directory: directory.path, recordBytesMax, retentionMs: 60_000, clock })
  const log = await open()
  return {
    log,
    another: open,
    recordBytesMax,
    expire: async () => {
      offsetMs += 120_000
      await log.enforceRetention()
    },
    [Symbol.asyncDispose]: async () => {
      await log[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
})

describe('embedded event log', () => {
  const withLog = async (options: { retentionBytes?: number; diskReserveBytes?: number } = {}) => {
    const directory = await temporaryDirectory()
    const open = () => openEmbeddedEventLog({ directory: directory.path, ...options })
    const log = await open()
    await log.ensureTopic('topic', 1)
    return { directory, open, log }
  }

  test('records, ends and generations survive closing', async () => {
    const { directory, open, log } = await withLog()
    await using _ = directory
    const producer = await log.producer('topic', 'me')
    await producer.append(0, 0, textRecords('a', 'b'))
    const generation = await generationOf(log)
    await log[Symbol.asyncDispose]()
    await using again = await open()
    expect(textsOf(await readAll(again, 'topic', new Map([[0, 0n]])))).toEqual(['a', 'b'])
    const restarted = await again.producer('topic', 'me')
    expect((await restarted.append(0, 1, textRecords('c'))).from).toBe(2n)
    expect(await generationOf(again)).toBeGreaterThan(generation)
  })

  test('waiting readers are woken by hints, long before they would look by themselves', async () => {
    await using directory = await temporaryDirectory()
    const open = () => openEmbeddedEventLog({ directory: directory.path, idlePollMs: 60_000 })
    await using log = await open()
    await using other = await open()
    await log.ensureTopic('topic', 1)
    for (const [index, writer] of [log, other].entries()) {
      const limits = { bytesMax: 1, waitMs: 60_000 }
      const waiting = log.read('topic', new Map([[0, BigInt(index)]]), limits)
      const producer = await writer.producer('topic', `writer ${index}`)
      await producer.append(0, 0, textRecords('a'))
      expect(await waiting).toHaveLength(1)
    }
  })

  test('more is read than stays mapped, while appends go on', async () => {
    const { directory, log } = await withLog()
    await using _ = directory
    const producer = await log.producer('topic', 'me')
    const records = Array.from({ length: 20 }, () => ({ value: Buffer.alloc(200_000, 'x') }))
    for (let sequence = 0; sequence < 4; sequence += 1) await producer.append(0, sequence, records)
    for (let round = 0; round < 8; round += 1) {
      const appended = producer.append(0, 4 + round, textRecords('a'))
      const read = await readAll(log, 'topic', new Map([[0, 0n]]), 1 << 23)
      expect(read.length).toBeGreaterThanOrEqual(80)
      await appended
    }
    await log[Symbol.asyncDispose]()
  })

  test('the limit in bytes deletes the oldest batches and keeps the newest', async () => {
    const { directory, log } = await withLog({ retentionBytes: 1024 * 1024 })
    await using _ = directory
    const producer = await log.producer('topic', 'me')
    const records = [{ value: Buffer.alloc(400_000, 'x') }]
    for (let sequence = 0; sequence < 6; sequence += 1) await producer.append(0, sequence, records)
    expect(await log.enforceRetention()).toBe(4)
    expect((await log.bounds('topic')).earliest.get(0)).toBe(4n)
    expect(await log.enforceRetention()).toBe(0)
    await log[Symbol.asyncDispose]()
  })

  test('an outcome that is no longer kept is refused, not guessed', async () => {
    const { directory, log } = await withLog()
    await using _ = directory
    const producer = await log.producer('topic', 'me')
    for (let sequence = 0; sequence < 10; sequence += 1)
      await producer.append(0, sequence, textRecords('a'))
    await expect(producer.append(0, 0, textRecords('a'))).rejects.toMatchObject({
      code: 'LEASE_LOST',
    })
    await log[Symbol.asyncDispose]()
  })

  test('a disk that is full but for the reserve refuses appends, and only these', async () => {
    const { directory, log } = await withLog({ diskReserveBytes: Number.MAX_SAFE_INTEGER })
    await using _ = directory
    const producer = await log.producer('topic', 'me')
    await expect(producer.append(0, 0, textRecords('a'))).rejects.toMatchObject({
      code: 'DISK_FULL',
    })
    expect((await log.bounds('topic')).latest.get(0)).toBe(0n)
    await log.ensureTopic('another', 1)
    await log[Symbol.asyncDispose]()
  })

  test('a producer that was idle for the retention time is forgotten, others are not', async () => {
    await using directory = await temporaryDirectory()
    let nowMs = Date.now()
    const clock: Clock = { now: () => nowMs, sleep: systemClock.sleep }
    const options = { directory: directory.path, retentionMs: 60_000, clock }
    await using log = await openEmbeddedEventLog(options)
    await log.ensureTopic('topic', 1)
    const idle = await log.producer('topic', 'idle')
    const busy = await log.producer('topic', 'busy')
    const first = await busy.append(0, 0, textRecords('a'))
    await idle.append(0, 0, textRecords('b'))
    nowMs += 59_000
    await busy.append(0, 1, textRecords('c'))
    nowMs += 2_000
    await log.enforceRetention()
    expect(await busy.append(0, 0, textRecords('a'))).toEqual(first)
    expect((await idle.append(0, 0, textRecords('b'))).from).toBe(3n)
  })

  test('damaged bytes are refused by their checksum', async () => {
    const { directory, open, log } = await withLog()
    await using _ = directory
    const producer = await log.producer('topic', 'me')
    await producer.append(0, 0, textRecords('a value to be damaged on the disk'))
    await log[Symbol.asyncDispose]()
    const file = join(directory.path, 'data.mdb')
    const bytes = await readFile(file)
    bytes[bytes.indexOf('to be damaged')] = 0x54
    await writeFile(file, bytes)
    await using again = await open()
    await expect(readAll(again, 'topic', new Map([[0, 0n]]))).rejects.toMatchObject({
      code: 'EVENT_LOG_CORRUPT',
    })
  })

  test.each([
    ['cut off within its beginning', (bytes: Buffer) => bytes.subarray(0, 100)],
    ['cut off after its beginning', (bytes: Buffer) => bytes.subarray(0, 8192)],
    ['overwritten at its beginning', (bytes: Buffer) => bytes.fill(0xab, 0, 8192)],
  ])('a file that is %s is refused with a sentence', async (_, damaged) => {
    const { directory, open, log } = await withLog()
    await using _directory = directory
    const producer = await log.producer('topic', 'me')
    await producer.append(0, 0, textRecords('a'))
    await log[Symbol.asyncDispose]()
    const file = join(directory.path, 'data.mdb')
    await writeFile(file, damaged(await readFile(file)))
    await expect(open()).rejects.toMatchObject({ code: 'EVENT_LOG_CORRUPT' })
  })

  test('an empty file becomes a new log', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'data.mdb'), '')
    await using log = await openEmbeddedEventLog({ directory: directory.path })
    await log.ensureTopic('topic', 1)
    expect(await log.partitionCount('topic')).toBe(1)
  })

  test('a directory that is a file is refused with a sentence', async () => {
    await using directory = await temporaryDirectory()
    const file = join(directory.path, 'file')
    await writeFile(file, '')
    await expect(openEmbeddedEventLog({ directory: file })).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_UNUSABLE',
    })
  })

  test.each(['data.mdb', 'lock.mdb'])('%s that is not a file is refused', async (name) => {
    await using directory = await temporaryDirectory()
    await mkdir(join(directory.path, name))
    await expect(openEmbeddedEventLog({ directory: directory.path })).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_UNUSABLE',
    })
  })

  test('calls after closing are refused', async () => {
    const { directory, log } = await withLog()
    await using _ = directory
    const producer = await log.producer('topic', 'me')
    await log[Symbol.asyncDispose]()
    await expect(producer.append(0, 0, textRecords('a'))).rejects.toMatchObject({
      code: 'EVENT_LOG_UNAVAILABLE',
    })
  })
})

type Log = Awaited<ReturnType<typeof openEmbeddedEventLog>>

async function generationOf(log: Log): Promise<number> {
  const controller = new AbortController()
  let generation = -1
  await log.join('topic', 'group', controller.signal, async (assignment) => {
    generation = assignment.generation
    controller.abort()
  })
  return generation
}

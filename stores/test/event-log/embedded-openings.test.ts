/**
 * Processes that open and close the log beside others, and the two faults of the driver that they meet
 * (`embedded-store.ts`). Both come at moments that nobody can wait for, so the tests write to LMDB's lock
 * file what the other process writes: 8 the number of the last commit, 24 and 64 the mutexes.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'
import { readAll, textRecords, textsOf } from './batch-helpers.ts'
import { linesOf, startChild } from './child-processes.ts'
import { type Acknowledged, expectAppends, produceAndKill } from './produced-appends.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const lastCommitAt = 8
const start = new Map([[0, 0n]])

test('a commit is not forgotten when a process that opens the log sets it back', async () => {
  await using directory = await temporaryDirectory()
  await using log = await openEmbeddedEventLog({ directory: directory.path })
  await log.ensureTopic('topic', 1)
  const producer = await log.producer('topic', 'me')
  const texts: string[] = []
  for (let sequence = 0; sequence < 12; sequence += 1) {
    const appended = await producer.append(0, sequence, textRecords(`${sequence}`))
    expect(appended.from).toBe(BigInt(sequence))
    texts.push(`${sequence}`)
    await using lock = await open(join(directory.path, 'lock.mdb'), 'r+')
    await setBack(lock, 1 + (sequence % 3))
    if (sequence % 2 === 0)
      expect((await log.bounds('topic')).latest).toEqual(new Map([[0, BigInt(sequence + 1)]]))
  }
  expect(textsOf(await readAll(log, 'topic', start))).toEqual(texts)
})

/**
 * Strategy: three processes append while the log is set back at random moments, as often as it goes.
 * Invariants: those of `expectAppends`.
 */
test('nothing is lost when the log is set back while processes append', async () => {
  await using directory = await temporaryDirectory()
  await using log = await openEmbeddedEventLog({ directory: directory.path })
  await log.ensureTopic('topic', 2)
  const acknowledged = new Map<string, Acknowledged[]>()
  const produced = Promise.all(
    ['one', 'two', 'three'].map((producerId) => {
      const own: Acknowledged[] = []
      acknowledged.set(producerId, own)
      return produceAndKill(directory.path, producerId, own, 60)
    }),
  )
  let isProducing = true
  const ended = produced.finally(() => {
    isProducing = false
  })
  await using lock = await open(join(directory.path, 'lock.mdb'), 'r+')
  while (isProducing) {
    await setBack(lock, 1 + Math.floor(Math.random() * 2))
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
  }
  await ended
  // What a process that opens does next: the number is right again when somebody writes or opens.
  await log.commitAdvisory('topic', 'group', new Map())
  await expectAppends(log, acknowledged)
}, 60_000)

test.skipIf(process.platform !== 'linux')(
  'a process that gets destroyed mutexes waits until it can make new ones',
  async () => {
    await using directory = await temporaryDirectory()
    const child = startChild(new URL('opening-child.ts', import.meta.url), [directory.path])
    using _ = { [Symbol.dispose]: () => child.kill('SIGKILL') }
    for await (const line of linesOf(child)) {
      expect(line).toBe('open')
      {
        await using lock = await open(join(directory.path, 'lock.mdb'), 'r+')
        await lock.write(Buffer.alloc(40, 0xff), 0, 40, 24)
        await lock.write(Buffer.alloc(80, 0xff), 0, 80, 64)
      }
      setTimeout(() => child.kill('SIGKILL'), 200)
      await using log = await openEmbeddedEventLog({ directory: directory.path })
      await log.ensureTopic('topic', 1)
      const producer = await log.producer('topic', 'me')
      await producer.append(0, 0, textRecords('a'))
      expect(textsOf(await readAll(log, 'topic', start))).toEqual(['a'])
    }
  },
  30_000,
)

test('logs that one process opens twice in a directory are one database', async () => {
  await using directory = await temporaryDirectory()
  const logs = await Promise.all(
    [1, 2, 3].map(() => openEmbeddedEventLog({ directory: directory.path })),
  )
  const [first, second, third] = logs
  if (first === undefined || second === undefined || third === undefined) throw new Error('3 logs')
  await first.ensureTopic('topic', 1)
  await first[Symbol.asyncDispose]()
  await expect(first.bounds('topic')).rejects.toMatchObject({ code: 'EVENT_LOG_UNAVAILABLE' })
  const producer = await second.producer('topic', 'me')
  await producer.append(0, 0, textRecords('a'))
  expect(textsOf(await readAll(third, 'topic', start))).toEqual(['a'])
  const closed = Promise.all([second, third].map((log) => log[Symbol.asyncDispose]()))
  // Opened while the last one closes.
  await using again = await openEmbeddedEventLog({ directory: directory.path })
  await closed
  expect(textsOf(await readAll(again, 'topic', start))).toEqual(['a'])
})

/** What a process writes that read the file's header so many commits ago. */
async function setBack(lock: Awaited<ReturnType<typeof open>>, commits: number): Promise<void> {
  const number = Buffer.alloc(8)
  await lock.read(number, 0, 8, lastCommitAt)
  const before = number.readBigUInt64LE() - BigInt(commits)
  if (before < 1n) return
  number.writeBigUInt64LE(before)
  await lock.write(number, 0, 8, lastCommitAt)
}

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'
import { readAll, textRecords } from './batch-helpers.ts'
import { linesOf, startChild } from './child-processes.ts'
import { type Acknowledged, expectAppends, produceAndKill } from './produced-appends.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * Strategy: three processes append to two partitions while a fourth has the log open; each is killed at a
 * random moment and started again with the same name at its first unacknowledged sequence, three times.
 * Invariants: those of `expectAppends`.
 */
test('appends of processes that are killed are exactly once, whole and in order', async () => {
  await using directory = await temporaryDirectory()
  await using log = await openEmbeddedEventLog({ directory: directory.path })
  await log.ensureTopic('topic', 2)
  const acknowledged = new Map<string, Acknowledged[]>()
  const live = async (producerId: string) => {
    const own: Acknowledged[] = []
    acknowledged.set(producerId, own)
    for (let life = 0; life < 3; life += 1) {
      const appends = 12 + Math.floor(Math.random() * 25)
      await produceAndKill(directory.path, producerId, own, appends)
    }
  }
  await Promise.all(['one', 'two', 'three'].map(live))
  await expectAppends(log, acknowledged)
}, 60_000)

test('a group is taken over when its worker is killed, with a higher generation', async () => {
  await using directory = await temporaryDirectory()
  await using log = await openEmbeddedEventLog({ directory: directory.path })
  await log.ensureTopic('topic', 1)
  const child = startChild(new URL('member-child.ts', import.meta.url), [directory.path])
  let generation = -1
  for await (const line of linesOf(child)) {
    generation = Number(line)
    break
  }
  const controller = new AbortController()
  let taken = -1
  const joined = log.join('topic', 'group', controller.signal, async (assignment) => {
    taken = assignment.generation
    controller.abort()
  })
  // The lease is looked at five times a second: while the worker lives nobody else gets it.
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(taken).toBe(-1)
  child.kill('SIGKILL')
  await joined
  expect(taken).toBeGreaterThan(generation)
}, 30_000)

test('a write that fails keeps what was acknowledged, however often it is tried', async () => {
  await using directory = await temporaryDirectory()
  const path = fileURLToPath(new URL('full-disk-child.ts', import.meta.url))
  // 4 MiB in blocks of 512 or 1024 bytes, as the shell has it.
  const command = `ulimit -f 4096 && exec "${process.execPath}" "${path}" "${directory.path}"`
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'ignore'] })
  let outcome = ''
  for await (const line of linesOf(child)) outcome = line
  const [code, acknowledged = '', latest] = outcome.split(' ')
  expect(code).toBe('EVENT_LOG_UNAVAILABLE')
  expect(latest).toBe(acknowledged)
  expect(Number(acknowledged)).toBeGreaterThan(0)
  await using log = await openEmbeddedEventLog({ directory: directory.path })
  expect(await readAll(log, 'topic', new Map([[0, 0n]]))).toHaveLength(Number(acknowledged))
  // With room again the same sequence goes through.
  const producer = await log.producer('topic', 'me')
  const sequence = Number(acknowledged) / 100
  expect((await producer.append(0, sequence, textRecords('a'))).from).toBe(BigInt(acknowledged))
}, 30_000)

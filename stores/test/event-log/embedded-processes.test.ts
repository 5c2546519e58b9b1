import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openEmbeddedEventLog } from '../../event-log/embedded.ts'
import { readAll, textRecords } from './batch-helpers.ts'
import { temporaryDirectory } from './temporary-directory.ts'

interface Acknowledged {
  readonly partition: number
  readonly sequence: number
  readonly from: bigint
  readonly until: bigint
}

/**
 * Strategy: three processes append to two partitions while a fourth reads; each is killed at a random moment and
 * started again with the same name at its first unacknowledged sequence, three times.
 * Invariants: every acknowledged append lies where its acknowledgement says; every append is there whole and
 * once, or not at all; each producer's appends are in order.
 */
test('appends of processes that are killed are exactly once, whole and in order', async () => {
  await using directory = await temporaryDirectory()
  await using log = await openEmbeddedEventLog({ directory: directory.path })
  await log.ensureTopic('topic', 2)
  const acknowledged = await Promise.all(
    ['one', 'two', 'three'].map((producerId) => produceAndDie(directory.path, producerId)),
  )

  const records = await readAll(
    log,
    'topic',
    new Map([
      [0, 0n],
      [1, 0n],
    ]),
  )
  const seen = new Map<string, { from: bigint; count: number }>()
  const newest = new Map<string, number>()
  for (const { partition, offset, value } of records) {
    const [producerId = '', sequence = '', index = ''] = value.toString().split(' ')
    const append = `${partition} ${producerId} ${sequence}`
    const found = seen.get(append)
    if (found === undefined) {
      expect(Number(sequence), `${append} at offset ${offset}`).toBe(
        (newest.get(`${partition} ${producerId}`) ?? -1) + 1,
      )
      newest.set(`${partition} ${producerId}`, Number(sequence))
      seen.set(append, { from: offset, count: 1 })
    } else {
      expect(offset).toBe(found.from + BigInt(found.count))
      found.count += 1
    }
    expect(Number(index)).toBe((seen.get(append)?.count ?? 0) - 1)
  }
  for (const [append, { count }] of seen) {
    expect(count, append).toBe(1 + (Number(append.split(' ')[2]) % 5))
  }
  for (const [index, own] of acknowledged.entries()) {
    const producerId = ['one', 'two', 'three'][index]
    expect(own.length).toBeGreaterThan(30)
    for (const { partition, sequence, from, until } of own) {
      expect(seen.get(`${partition} ${producerId} ${sequence}`)).toEqual({
        from,
        count: Number(until - from),
      })
    }
  }
}, 60_000)

async function produceAndDie(directory: string, producerId: string): Promise<Acknowledged[]> {
  const acknowledged: Acknowledged[] = []
  for (let life = 0; life < 3; life += 1) {
    const next = [0, 1].map(
      (partition) =>
        1 +
        Math.max(
          -1,
          ...acknowledged.filter((one) => one.partition === partition).map((one) => one.sequence),
        ),
    )
    const child = start(new URL('producer-child.ts', import.meta.url), [
      directory,
      producerId,
      ...next.map(String),
    ])
    const enough = acknowledged.length + 12 + Math.floor(Math.random() * 25)
    for await (const line of linesOf(child)) {
      const [partition, sequence, from = '0', until = '0'] = line.split(' ')
      acknowledged.push({
        partition: Number(partition),
        sequence: Number(sequence),
        from: BigInt(from),
        until: BigInt(until),
      })
      // Lines that are still in the pipe are read to its end: they were acknowledged too.
      if (acknowledged.length === enough) child.kill('SIGKILL')
    }
  }
  return acknowledged
}

test('a group is taken over when its worker is killed, with a higher generation', async () => {
  await using directory = await temporaryDirectory()
  await using log = await openEmbeddedEventLog({ directory: directory.path })
  await log.ensureTopic('topic', 1)
  const child = start(new URL('member-child.ts', import.meta.url), [directory.path])
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

function start(file: URL, parameters: readonly string[]): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(file), ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  if (child.stdout === null) throw new Error('The child has no stdout.')
  const ended = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout })) yield line
  await ended
}

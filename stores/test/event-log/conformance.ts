/**
 * What every adapter of the event log does. `makeLog` gives a harness per test; the suite runs against
 * real servers too, so it uses fresh topics and never assumes that it is alone.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Assignment, EventLog } from '../../event-log/port.ts'
import { readAll, recordsOf, textRecords, textsOf } from './batch-helpers.ts'

export interface EventLogHarness extends AsyncDisposable {
  readonly log: EventLog
  /** Another user of the same log, as a second process would be. */
  another(): Promise<EventLog>
  /** Makes the log delete what lies below the newest batch of each partition; absent: not testable. */
  readonly expire?: (topic: string) => Promise<void>
  /** The harness's limit on the size of a record, in bytes. */
  readonly recordBytesMax: number
}

export function describeEventLog(name: string, makeLog: () => Promise<EventLogHarness>): void {
  describe(`event log: ${name}`, () => {
    const withTopic = async (partitions: number) => {
      const harness = await makeLog()
      const topic = `topic-${randomUUID()}`
      await harness.log.ensureTopic(topic, partitions)
      return { harness, log: harness.log, topic }
    }

    describeTopics(withTopic)
    describeAppends(withTopic)
    describeReads(withTopic)
    describeContent(withTopic)
    describeGroups(withTopic)
    describeModel(withTopic)
  })
}

type WithTopic = (
  partitions: number,
) => Promise<{ harness: EventLogHarness; log: EventLog; topic: string }>

const atOnce = { bytesMax: 1 << 20, waitMs: 0 }
const start = new Map([[0, 0n]])

function describeTopics(withTopic: WithTopic): void {
  test('a topic keeps its number of partitions', async () => {
    const { harness, log, topic } = await withTopic(3)
    await using _ = harness
    await log.ensureTopic(topic, 3)
    expect(await log.partitionCount(topic)).toBe(3)
    await expect(log.ensureTopic(topic, 4)).rejects.toMatchObject({ code: 'TOPIC_MISMATCH' })
    const other = await harness.another()
    expect(await other.partitionCount(topic)).toBe(3)
    await other[Symbol.asyncDispose]()
  })

  test('a topic that nobody created is unknown', async () => {
    const { harness, log } = await withTopic(1)
    await using _ = harness
    const missing = `missing-${randomUUID()}`
    await expect(log.partitionCount(missing)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(log.producer(missing, 'me')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(log.bounds(missing)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(log.read(missing, start, atOnce)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
  })

  test('a partition that the topic does not have is unknown', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await expect(producer.append(2, 0, textRecords('a'))).rejects.toMatchObject({
      code: 'TOPIC_UNKNOWN',
    })
  })

  test('bounds name every partition and grow with appends', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(1, 0, textRecords('a', 'b', 'c'))
    const { earliest, latest } = await log.bounds(topic)
    expect([...earliest]).toEqual([
      [0, 0n],
      [1, 0n],
    ])
    expect([...latest]).toEqual([
      [0, 0n],
      [1, 3n],
    ])
  })
}

function describeAppends(withTopic: WithTopic): void {
  test('records come back in the order of their appends', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    expect(await producer.append(0, 0, textRecords('a', 'b'))).toEqual({
      partition: 0,
      from: 0n,
      until: 2n,
    })
    await producer.append(0, 1, textRecords('c'))
    const records = await readAll(log, topic, start)
    expect(textsOf(records)).toEqual(['a', 'b', 'c'])
    expect(records.map(({ offset }) => offset)).toEqual([0n, 1n, 2n])
  })

  test('an append that is repeated returns the first outcome and appends nothing', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    const producerId = randomUUID()
    await using producer = await log.producer(topic, producerId)
    const first = await producer.append(0, 0, textRecords('a', 'b'))
    expect(await producer.append(0, 0, textRecords('a', 'b'))).toEqual(first)
    const second = await producer.append(0, 1, textRecords('c'))
    expect(await producer.append(0, 1, textRecords('c'))).toEqual(second)
    // A restarted producer of the same name repeats what it had not seen acknowledged.
    const other = await harness.another()
    await using restarted = await other.producer(topic, producerId)
    expect(await restarted.append(0, 1, textRecords('c'))).toEqual(second)
    expect(textsOf(await readAll(log, topic, start))).toEqual(['a', 'b', 'c'])
    await other[Symbol.asyncDispose]()
  })

  test('sequences of different partitions and producers are apart', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using one = await log.producer(topic, randomUUID())
    await using two = await log.producer(topic, randomUUID())
    await one.append(0, 0, textRecords('one'))
    await one.append(1, 0, textRecords('one'))
    await two.append(0, 0, textRecords('two'))
    const records = await readAll(
      log,
      topic,
      new Map([
        [0, 0n],
        [1, 0n],
      ]),
    )
    expect(textsOf(records).sort()).toEqual(['one', 'one', 'two'])
  })

  test('concurrent producers interleave whole batches and lose nothing', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    const other = await harness.another()
    const ranges = await Promise.all(
      [log, other, log, other].map(async (one, id) => {
        await using producer = await one.producer(topic, randomUUID())
        const own = []
        for (let sequence = 0; sequence < 10; sequence += 1) {
          own.push(
            await producer.append(
              0,
              sequence,
              textRecords(`${id}.${sequence}.0`, `${id}.${sequence}.1`),
            ),
          )
        }
        return own
      }),
    )
    const texts = textsOf(await readAll(log, topic, start))
    expect(texts).toHaveLength(80)
    for (const [id, own] of ranges.entries()) {
      for (const [sequence, { from, until }] of own.entries()) {
        expect(texts.slice(Number(from), Number(until))).toEqual([
          `${id}.${sequence}.0`,
          `${id}.${sequence}.1`,
        ])
      }
    }
    await other[Symbol.asyncDispose]()
  })

  test('a record above the limit refuses its append as a whole', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const records = [...textRecords('a'), { value: Buffer.alloc(harness.recordBytesMax + 1, 'x') }]
    await expect(producer.append(0, 0, records)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    await producer.append(0, 0, [{ value: Buffer.alloc(harness.recordBytesMax, 'x') }])
    const read = await readAll(log, topic, start)
    expect(read.map(({ value }) => value.length)).toEqual([harness.recordBytesMax])
  })
}

function describeReads(withTopic: WithTopic): void {
  test('a read from inside a batch begins with the record asked for', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const records = ['a', 'bb', '', 'dddd'].map((text, index) => ({
      value: Buffer.from(text),
      key: Buffer.from(`key ${index}`),
      headers: { index: `${index}` },
      timestampMs: 1_000 + index,
    }))
    await producer.append(0, 0, textRecords('before'))
    await producer.append(0, 1, records)
    for (let skipped = 0; skipped < records.length; skipped += 1) {
      const from = 1n + BigInt(skipped)
      const [batch] = await log.read(topic, new Map([[0, from]]), atOnce)
      expect(batch?.from).toBe(from)
      const read = recordsOf(batch === undefined ? [] : [batch])
      expect(read).toEqual(
        records
          .slice(skipped)
          .map((record, index) => ({ ...record, partition: 0, offset: from + BigInt(index) })),
      )
    }
  })

  test('a read at the end is empty and one above it is refused', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(0, 0, textRecords('a'))
    expect(await log.read(topic, new Map([[0, 1n]]), atOnce)).toEqual([])
    await expect(log.read(topic, new Map([[0, 2n]]), atOnce)).rejects.toMatchObject({
      code: 'COVERAGE_HOLE',
    })
  })

  test('a read returns at least one batch and beyond it no more than the limit', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 5; sequence += 1) {
      await producer.append(0, sequence, [{ value: Buffer.alloc(999, 'x') }])
    }
    const sizes = async (bytesMax: number) =>
      (await log.read(topic, start, { bytesMax, waitMs: 0 })).reduce(
        (sum, { block }) => sum + block.length,
        0,
      )
    expect(await sizes(1)).toBe(1_000)
    expect(await sizes(3_000)).toBe(3_000)
    expect(await sizes(3_999)).toBe(3_000)
    expect(await sizes(100_000)).toBe(5_000)
    expect(await readAll(log, topic, start, 1)).toHaveLength(5)
  })

  test('a busy partition does not keep the others from their turn', async () => {
    const { harness, log, topic } = await withTopic(3)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 20; sequence += 1) {
      await producer.append(0, sequence, [{ value: Buffer.alloc(999, 'x') }])
    }
    await producer.append(1, 0, textRecords('one'))
    await producer.append(2, 0, textRecords('two'))
    const positions = new Map([
      [0, 0n],
      [1, 0n],
      [2, 0n],
    ])
    const seen = new Set<number>()
    for (let reads = 0; reads < 3; reads += 1) {
      for (const { partition, until } of await log.read(topic, positions, {
        bytesMax: 1,
        waitMs: 0,
      })) {
        seen.add(partition)
        positions.set(partition, until)
      }
    }
    expect(seen).toEqual(new Set([0, 1, 2]))
  })

  test('batches of a read ascend within each partition', async () => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 4; sequence += 1) {
      for (const partition of [0, 1])
        await producer.append(partition, sequence, textRecords('a', 'b'))
    }
    const batches = await log.read(
      topic,
      new Map([
        [0, 1n],
        [1, 0n],
      ]),
      atOnce,
    )
    for (const partition of [0, 1]) {
      const own = batches.filter((batch) => batch.partition === partition)
      expect(own[0]?.from).toBe(partition === 0 ? 1n : 0n)
      expect(own.at(-1)?.until).toBe(8n)
      for (const [index, batch] of own.slice(1).entries())
        expect(batch.from).toBe(own[index]?.until)
    }
  })

  test('a waiting read is woken by an append of its own and of another user', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    const other = await harness.another()
    for (const [index, one] of [log, other].entries()) {
      await using producer = await one.producer(topic, randomUUID())
      const waiting = log.read(topic, new Map([[0, BigInt(index)]]), {
        bytesMax: 1 << 20,
        waitMs: 20_000,
      })
      await producer.append(0, 0, textRecords(`from ${index}`))
      expect(textsOf(recordsOf(await waiting))).toEqual([`from ${index}`])
    }
    await other[Symbol.asyncDispose]()
  })

  test('a waiting read ends empty when its time is over or its signal aborts', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    expect(await log.read(topic, start, { bytesMax: 1, waitMs: 30 })).toEqual([])
    const controller = new AbortController()
    const waiting = log.read(topic, start, {
      bytesMax: 1,
      waitMs: 20_000,
      signal: controller.signal,
    })
    controller.abort()
    expect(await waiting).toEqual([])
    expect(
      await log.read(topic, start, { bytesMax: 1, waitMs: 20_000, signal: controller.signal }),
    ).toEqual([])
  })

  test('what retention deleted is a hole, never a silent gap', async ({ skip }) => {
    const { harness, log, topic } = await withTopic(2)
    await using _ = harness
    if (harness.expire === undefined) return skip('the harness cannot make records expire')
    await using producer = await log.producer(topic, randomUUID())
    for (let sequence = 0; sequence < 4; sequence += 1) {
      await producer.append(0, sequence, textRecords('a', 'b'))
    }
    await harness.expire(topic)
    const { earliest, latest } = await log.bounds(topic)
    expect(earliest.get(0)).toBe(6n)
    expect(earliest.get(1)).toBe(0n)
    expect(latest.get(0)).toBe(8n)
    await expect(log.read(topic, new Map([[0, 5n]]), atOnce)).rejects.toMatchObject({
      code: 'COVERAGE_HOLE',
    })
    expect(await readAll(log, topic, new Map([[0, 6n]]))).toHaveLength(2)
  })
}

const lineSafety: readonly [string, boolean, readonly Buffer[]][] = [
  ['plain ASCII', true, [Buffer.from('a'), Buffer.from('{"b":1}')]],
  ['a letter of two bytes', true, [Buffer.from('é'), Buffer.from('日本 🙂')]],
  ['a tab', true, [Buffer.from('a\tb')]],
  ['an empty value', false, [Buffer.from('a'), Buffer.alloc(0)]],
  ['only an empty value', false, [Buffer.alloc(0)]],
  ['a newline in a value', false, [Buffer.from('a\nb')]],
  ['a newline at the end of a value', false, [Buffer.from('a\n'), Buffer.from('b')]],
  [
    'an empty value and a newline that make up for each other',
    false,
    [Buffer.from('\n'), Buffer.from('b')],
  ],
  ['a carriage return', false, [Buffer.from('a\r')]],
  ['NUL', false, [Buffer.from('a\0b')]],
  ['the byte 1', false, [Buffer.from('a\x01b')]],
  ['a byte that is no UTF-8', false, [Buffer.from([0x61, 0xff])]],
  ['a letter cut in two records', false, [Buffer.from([0xc3]), Buffer.from([0xa9])]],
]

function describeContent(withTopic: WithTopic): void {
  test.each(lineSafety)('%s: line safe is %s', async (_title, isLineSafe, values) => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(
      0,
      0,
      values.map((value) => ({ value })),
    )
    const batches = await log.read(topic, start, atOnce)
    expect(batches.map((batch) => batch.isLineSafe)).toEqual([isLineSafe])
    expect(recordsOf(batches).map(({ value }) => value)).toEqual(values)
  })

  test('values cut from one piece of memory and values from many come back the same', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const chunk = Buffer.from('one\ntwo\n\nfour;five\nsix')
    const values = [
      chunk.subarray(0, 3),
      chunk.subarray(4, 7),
      chunk.subarray(8, 8),
      chunk.subarray(9, 13),
      chunk.subarray(14, 18),
      Buffer.from('alone'),
      chunk.subarray(19, 22),
      chunk.subarray(0, 3),
    ]
    await producer.append(
      0,
      0,
      values.map((value) => ({ value })),
    )
    expect(textsOf(await readAll(log, topic, start))).toEqual([
      'one',
      'two',
      '',
      'four',
      'five',
      'alone',
      'six',
      'one',
    ])
  })

  test('any bytes come back as they were', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const values = [
      Buffer.from(Uint8Array.from({ length: 256 }, (_byte, index) => index)),
      Buffer.from('\n\n\r\n'),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.alloc(0),
    ]
    await producer.append(
      0,
      0,
      values.map((value) => ({ value })),
    )
    expect((await readAll(log, topic, start)).map(({ value }) => value)).toEqual(values)
  })

  test('keys, headers and timestamps come back with their records', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    const beforeMs = Date.now()
    await producer.append(0, 0, [
      { value: Buffer.from('a'), key: Buffer.from([0, 1]), timestampMs: 123 },
      {
        value: Buffer.from('b'),
        headers: { 'source.id': 'é', 'source.offset': '12' },
        timestampMs: 456,
      },
      { value: Buffer.from('c') },
    ])
    const [a, b, c] = await readAll(log, topic, start)
    expect(a).toMatchObject({ key: Buffer.from([0, 1]), headers: null, timestampMs: 123 })
    expect(b).toMatchObject({
      key: null,
      headers: { 'source.id': 'é', 'source.offset': '12' },
      timestampMs: 456,
    })
    expect(c).toMatchObject({ key: null, headers: null })
    expect(c?.timestampMs).toBeGreaterThanOrEqual(beforeMs)
  })

  test('a batch without keys and headers says so', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await using producer = await log.producer(topic, randomUUID())
    await producer.append(
      0,
      0,
      textRecords('a', 'b').map((record) => ({ ...record, timestampMs: 7 })),
    )
    const [batch] = await log.read(topic, start, atOnce)
    expect(batch).toMatchObject({ keys: null, headers: null, timestampsMs: 7 })
  })
}

function describeGroups(withTopic: WithTopic): void {
  test('a group has one worker per partition at a time, and generations rise', async () => {
    const { harness, log, topic } = await withTopic(3)
    await using _ = harness
    const other = await harness.another()
    const first = await joinOnce(log, topic)
    expect([...first.assignment.partitions]).toEqual([0, 1, 2])
    const contender = joinOnce(other, topic)
    await first.leave()
    const second = await contender
    expect(second.assignment.generation).toBeGreaterThan(first.assignment.generation)
    expect([...second.assignment.partitions]).toEqual([0, 1, 2])
    await second.leave()
    await other[Symbol.asyncDispose]()
  })

  test('a failing worker ends its membership with its error and lets others in', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    const failing = log.join(topic, 'group', new AbortController().signal, async () => {
      throw new Error('the worker broke')
    })
    await expect(failing).rejects.toThrow('the worker broke')
    const next = await joinOnce(log, topic)
    await next.leave()
  })

  test('publishing progress needs no assignment', async () => {
    const { harness, log, topic } = await withTopic(1)
    await using _ = harness
    await log.commitAdvisory(topic, 'group', new Map([[0, 0n]]))
  })
}

/** Joins, resolves with the first assignment; `leave` ends the membership. */
async function joinOnce(log: EventLog, topic: string) {
  const controller = new AbortController()
  const assigned = Promise.withResolvers<Assignment>()
  const joined = log.join(topic, 'group', controller.signal, async (assignment) => {
    assigned.resolve(assignment)
    await new Promise((resolve) => assignment.signal.addEventListener('abort', resolve))
  })
  joined.catch(assigned.reject)
  const leave = async () => {
    controller.abort()
    await joined
  }
  return { assignment: await assigned.promise, leave }
}

/**
 * Strategy: random appends (some repeated) and reads on two partitions by two users.
 * Invariants: every read equals the model's records from its position on, and the end of each partition
 * is the number of records appended to it.
 */
function describeModel(withTopic: WithTopic): void {
  const partition = fc.integer({ min: 0, max: 1 })
  const command = fc.oneof(
    fc.record({
      kind: fc.constant('append' as const),
      partition,
      values: fc.array(fc.uint8Array({ maxLength: 12 }), { minLength: 1, maxLength: 6 }),
      isRepeated: fc.boolean(),
      user: fc.integer({ min: 0, max: 1 }),
    }),
    fc.record({
      kind: fc.constant('read' as const),
      partition,
      depth: fc.double({ min: 0, max: 1, noNaN: true }),
      bytesMax: fc.integer({ min: 1, max: 60 }),
    }),
  )

  test('random appends and reads agree with a model', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), async (commands) => {
        const { harness, log, topic } = await withTopic(2)
        await using _ = harness
        const other = await harness.another()
        const users = await Promise.all(
          [log, other].map((one) => one.producer(topic, randomUUID())),
        )
        const sequences = [
          [0, 0],
          [0, 0],
        ]
        const model: Buffer[][] = [[], []]
        for (const step of commands) {
          const stored = model[step.partition] ?? []
          if (step.kind === 'append') {
            const values = step.values.map((value) => Buffer.from(value))
            const own = sequences[step.user] ?? []
            const sequence = own[step.partition] ?? 0
            own[step.partition] = sequence + 1
            const records = values.map((value) => ({ value }))
            const expected = {
              partition: step.partition,
              from: BigInt(stored.length),
              until: BigInt(stored.length + values.length),
            }
            expect(await users[step.user]?.append(step.partition, sequence, records)).toEqual(
              expected,
            )
            if (step.isRepeated)
              expect(await users[step.user]?.append(step.partition, sequence, records)).toEqual(
                expected,
              )
            stored.push(...values)
          } else {
            const from = Math.round(step.depth * stored.length)
            const read = await readAll(
              log,
              topic,
              new Map([[step.partition, BigInt(from)]]),
              step.bytesMax,
            )
            expect(read.map(({ value }) => value)).toEqual(stored.slice(from))
          }
        }
        const { latest } = await log.bounds(topic)
        expect([latest.get(0), latest.get(1)]).toEqual(model.map((values) => BigInt(values.length)))
        await other[Symbol.asyncDispose]()
      }),
      { numRuns: 25 },
    )
  })
}

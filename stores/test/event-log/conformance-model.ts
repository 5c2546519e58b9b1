/** The event log against a model. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readAll } from './batch-helpers.ts'
import type { WithTopic } from './harness.ts'

/**
 * Strategy: random appends (some repeated) and reads on two partitions by two users.
 * Invariants: every read equals the model's records from its position on, and the end of each partition
 * is the number of records appended to it.
 */
export function describeModel(withTopic: WithTopic): void {
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

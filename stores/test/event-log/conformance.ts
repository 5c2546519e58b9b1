/**
 * What every adapter of the event log does. `makeLog` gives a harness per test; the suite runs against
 * real servers too, so it uses fresh topics and never assumes that it is alone.
 */
import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Assignment, EventLog } from '../../event-log/port.ts'
import { describeAppends, describeTopics } from './conformance-appends.ts'
import { describeContent } from './conformance-content.ts'
import { describeModel } from './conformance-model.ts'
import { describeReads } from './conformance-reads.ts'
import type { EventLogHarness, WithTopic } from './harness.ts'

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

/** Producers in processes of their own (`producer-child.ts`), and what the log must have of them. */
import { expect } from 'vitest'
import type { EventLog } from '../../event-log/port.ts'
import { readAll } from './batch-helpers.ts'
import { linesOf, startChild } from './child-processes.ts'

export interface Acknowledged {
  readonly partition: number
  readonly sequence: number
  readonly from: bigint
  readonly until: bigint
}

/** Starts a producer at its first unacknowledged sequences; kills it after so many acknowledgements. */
export async function produceAndKill(
  directory: string,
  producerId: string,
  acknowledged: Acknowledged[],
  appends: number,
): Promise<void> {
  const next = [0, 1].map((partition) => {
    const own = acknowledged.filter((one) => one.partition === partition)
    return 1 + Math.max(-1, ...own.map((one) => one.sequence))
  })
  const child = startChild(new URL('producer-child.ts', import.meta.url), [
    directory,
    producerId,
    ...next.map(String),
  ])
  const enough = acknowledged.length + appends
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
  expect(acknowledged.length, producerId).toBeGreaterThanOrEqual(enough)
}

/**
 * Every acknowledged append lies where its acknowledgement says; every append is there whole and once,
 * or not at all; each producer's appends are in order.
 */
export async function expectAppends(
  log: EventLog,
  acknowledged: ReadonlyMap<string, readonly Acknowledged[]>,
): Promise<void> {
  const start = new Map([
    [0, 0n],
    [1, 0n],
  ])
  const records = await readAll(log, 'topic', start)
  const seen = new Map<string, { from: bigint; count: number }>()
  const newest = new Map<string, number>()
  for (const { partition, offset, value } of records) {
    const [producerId = '', sequence = '', index = ''] = value.toString().split(' ')
    const append = `${partition} ${producerId} ${sequence}`
    const found = seen.get(append)
    if (found === undefined) {
      const before = newest.get(`${partition} ${producerId}`) ?? -1
      expect(Number(sequence), `${append} at offset ${offset}`).toBe(before + 1)
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
  for (const [producerId, own] of acknowledged) {
    for (const { partition, sequence, from, until } of own) {
      const append = `${partition} ${producerId} ${sequence}`
      expect(seen.get(append), append).toEqual({ from, count: Number(until - from) })
    }
  }
}

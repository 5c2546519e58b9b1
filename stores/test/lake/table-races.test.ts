/**
 * Strategy: several instances of a table over one folder append their partitions' rows, replay what
 * they have appended, compact and read, all at once, in random amounts.
 *
 * Invariants: every version that a reader sees holds exactly the rows below its offsets, each once;
 * versions are consecutive; in the end no row is lost.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { scanSql } from '../../lake/scan.ts'
import type { LakeSnapshot, LakeTable } from '../../lake/types.ts'
import { coordinatesBelow, eventShape, Lake } from './lake-fixture.ts'

const writerPlan = fc.record({
  sizes: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 6 }),
  replays: fc.boolean(),
})

it('keeps every row once whatever writers, compactors and readers do at the same time', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(writerPlan, { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 0, max: 4 }),
      async (plans, compactions) => {
        const lake = await Lake.open()
        const writers = plans.map((plan, partition) => write(lake, partition, plan))
        const work = Promise.all([...writers, compactOften(lake, compactions)])
        const seen = await readUntil(lake, work)
        await work
        const table = await lake.table()
        const ends = plans.map(
          ({ sizes }, p) => [p, BigInt(sizes.reduce((a, b) => a + b, 0))] as const,
        )
        const moved = ends.filter(([, end]) => end > 0n)
        expect(table.current().offsets).toEqual(new Map(moved))
        expect(await lake.coordinates(table)).toEqual(coordinatesBelow(new Map(ends)))
        for (const snapshot of seen) {
          expect(await lake.coordinates(table, snapshot)).toEqual(
            coordinatesBelow(snapshot.offsets),
          )
        }
      },
    ),
    { numRuns: 8 },
  )
})

async function write(lake: Lake, partition: number, plan: { sizes: number[]; replays: boolean }) {
  let table = await lake.table()
  let from = 0n
  for (const size of plan.sizes) {
    const until = from + BigInt(size)
    if (size > 0) {
      expect((await lake.append(table, partition, from, until)).kind).toBe('committed')
      if (plan.replays) {
        // As after a crash behind the commit point.
        table = await lake.table()
        expect((await lake.append(table, partition, from, until)).kind).toBe('superseded')
      }
    }
    from = until
  }
}

async function compactOften(lake: Lake, times: number) {
  const table = await lake.table()
  for (let n = 0; n < times; n += 1) {
    const { files, version } = await table.refresh()
    if (files.length === 0) continue
    const rows = scanSql(await table.readablePaths(files), eventShape)
    const add = await lake.stageSelect(rows)
    const outcome = await table.replace({
      remove: files,
      add,
      dataChange: false,
      operation: 'OPTIMIZE',
      basedOnVersion: version,
    })
    expect(outcome.kind).toBe('committed')
  }
}

async function readUntil(lake: Lake, work: Promise<unknown>): Promise<LakeSnapshot[]> {
  const reader = await lake.table()
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  const seen: LakeSnapshot[] = []
  while (!isDone) {
    seen.push(await followed(reader))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await done
  return [...new Map(seen.map((snapshot) => [snapshot.version, snapshot])).values()]
}

async function followed(reader: LakeTable): Promise<LakeSnapshot> {
  const before = reader.current().version
  const snapshot = await reader.refresh()
  const commits = await reader.commitsAfter(before)
  const versions = Array.from({ length: snapshot.version - before }, (_, n) => before + 1 + n)
  expect(commits?.map((commit) => commit.version)).toEqual(versions)
  return snapshot
}

it('lets one of two writers of the same partition win each time, and never both', async () => {
  const lake = await Lake.open()
  const tables = [await lake.table(), await lake.table()]
  let committed = 0n
  for (let round = 0; round < 10; round += 1) {
    const from = committed
    const outcomes = await Promise.allSettled(
      tables.map((table, n) => lake.append(table, 0, from, from + BigInt(n) + 1n)),
    )
    const won = outcomes.filter((o) => o.status === 'fulfilled' && o.value.kind === 'committed')
    expect(won).toHaveLength(1)
    committed = (await tables[0]!.refresh()).offsets.get(0)!
  }
  expect(await lake.coordinates(tables[0]!)).toEqual(coordinatesBelow(new Map([[0, committed]])))
})

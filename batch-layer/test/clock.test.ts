/* The date is set forward or back while batches run: nothing that waits or deletes may believe it. */
import { expect, it } from 'vitest'
import { acquireProcessLock } from '../../stores/process-lock.ts'
import { hourMs } from '../../stores/test/set-clock.ts'
import { batchSettings } from '../config.ts'
import { runBatch, runBatchLayer } from '../run.ts'
import { handClock, openLakeFixture, trafficView } from './lake-fixture.ts'

const row = { partition: 0, host: 'a', bytes: 1, day: '2026-01-01' }

it.each([-hourMs, hourMs])(
  'waits as long for another batch, with %i ms meanwhile',
  async (byMs) => {
    const { clock, pass, set } = handClock()
    let sleptMs = 0
    const sleep = async (ms: number) => {
      if (sleptMs === 0) set(byMs)
      sleptMs += ms
      if (sleptMs > 2 * hourMs) throw new Error('It waits for a date.')
      pass(ms)
    }
    const settings = batchSettings.parse({ lockWaitMs: 1000 })
    await using lake = await openLakeFixture({ settings, clock: { ...clock, sleep } })
    const other = await acquireProcessLock(lake.context.lockDirectory, 'batch', 'a test')
    await expect(runBatch(lake.context)).rejects.toMatchObject({ code: 'DATA_DIRECTORY_IN_USE' })
    expect(sleptMs).toBe(1000)
    if (other.kind === 'acquired') await other.lock[Symbol.asyncDispose]()
  },
)

it('takes no time off when the date is set back meanwhile', async () => {
  const { clock, set, pass } = handClock()
  await using lake = await openLakeFixture({
    clock,
    afterStep: (step) => {
      if (step !== 'recomputed') return
      set(-hourMs)
      pass(5)
    },
  })
  await lake.append([row])
  expect((await runBatch(lake.context)).durationMs).toBe(5)
  const metrics = await lake.context.telemetry.registry.metrics()
  expect(metrics).toMatch(/batch_view_duration_seconds_sum{kind="full"} 0.005/)
})

it.each([-hourMs, hourMs])('runs a batch each interval, with %i ms between', async (byMs) => {
  const { clock, set, pass } = handClock()
  const stop = new AbortController()
  const pauses: number[] = []
  const sleep = async (ms: number) => {
    pauses.push(ms)
    set(byMs)
    pass(ms)
    if (pauses.length === 3) stop.abort()
  }
  await using lake = await openLakeFixture({ clock: { ...clock, sleep } })
  await lake.append([row])
  await runBatchLayer(lake.context, stop.signal)
  expect(pauses).toEqual([60_000, 60_000, 60_000])
})

it('keeps replaced files for queries that read them when the date is set forward', async () => {
  const { clock, set, pass } = handClock()
  await using lake = await openLakeFixture({ clock })
  const { retentionMs } = lake.context.settings
  const batch = async () => {
    await lake.append([row])
    await runBatch(lake.context)
  }
  const view = await lake.tables.view(trafficView())
  await batch()
  const [replaced] = view.current().files
  const isKept = () => lake.context.storage.exists(`${view.path}/${replaced?.path}`)
  pass(retentionMs - 1)
  await batch()
  set(hourMs)
  pass(1)
  await batch()
  expect(await isKept()).toBe(true)
  // The vacuum that finds out what has happened leaves everything to a later one.
  pass(retentionMs - 1)
  await batch()
  expect(await isKept()).toBe(true)
  pass(retentionMs)
  await batch()
  expect(await isKept()).toBe(false)
})

import { expect, it, vi } from 'vitest'
import { loadPipelines } from '../../../stores/pipelines.ts'
import { hourMs, setClock } from '../../../stores/test/set-clock.ts'
import { World } from './world.ts'

it.each([-hourMs, hourMs, -Date.now() - hourMs])(
  'a date set by %i ms holds nothing up, and no age is negative',
  async (byMs) => {
    const [loaded] = await loadPipelines('sql', { only: ['http_logs'] })
    if (loaded === undefined) throw new Error('sql/http_logs is missing.')
    await using world = await World.create(loaded)
    const clock = setClock()
    await using mirror = await world.openMirror({}, clock)
    await world.append(0, 10)
    await vi.waitUntil(() => mirror.status()[0]?.realtime.get(0) === 10n)
    clock.set(byMs)
    await world.append(0, 10)
    await world.commit([0])
    for (const view of loaded.views) await world.publish(view, world.lake)
    await vi.waitUntil(() => mirror.status()[0]?.batchAgeMs !== null)
    expect(mirror.status()[0]?.lake).toEqual(world.ends)
    const coverage = await mirror.database.session((session) =>
      mirror.coverageIn(session, 'http_logs', { mode: 'merged' }),
    )
    for (const { freshnessMs, batchAgeMs } of [coverage, ...mirror.status()]) {
      expect(freshnessMs).toBeGreaterThanOrEqual(0)
      expect(batchAgeMs).toBeGreaterThanOrEqual(0)
    }
    expect(world.failures).toEqual([])
  },
)

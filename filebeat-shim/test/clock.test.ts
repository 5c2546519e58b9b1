/*
 * The date is set back or forward by an hour while a shipper runs. Nothing happens in its directories but
 * what its own scans and looks find, as on a network mount, so that no event covers up for them.
 */
import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { hourMs, setClock } from '../../stores/test/set-clock.ts'
import { rawConfig, shipRoom, until, untilLines } from './harness.ts'

vi.mock(import('../watch-directories.ts'), () => ({
  DirectoryWatcher: class {
    follow(): void {}
    async [Symbol.asyncDispose](): Promise<void> {}
  } as never,
}))

/** Longer than any wait of the harness, much shorter than an hour. */
const waitMsMax = 3000

test.each([-hourMs, hourMs])('new files and lines are found after %i ms', async (byMs) => {
  await using room = await shipRoom()
  const clock = setClock()
  room.start({ clock })
  await writeFile(room.path('a.log'), 'one\n')
  await untilLines(room.log, ['one'])
  clock.set(byMs)
  await appendFile(room.path('a.log'), 'two\n')
  await writeFile(room.path('b.log'), 'three\n')
  await until(
    () => room.log.records.length === 3,
    () => room.log.lines(),
    waitMsMax,
  )
})

test.each([-hourMs, hourMs])('the registry is written after %i ms', async (byMs) => {
  await using room = await shipRoom()
  const clock = setClock()
  room.start({ clock, settings: { registryFlushMs: 100 } })
  await writeFile(room.path('a.log'), 'one\n')
  await untilLines(room.log, ['one'])
  clock.set(byMs)
  await appendFile(room.path('a.log'), 'two\n')
  await untilLines(room.log, ['one', 'two'])
  await vi.waitFor(
    async () => expect(await readFile(room.registryPath, 'utf8')).toContain('"offset":8'),
    { timeout: waitMsMax },
  )
})

test.each([-hourMs, hourMs])('a stop ends after its grace, %i ms in the middle', async (byMs) => {
  await using room = await shipRoom()
  const clock = setClock()
  const handle = room.start({ clock, settings: { stopGraceMs: 300 } })
  let isAppending = false
  room.log.beforeAppend = () => {
    isAppending = true
    return new Promise(() => {})
  }
  await writeFile(room.path('a.log'), 'one\n')
  await until(
    () => isAppending,
    () => null,
  )
  const startMs = performance.now()
  setTimeout(() => clock.set(byMs), 100)
  await handle.stop()
  const tookMs = performance.now() - startMs
  expect(tookMs).toBeGreaterThan(250)
  expect(tookMs).toBeLessThan(waitMsMax)
})

test('a file that was closed and written anew with the same size is read again', async () => {
  await using room = await shipRoom()
  const clock = setClock()
  clock.set(hourMs)
  const handle = room.start({
    clock,
    config: rawConfig(`${room.directory}/*.log`, '    close.on_state_change.inactive: 100ms\n'),
  })
  await writeFile(room.path('a.log'), 'one\n')
  await untilLines(room.log, ['one'])
  await vi.waitFor(async () => {
    const metrics = await handle.telemetry.registry.metrics()
    expect(metrics).toMatch(/open_files 0/)
  })
  clock.set(-hourMs)
  await writeFile(room.path('a.log'), 'two\n')
  await until(
    () => room.log.lines().at(-1) === 'two',
    () => room.log.lines(),
    waitMsMax,
  )
})

test('a rotated file is followed for as long as after any rotation', async () => {
  await using room = await shipRoom()
  const clock = setClock()
  room.start({ clock, settings: { releaseAfterMs: 1000 } })
  await writeFile(room.path('a.log'), 'one\n')
  await untilLines(room.log, ['one'])
  await rename(room.path('a.log'), room.path('a.log.1'))
  await new Promise((resolve) => setTimeout(resolve, 250))
  clock.set(hourMs)
  await new Promise((resolve) => setTimeout(resolve, 250))
  await appendFile(room.path('a.log.1'), 'late\n')
  await untilLines(room.log, ['one', 'late'])
  await rm(room.path('a.log.1'))
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { isRunning, startTicksOf } from '../process-identity.ts'

it('tells a process from a later one with the same pid', () => {
  const start = startTicksOf(process.pid)
  expect(isRunning(process.pid, start)).toBe(true)
  expect(isRunning(process.pid, null)).toBe(true)
  // Where the system does not say when processes start, the pid alone must do.
  expect(isRunning(process.pid, '1')).toBe(start === null)
})

it('knows that a process has ended', async () => {
  const child = spawn(process.execPath, ['--eval', ''])
  await once(child, 'exit')
  expect(isRunning(child.pid ?? 0, null)).toBe(false)
  expect(startTicksOf(child.pid ?? 0)).toBeNull()
})

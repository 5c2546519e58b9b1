import { existsSync, rmSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openScratch, restoreScratch } from '../scratch.ts'

it('a folder that somebody took away is made again, once', async () => {
  await using scratch = await openScratch()
  rmSync(scratch.directory, { recursive: true })
  expect(await restoreScratch(scratch.directory)).toBe(true)
  expect(existsSync(scratch.directory)).toBe(true)
  expect(await restoreScratch(scratch.directory)).toBe(false)
})

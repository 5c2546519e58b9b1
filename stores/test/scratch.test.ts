import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openScratch, restoreScratch } from '../scratch.ts'

it('a folder that somebody took away is made again, once', async () => {
  await using scratch = await openScratch()
  rmSync(scratch.directory, { recursive: true })
  expect(await restoreScratch(scratch.directory)).toBe(true)
  expect(existsSync(scratch.directory)).toBe(true)
  expect(await restoreScratch(scratch.directory)).toBe(false)
})

it('removes folders of processes that are gone, and none of another container', async () => {
  await using mine = await openScratch()
  const [, space = '', pid, start] = basename(mine.directory).split('-')
  const place = (name: string) => {
    const folder = join(dirname(mine.directory), name)
    mkdirSync(folder)
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }
  // The pid is in use, by a process that started at another time.
  const gone = place(`millrace-${space}-${pid}-${Number(start) + 1}-00`)
  const foreign = place(`millrace-${space}1-${pid}-${Number(start) + 1}-00`)
  await using _other = await openScratch()
  expect(existsSync(gone)).toBe(start === '0')
  expect(existsSync(foreign)).toBe(true)
  expect(existsSync(mine.directory)).toBe(true)
})

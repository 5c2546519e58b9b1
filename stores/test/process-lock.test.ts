import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { acquireProcessLock } from '../process-lock.ts'

// Nobody can be refused by the system on purpose where tests run as root.
vi.mock(import('node:fs/promises'), async (original) => {
  const actual = await original()
  return { ...actual, writeFile: vi.fn(actual.writeFile) }
})

/** The next file that is written stays empty, as on a full disk, or cannot be opened. */
function refuseNextWrite(code: string): void {
  vi.mocked(writeFile).mockImplementationOnce(async (path) => {
    if (code === 'ENOSPC') await (await open(String(path), 'w')).close()
    throw Object.assign(new Error(`${code}: refused, write`), { code })
  })
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function acquired(): Promise<AsyncDisposable> {
  const outcome = await acquireProcessLock(folder, 'up', 'test')
  if (outcome.kind === 'held') throw new Error(`Held by ${outcome.holder.pid}.`)
  return outcome.lock
}

/** A process that takes the lock when told to and prints what happened. */
function contender() {
  const url = new URL('../process-lock.ts', import.meta.url)
  const script = `
    import { acquireProcessLock } from ${JSON.stringify(url.href)}
    process.stdout.write('ready\\n')
    process.stdin.once('data', async () => {
      const outcome = await acquireProcessLock(${JSON.stringify(folder)}, 'up', 'contender')
      process.stdout.write(outcome.kind + '\\n')
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const line = async (index: number) => {
    while (text.split('\n').length <= index + 1) await once(child.stdout, 'data')
    return text.split('\n')[index]
  }
  return { child, line }
}

describe('acquireProcessLock', () => {
  it('gives the lock to one holder and names it to the others', async () => {
    const lock = await acquired()
    const second = await acquireProcessLock(folder, 'up', 'test')
    expect(second).toMatchObject({ kind: 'held', holder: { pid: process.pid, purpose: 'test' } })
    await lock[Symbol.asyncDispose]()
    await (await acquired())[Symbol.asyncDispose]()
  })

  it('keeps locks of different names apart', async () => {
    await acquired()
    expect((await acquireProcessLock(folder, 'batch', 'test')).kind).toBe('acquired')
  })

  it('takes over from a process that was killed, exactly one of several that try', async () => {
    const first = contender()
    await first.line(0)
    first.child.stdin.write('go\n')
    expect(await first.line(1)).toBe('acquired')
    expect((await acquireProcessLock(folder, 'up', 'test')).kind).toBe('held')
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')

    const others = Array.from({ length: 4 }, contender)
    await Promise.all(others.map((other) => other.line(0)))
    for (const other of others) other.child.stdin.write('go\n')
    const outcomes = await Promise.all(others.map((other) => other.line(1)))
    expect(outcomes.sort()).toEqual(['acquired', 'held', 'held', 'held'])
    for (const other of others) other.child.kill('SIGKILL')
    await Promise.all(others.map(({ child }) => once(child, 'exit')))
  })

  it('does not take a process with a reused number for the holder', async () => {
    const holder = { pid: process.pid, host: (await import('node:os')).hostname(), purpose: 'old' }
    const content = { ...holder, startTicks: '1', isFree: false }
    writeFileSync(join(folder, 'up.lock.7'), JSON.stringify(content))
    await acquired()
    expect(readdirSync(folder)).toEqual(['up.lock.8'])
  })

  it('believes a holder on another host for as long as its file is fresh', async () => {
    const content = { pid: 1, host: 'elsewhere', startTicks: null, purpose: 'up', isFree: false }
    const path = join(folder, 'up.lock.1')
    writeFileSync(path, JSON.stringify(content))
    expect((await acquireProcessLock(folder, 'up', 'test')).kind).toBe('held')
    const longAgo = new Date(Date.now() - 60_000)
    utimesSync(path, longAgo, longAgo)
    await acquired()
  })

  it.each([
    ['ENOSPC', 'DISK_FULL', 'the disk is full'],
    ['EDQUOT', 'DISK_FULL', 'the disk is full'],
    ['EACCES', 'DATA_DIRECTORY_UNUSABLE', 'EACCES: refused'],
    ['EROFS', 'DATA_DIRECTORY_UNUSABLE', 'EROFS: refused'],
  ])('says in one sentence that %s keeps it from taking the lock', async (system, code, reason) => {
    refuseNextWrite(system)
    const taking = acquireProcessLock(folder, 'batch', 'test')
    await expect(taking).rejects.toMatchObject({ name: 'MillraceError', code })
    await expect(taking).rejects.toThrow(
      new RegExp(`^The lock 'batch' in '${folder}' cannot be (used|written): ${reason}`),
    )
    expect(readdirSync(folder)).toEqual([])
    await acquired()
  })

  it('says that the folder of locks is none', async () => {
    writeFileSync(join(folder, 'file'), '')
    const taking = acquireProcessLock(join(folder, 'file'), 'up', 'test')
    await expect(taking).rejects.toMatchObject({ code: 'DATA_DIRECTORY_UNUSABLE' })
  })

  it('lets go of the lock on a full disk too', async () => {
    const lock = await acquired()
    refuseNextWrite('ENOSPC')
    await lock[Symbol.asyncDispose]()
    await acquired()
  })

  it('says that it cannot let go of the lock', async () => {
    const lock = await acquired()
    refuseNextWrite('EROFS')
    await expect(lock[Symbol.asyncDispose]()).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_UNUSABLE',
    })
  })

  it('lets many processes of one machine race without two winners at a time', async () => {
    const holders: boolean[] = []
    let held = 0
    const compete = async () => {
      for (let round = 0; round < 30; round++) {
        const outcome = await acquireProcessLock(folder, 'up', 'test')
        if (outcome.kind === 'held') continue
        held += 1
        holders.push(held === 1)
        await new Promise((resolve) => setImmediate(resolve))
        held -= 1
        await outcome.lock[Symbol.asyncDispose]()
      }
    }
    await Promise.all(Array.from({ length: 8 }, compete))
    expect(holders.length).toBeGreaterThan(0)
    expect(holders.every(Boolean)).toBe(true)
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

/** A process that takes for ever to drain. */
function drainingProcess() {
  const url = join(import.meta.dirname, '../stop-signal.ts')
  const script = `
    import { stopOnSignals } from ${JSON.stringify(url)}
    setInterval(() => {}, 1000)
    stopOnSignals(() => process.stdout.write('draining'))
    process.stdout.write('ready')`
  return spawn(process.execPath, ['--input-type=module', '-e', script])
}

describe('stopOnSignals', () => {
  it('drains at the first signal and ends with 130 at a later one', async () => {
    const child = drainingProcess()
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    const [said] = await once(child.stdout, 'data')
    expect(String(said)).toBe('draining')
    // What npm passes on of the same Ctrl-C is not a second one: only later signals end the process.
    const again = setInterval(() => child.kill('SIGINT'), 50)
    const startMs = performance.now()
    const [code] = await once(child, 'exit')
    clearInterval(again)
    expect(code).toBe(130)
    expect(performance.now() - startMs).toBeGreaterThan(150)
  })
})

/** The command as people call it: real processes, an own data directory and port for each test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const waitMsMax = 60_000

let folder: string
let port: number
const running: ChildProcess[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  port = await freePort()
})

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: free } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return free
}

function start(words: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(root, 'cli/main.ts'), ...words], {
    cwd: root,
    env: {
      ...process.env,
      MILLRACE_DATA: join(folder, 'data'),
      MILLRACE_HTTP_PORT: `${port}`,
      ...environment,
    },
  })
  running.push(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended, output: () => output, errors: () => errors }
}

async function run(words: readonly string[], environment: Record<string, string> = {}) {
  const { ended, output, errors } = start(words, environment)
  return { code: await ended, output: output(), errors: errors() }
}

/** Asks again until the answer satisfies; a server that is not there yet gives no answer. */
async function answerWhere(
  statement: string,
  isEnough: (value: number) => boolean,
): Promise<number> {
  const deadlineMs = performance.now() + waitMsMax
  for (;;) {
    const value = await firstValue(statement)
    if (value !== null && isEnough(value)) return value
    if (performance.now() > deadlineMs) throw new Error(`'${statement}' gave ${value} at last.`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function firstValue(statement: string): Promise<number | null> {
  const query = 'query ($statement: String!) { sql(statement: $statement) { rows } }'
  try {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { statement } }),
    })
    const reply = (await response.json()) as { data?: { sql: { rows: number[][] } } }
    return reply.data?.sql.rows[0]?.[0] ?? null
  } catch {
    return null
  }
}

const count = 'SELECT count(*) FROM logs'

describe('millrace', () => {
  it('tails, answers, survives a kill, keeps others out, and ends cleanly', async () => {
    const first = start(['up', '--demo'])
    const before = await answerWhere(count, (rows) => rows > 0)

    const second = await run(['up'])
    expect(second).toMatchObject({ code: 1, output: '' })
    expect(second.errors).toContain('(DATA_DIRECTORY_IN_USE)')
    expect(second.errors.trim().split('\n')).toHaveLength(1)

    const elsewhere = await run(['up'], { MILLRACE_DATA: join(folder, 'other') })
    expect(elsewhere.code).toBe(1)
    expect(elsewhere.errors).toContain('(PORT_IN_USE)')

    first.child.kill('SIGKILL')
    await first.ended
    const again = start(['up', '--demo'])
    await answerWhere(count, (rows) => rows > before)

    const answer = await run(['sql', '--format', 'json', '-e', `${count} WHERE status >= 100`])
    const parsed = JSON.parse(answer.output) as Record<string, unknown>
    expect(parsed).toMatchObject({ columns: [{ type: 'BIGINT' }], coverage: { mode: 'merged' } })
    const status = await run(['status', '--json'])
    expect(JSON.parse(status.output)).toMatchObject({
      pipelines: [{ name: 'access_log' }, { name: 'http_logs' }],
    })

    again.child.kill('SIGINT')
    expect(await again.ended).toBe(0)
    expect(again.output()).toContain('Ended cleanly.')

    // What was shown is in the lake now: each row once.
    const batch = await run(['batch', 'run', '--pipeline', 'http_logs'])
    expect(batch.errors).toBe('')
    expect(batch.output).toContain('http_logs.kpi_by_host: published')
    expect(batch.code).toBe(0)
    const rebuilt = await run(['batch', 'rebuild', '--pipeline', 'http_logs'])
    expect(rebuilt.output).not.toContain('BATCH_DIVERGED')
    expect(rebuilt.output).toContain('published, full')
  }, 180_000)

  it('produces into a running instance from another process', async () => {
    start(['up', '--pipelines', 'http_logs'])
    await answerWhere(count, () => true)
    const produced = await run(['produce', 'http_logs', '--rate', '0', '--count', '2000'])
    expect(produced.output).toMatch(/^Wrote 2000 events/)
    await answerWhere(count, (rows) => rows === 2000)
    await answerWhere('SELECT sum(requests)::BIGINT FROM kpi_by_host', (rows) => rows === 2000)
  }, 120_000)

  it('says in one sentence that no server runs and how to start one', async () => {
    const { code, errors } = await run(['sql', '-e', 'SELECT 1'])
    expect(code).toBe(1)
    expect(errors).toBe(
      `millrace: No millrace server answers at http://127.0.0.1:${port}. Start one with 'npm start' (or 'millrace up'), or set MILLRACE_HTTP_PORT to its port. (SERVER_UNREACHABLE)\n`,
    )
  })

  it('lists every problem of the settings and stops', async () => {
    const file = join(folder, 'millrace.yml')
    writeFileSync(file, 'spede: {}\nbatch:\n  intervalMs: soon\n')
    const { code, errors } = await run(['up', '--config', file])
    expect(code).toBe(1)
    expect(errors).toContain("millrace.yml:1: There is no setting 'spede'. Did you mean 'speed'?")
    expect(errors).toContain('millrace.yml:3: Setting \'batch.intervalMs\' is "soon", expected')
  })

  it('starts nothing with a filebeat.yml that has problems', async () => {
    const file = join(folder, 'filebeat.yml')
    writeFileSync(file, 'filebeat.inputs:\n  - type: lgo\noutput.kafka:\n  topic: logs_raw\n')
    const { code, errors } = await run(['ship', '-c', file])
    expect(code).toBe(1)
    expect(errors).toContain("filebeat.yml:2: Input type 'lgo' is not supported")
    expect(existsSync(join(folder, 'data'))).toBe(false)
  })

  it('refuses a burst that is no number', async () => {
    const { code, errors } = await run(['produce', 'http_logs', '--burst', 'x', '--count', '1'])
    expect(code).toBe(1)
    expect(errors).toContain('Expected a number above 0')
  })

  it('says that a data directory cannot be written', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const { code, errors } = await run(['up'], { MILLRACE_DATA: join(file, 'data') })
    expect(code).toBe(1)
    expect(errors).toContain('(DATA_DIRECTORY_UNUSABLE)')
  })

  it('finds out by itself whether all is well', async () => {
    const { code, output } = await run(['doctor'])
    expect(output).toMatch(/✓ Pipelines: .*http_logs \(.*kpi_by_host/)
    expect(code).toBe(0)
    const explained = await run(['doctor', '--explain', 'kpi_by_host'])
    expect(explained.output).toMatch(/-- partial:[\s\S]*-- merge:[\s\S]*-- finalize:/)
    expect(explained.output).toMatch(/^-- sum\(bytes\): exact\. Kept: the total as DECIMAL/m)
    expect(explained.output).toMatch(/^-- approx_quantile\(rt_ms, 0\.95\): within 1 % .* Kept: /m)
  })

  it('has a thread pool of its own size before anything uses it', async () => {
    const script = `
      await import(${JSON.stringify(join(root, 'cli/thread-pool.ts'))})
      const { readdirSync } = await import('node:fs')
      const before = readdirSync('/proc/self/task').length
      await (await import('node:fs/promises')).readFile(${JSON.stringify(join(root, 'package.json'))})
      process.stdout.write(String(readdirSync('/proc/self/task').length - before))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    await once(child, 'close')
    expect(Number(output)).toBe(16)
  })
})

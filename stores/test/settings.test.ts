import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadSettings } from '../settings.ts'

const schema = z.strictObject({
  dataDirectory: z.string().default('./data').describe('Folder of all data.'),
  speed: z
    .strictObject({
      lakeCommitIntervalMs: z.int().min(100).max(60_000).default(5000).describe('Interval, ms.'),
      isEager: z.boolean().default(false).describe('Eager.'),
      mode: z.enum(['fast', 'safe']).default('safe').describe('Mode.'),
      names: z.array(z.string()).default([]).describe('Names.'),
    })
    .prefault({}),
})

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-settings-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(yaml: string | null, environment: Record<string, string> = {}) {
  const file = join(folder, 'millrace.yml')
  if (yaml !== null) writeFileSync(file, yaml)
  return loadSettings(schema, {
    ...(yaml === null ? {} : { file }),
    environment,
    prefix: 'MILLRACE_',
    shortVariables: { dataDirectory: 'MILLRACE_DATA' },
    foreignVariables: ['MILLRACE_REQUIRE_SERVICES'],
  })
}

function complaint(yaml: string | null, environment: Record<string, string> = {}): string {
  try {
    load(yaml, environment)
  } catch (error) {
    return (error as Error).message.replaceAll(folder, '')
  }
  throw new Error('The settings were accepted.')
}

describe('loadSettings', () => {
  it('gives the defaults without file and environment, frozen', () => {
    const settings = load(null)
    expect(settings).toEqual({
      dataDirectory: './data',
      speed: { lakeCommitIntervalMs: 5000, isEager: false, mode: 'safe', names: [] },
    })
    expect(Object.isFrozen(settings.speed)).toBe(true)
  })

  it('lets the environment win over the file and the file over the defaults', () => {
    const settings = load('dataDirectory: /one\nspeed:\n  lakeCommitIntervalMs: 200\n', {
      MILLRACE_DATA: '/two',
      MILLRACE_SPEED_IS_EAGER: 'true',
      MILLRACE_SPEED_NAMES: '[a, b]',
    })
    expect(settings.dataDirectory).toBe('/two')
    expect(settings.speed).toEqual({
      lakeCommitIntervalMs: 200,
      isEager: true,
      mode: 'safe',
      names: ['a', 'b'],
    })
  })

  it('treats an empty file and an empty section as defaults', () => {
    expect(load('# nothing\n')).toEqual(load(null))
    expect(load('speed:\n')).toEqual(load(null))
  })

  it('reports every problem of file and environment at once, with lines', () => {
    const yaml =
      'speed:\n  lakeComitIntervalMs: 5\n  lakeCommitIntervalMs: 5\n  mode: quick\nspede: {}\n'
    const environment = { MILLRACE_SPEED_IS_EAGER: 'yes', MILLRACE_DTA: 'x' }
    expect(complaint(yaml, environment).split('\n')).toEqual([
      'The settings cannot be used:',
      "  /millrace.yml:2: There is no setting 'speed.lakeComitIntervalMs'. Did you mean 'speed.lakeCommitIntervalMs'?",
      "  /millrace.yml:5: There is no setting 'spede'. Did you mean 'speed'?",
      '  environment variable MILLRACE_DTA: There is no such setting. Did you mean MILLRACE_DATA?',
      "  /millrace.yml:3: Setting 'speed.lakeCommitIntervalMs' is 5, expected a whole number from 100 to 60000.",
      '  environment variable MILLRACE_SPEED_IS_EAGER: Setting \'speed.isEager\' is "yes", expected true or false.',
      "  /millrace.yml:4: Setting 'speed.mode' is \"quick\", expected one of 'fast', 'safe'.",
    ])
  })

  it('says which line is not YAML', () => {
    expect(complaint('speed:\n  a: [1\nb: 2\n')).toMatch(
      /millrace\.yml:3: The file is not valid YAML: /,
    )
    expect(complaint('speed: 1\nspeed: 2\n')).toMatch(/millrace\.yml:2: .*unique/)
    expect(complaint('just words')).toContain('The file must be a map of names.')
    expect(complaint('speed: [1]')).toContain("The section 'speed' must be a map of names.")
  })

  it('names a file that is not there', () => {
    const source = { file: join(folder, 'absent.yml'), environment: {}, prefix: 'MILLRACE_' }
    expect(() => loadSettings(schema, source)).toThrow(/absent\.yml' cannot be read \(ENOENT\)/)
  })

  it('leaves variables of others and service links of containers alone', () => {
    const environment = {
      MILLRACE_REQUIRE_SERVICES: '1',
      MILLRACE_PORT_4000_TCP_ADDR: '10.0.0.1',
      MILLRACE_SERVICE_HOST: '10.0.0.1',
    }
    expect(load(null, environment)).toEqual(load(null))
  })
})

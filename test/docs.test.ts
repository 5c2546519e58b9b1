import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configurationPage } from '../cli/configuration-page.ts'
import { millraceSettings, variableNaming } from '../cli/settings.ts'
import { failures } from '../core/errors.ts'
import { settingFields } from '../core/settings.ts'
import { loadSettings } from '../stores/settings.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

describe('docs/configuration.md', () => {
  it('is what the schemas say: `npm run docs` writes it', () => {
    expect(read('docs/configuration.md')).toBe(configurationPage())
  })

  it('has a sentence and a default for every setting, and no variable twice', () => {
    const fields = settingFields(millraceSettings, variableNaming)
    const bare = fields.filter((field) => !field.description.endsWith('.'))
    expect(bare.map(({ path }) => path.join('.'))).toEqual([])
    const noDefault = fields.filter((field) => field.defaultValue === undefined)
    expect(noDefault.map(({ path }) => path.join('.'))).toEqual([])
    expect(new Set(fields.map(({ variable }) => variable)).size).toBe(fields.length)
  })

  it('names times and sizes with their unit', () => {
    const unitless = settingFields(millraceSettings, variableNaming).filter(
      ({ path, description, kind }) =>
        kind === 'number' &&
        /\b(ms|bytes)\b/i.test(description) &&
        !/(Ms|[bB]ytes|Records|Files|Rows|Offsets)(Max|Min)?$/.test(path.at(-1) ?? ''),
    )
    expect(unitless.map(({ path }) => path.join('.'))).toEqual([])
  })
})

describe('millrace.example.yml', () => {
  it('is accepted, and changes nothing: it shows the defaults', () => {
    const file = join(root, 'millrace.example.yml')
    const source = { ...variableNaming, environment: {} }
    expect(loadSettings(millraceSettings, { ...source, file })).toEqual(
      loadSettings(millraceSettings, source),
    )
  })
})

describe('docs/errors.md', () => {
  const page = read('docs/errors.md')

  it('has one section per code, in the order of the code', () => {
    const titles = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
    expect(titles).toEqual(Object.keys(failures))
  })

  it('gives the SQLSTATE of each code and says which are retryable', () => {
    for (const [code, { sqlState, retryable }] of Object.entries(failures)) {
      const [, section = ''] = page.split(`## ${code}\n`)
      const start = section.trim().split('.')[0]
      expect(start, code).toBe(`SQLSTATE ${sqlState}${retryable ? ', retryable' : ''}`)
    }
  })
})

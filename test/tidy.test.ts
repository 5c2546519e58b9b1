import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { describe, expect, it } from 'vitest'
import { missingPackages, readLock } from './tidy/complete-lock.ts'
import { type Project, type ProjectFile, rules } from './tidy/rules.ts'

const root = join(import.meta.dirname, '..')

/** The rules and their canaries name what they look for. */
const exempt = /^test\/tidy\//
const skippedFolders = new Set([
  'node_modules',
  '.git',
  '.vitest',
  'data',
  'coverage',
  '.venv',
  '__pycache__',
])

function* projectFiles(folder = root): Generator<ProjectFile> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    const name = relative(root, path).split(sep).join('/')
    if (entry.isDirectory()) {
      if (!skippedFolders.has(entry.name)) yield* projectFiles(path)
    } else if (/\.(ts|md|ya?ml|sql|sh|json|py)$/.test(name) && name !== 'package-lock.json') {
      if (!exempt.test(name)) yield { path: name, text: readFileSync(path, 'utf8') }
    }
  }
}

const project: Project = { has: (path) => existsSync(join(root, path)) }
const files = [...projectFiles()]

describe('the project is tidy', () => {
  it.each(rules.map((rule) => [rule.name, rule] as const))('rule %s', (_, rule) => {
    const complaints = files.flatMap((file) =>
      rule.complaints(file, project).map((complaint) => `${file.path}:${complaint}`),
    )
    expect(complaints).toEqual([])
  })
})

describe('each rule still works', () => {
  it.each(rules.map((rule) => [rule.name, rule] as const))('canary of %s', (_, rule) => {
    expect(rule.complaints(rule.canary, { has: () => false })).not.toEqual([])
  })

  it('sees the files of every layer', () => {
    for (const start of ['core/', 'stores/', 'speed-layer/', 'batch-layer/', 'cli/', 'docs/']) {
      expect(files.some(({ path }) => path.startsWith(start))).toBe(true)
    }
  })
})

describe('package-lock.json', () => {
  it('names the packages of every system: else `npm ci` refuses it (`npm run lock` adds them)', () => {
    expect(missingPackages(readLock())).toEqual([])
  })

  it('names no registry', () => {
    expect(JSON.stringify(readLock())).not.toContain('"resolved"')
  })
})

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')

/** Planted violations: the linter's configuration must refuse each by this rule. */
const planted = [
  ['batch-layer/run.ts', "import { a } from '../speed-layer/run.ts'\na()\n", 'noRestrictedImports'],
  ['stores/settings.ts', "import { a } from '../cli/main.ts'\na()\n", 'noRestrictedImports'],
  ['core/offsets.ts', "import { a } from '../stores/clock.ts'\na()\n", 'noRestrictedImports'],
  ['core/files.ts', "import { stat } from 'node:fs'\nstat('x')\n", 'noRestrictedImports'],
  ['core/time.ts', 'export const now = Date.now()\n', 'noRestrictedGlobals'],
  [
    'speed-layer/domain/a.ts',
    "import { a } from '../../stores/clock.ts'\na()\n",
    'noRestrictedImports',
  ],
  ['speed-layer/domain/b.ts', "import { stat } from 'node:fs'\nstat('x')\n", 'noRestrictedImports'],
  ['serving-layer/any.ts', 'export const a: any = 1\n', 'noExplicitAny'],
  ['serving-layer/bang.ts', 'export const f = (a: string | null) => a!\n', 'noNonNullAssertion'],
  ['serving-layer/loud.ts', "console.log('x')\n", 'noConsole'],
  [
    'stores/floating.ts',
    'async function work(): Promise<void> {}\nexport function start() {\n  work()\n}\n',
    'noFloatingPromises',
  ],
] as const

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-layers-'))
  for (const name of ['biome.json', 'tsconfig.json', '.gitignore', 'package.json']) {
    copyFileSync(join(root, name), join(folder, name))
  }
  for (const [path, text] of planted) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Report {
  readonly diagnostics: readonly { readonly category: string; readonly location: unknown }[]
}

function lint(): Report {
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
  const options = ['lint', '--reporter=json', '--max-diagnostics=none', '.']
  try {
    execFileSync(process.execPath, [biome, ...options], { cwd: folder, stdio: 'pipe' })
  } catch (error) {
    return JSON.parse(String((error as { stdout: Buffer }).stdout)) as Report
  }
  throw new Error('The linter had no complaint.')
}

describe('the linter guards the layers', () => {
  it('refuses every planted violation', () => {
    const { diagnostics } = lint()
    const found = diagnostics.map(({ category, location }) => ({
      rule: category,
      place: JSON.stringify(location),
    }))
    for (const [path, , rule] of planted) {
      const hit = found.some((one) => one.rule.endsWith(`/${rule}`) && one.place.includes(path))
      expect(hit, `${rule} in ${path}`).toBe(true)
    }
  })
})

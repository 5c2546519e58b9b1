/**
 * What no linter checks, each rule with the reason in its complaint and a canary: a bad file that it
 * must complain about, so that a rule that stops working is noticed.
 */

export interface ProjectFile {
  /** Relative to the project's root, with `/`. */
  readonly path: string
  readonly text: string
}

export interface Project {
  has(path: string): boolean
}

export interface Rule {
  readonly name: string
  /** Complaints about one file: `line: what and why`. */
  readonly complaints: (file: ProjectFile, project: Project) => string[]
  readonly canary: ProjectFile
}

const linesMax = 400

/** Who may import a driver: the adapter or skin that owns it. */
const driverOwners: Readonly<Record<string, RegExp>> = {
  '@duckdb/node-api': /^stores\/engine\//,
  lmdb: /^stores\/event-log\//,
  '@apollo/server': /^serving-layer\/graphql\//,
  '@graphql-yoga/render-graphiql': /^serving-layer\//,
  graphql: /^serving-layer\/graphql\//,
  'graphql-ws': /^serving-layer\//,
  ws: /^serving-layer\//,
  chokidar: /^filebeat-shim\//,
  pino: /^stores\/telemetry\.ts$/,
  'prom-client': /(^|\/)telemetry\.ts$/,
  commander: /^cli\//,
}

const isSource = (path: string) => path.endsWith('.ts') && !isTest(path)
const isTest = (path: string) => /(^|\/)test\//.test(path)
const isProgram = (path: string) => /^(cli|bench)\//.test(path) || /(^|\/)main\.ts$/.test(path)
const isPure = (path: string) => /^core\//.test(path) || /\/domain\//.test(path)

/** Complaints for each line that matches. */
function matching(file: ProjectFile, pattern: RegExp, why: string): string[] {
  return file.text.split('\n').flatMap((line, index) => {
    const match = pattern.exec(line)
    return match === null ? [] : [`${index + 1}: '${match[0].trim()}': ${why}`]
  })
}

const size: Rule = {
  name: 'size',
  complaints: ({ path, text }) => {
    const lines = text.split('\n').length - 1
    if (!isSource(path) || lines <= linesMax) return []
    return [`1: ${lines} lines: split it, one idea a file (at most ${linesMax}).`]
  },
  canary: { path: 'core/long.ts', text: 'export const one = 1\n'.repeat(linesMax + 1) },
}

const leftovers: Rule = {
  name: 'leftovers',
  complaints: (file) =>
    /\.(ts|md|yml|sql|sh)$/.test(file.path)
      ? matching(file, /\b(FIXME|TODO)\b/, 'do it, or open an issue.')
      : [],
  canary: { path: 'core/later.ts', text: '// FIXME: later\n' },
}

const exportStar: Rule = {
  name: 'export star',
  complaints: (file) =>
    file.path.endsWith('.ts')
      ? matching(file, /^export \*/, 'export by name, so that readers and knip see what is used.')
      : [],
  canary: { path: 'core/index.ts', text: "export * from './offsets.ts'\n" },
}

const drivers: Rule = {
  name: 'drivers',
  complaints: (file) => {
    if (!isSource(file.path) || file.path.startsWith('bench/')) return []
    return Object.entries(driverOwners).flatMap(([driver, owner]) => {
      if (owner.test(file.path)) return []
      const pattern = new RegExp(`^(?!import type ).*(from |import\\(?)\\s*'${driver}(/[^']*)?'`)
      return matching(file, pattern, `only ${owner} may use this driver; go through its port.`)
    })
  },
  canary: { path: 'speed-layer/run.ts', text: "import { open } from 'lmdb'\n" },
}

const environment: Rule = {
  name: 'environment',
  complaints: (file) =>
    isSource(file.path) && !isProgram(file.path)
      ? matching(
          file,
          /^(?!\s*(\*|\/\*|\/\/)).*\bprocess\.(env|exit|exitCode)\b/,
          'only main.ts and cli/ read the environment and end the process.',
        )
      : [],
  canary: { path: 'stores/settings.ts', text: "const home = process.env['HOME']\n" },
}

const determinism: Rule = {
  name: 'determinism',
  complaints: (file) =>
    isPure(file.path) && isSource(file.path)
      ? matching(
          file,
          /\b(Math\.random|Date\.now|performance\.now|crypto\.random\w*)\b|\bnew Date\(\)/,
          'decisions are repeatable: take time and chance as parameters.',
        )
      : [],
  canary: { path: 'batch-layer/domain/plan.ts', text: 'const now = Date.now()\n' },
}

const links: Rule = {
  name: 'links',
  complaints: (file, project) => {
    if (!file.path.endsWith('.md')) return []
    const folder = file.path.split('/').slice(0, -1)
    return proseLines(file.text).flatMap(({ line, number }) =>
      [...line.matchAll(/\]\(([^)\s#]+)(#[^)]*)?\)/g)].flatMap(([, target = '']) => {
        if (/^[a-z]+:/.test(target) || project.has(resolve(folder, target))) return []
        return [`${number}: the link to '${target}' leads nowhere.`]
      }),
    )
  },
  canary: { path: 'docs/page.md', text: '# Page\n\nSee [there](../gone.md).\n' },
}

const titles: Rule = {
  name: 'titles',
  complaints: (file) => {
    if (!file.path.endsWith('.md')) return []
    const count = proseLines(file.text).filter(({ line }) => line.startsWith('# ')).length
    return count === 1 ? [] : [`1: ${count} titles: a page has exactly one '# ' line.`]
  },
  canary: { path: 'docs/page.md', text: '# One\n\n# Two\n' },
}

const sqlHeaders: Rule = {
  name: 'sql headers',
  complaints: ({ path, text }) =>
    /^sql\/.*\.sql$/.test(path) && !/^--\s*\S/.test(text)
      ? ['1: begins without a comment: say what the table or view is for, people read it.']
      : [],
  canary: { path: 'sql/http_logs/views/top.sql', text: 'SELECT 1\n' },
}

const places: Rule = {
  name: 'places',
  complaints: (file) =>
    isTest(file.path) && !file.path.endsWith('.ts')
      ? []
      : matching(
          file,
          /(?<![\w.~}-])\/(work|home\/\w+|Users\/\w+|root)\/[\w.-]+/,
          'a place on one machine: use a relative path or a setting.',
        ),
  canary: { path: 'docs/page.md', text: '# Page\n\n    cd /home/somebody/millrace\n' },
}

export const rules: readonly Rule[] = [
  size,
  leftovers,
  exportStar,
  drivers,
  environment,
  determinism,
  links,
  titles,
  sqlHeaders,
  places,
]

/** Lines outside of code fences, numbered from 1. */
function proseLines(text: string) {
  let isCode = false
  return text.split('\n').flatMap((line, index) => {
    if (/^\s*(```|~~~)/.test(line)) isCode = !isCode
    return isCode ? [] : [{ line, number: index + 1 }]
  })
}

function resolve(folder: readonly string[], target: string): string {
  const parts = target.startsWith('/') ? [] : [...folder]
  for (const part of target.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.' && part !== '') parts.push(part)
  }
  return parts.join('/')
}

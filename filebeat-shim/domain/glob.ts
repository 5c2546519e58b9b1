/** Path patterns with the rules of Go's `filepath.Glob`, which Filebeat uses, and of its `**`. */

/** How many directories `**` descends at most. */
const recursiveDepth = 8

type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'match'; readonly pattern: RegExp }
  | { readonly kind: 'descend' }

export interface Glob {
  readonly source: string
  /** The part before the first wildcard: the directory to start from. */
  readonly base: string
  readonly steps: readonly Step[]
}

/** Parses an absolute pattern. `isRecursive` false makes `**` the same as `*`. */
export function parseGlob(source: string, isRecursive: boolean): Glob {
  const segments = source.split('/').filter((segment) => segment !== '' && segment !== '.')
  const firstWild = segments.findIndex(hasWildcard)
  const baseLength = firstWild === -1 ? segments.length - 1 : firstWild
  const rightmostRecursive = isRecursive ? segments.lastIndexOf('**') : -1
  const steps = segments.slice(baseLength).map((segment, index): Step => {
    if (index + baseLength === rightmostRecursive) return { kind: 'descend' }
    if (!hasWildcard(segment)) return { kind: 'name', name: segment.replaceAll('\\', '') }
    return { kind: 'match', pattern: segmentPattern(segment) }
  })
  return { source, base: `/${segments.slice(0, baseLength).join('/')}`, steps }
}

/** The entries of one directory that a glob asks about. */
export interface GlobVisit {
  readonly directory: string
  /** How many steps are already matched. */
  readonly step: number
  /** How many directories the `**` at `step` has descended. */
  readonly depth: number
}

export interface GlobMatch {
  /** The entry is matched by the whole pattern, as a file. */
  readonly isMatch: boolean
  /** Visits to make below the entry when it is a directory. */
  readonly below: readonly GlobVisit[]
}

export function startOf(glob: Glob): GlobVisit {
  return { directory: glob.base, step: 0, depth: 0 }
}

/** What the entry `name` of `visit.directory` means for the glob. */
export function matchEntry(glob: Glob, visit: GlobVisit, name: string): GlobMatch {
  const step = glob.steps[visit.step]
  const path = visit.directory === '/' ? `/${name}` : `${visit.directory}/${name}`
  if (step === undefined) return { isMatch: false, below: [] }
  if (step.kind === 'descend') return matchDescending(glob, visit, name, path)
  const isNamed = step.kind === 'name' ? step.name === name : step.pattern.test(name)
  if (!isNamed) return { isMatch: false, below: [] }
  const next = visit.step + 1
  const isMatch = next === glob.steps.length
  return { isMatch, below: isMatch ? [] : [{ directory: path, step: next, depth: 0 }] }
}

/** `**` stands for zero to eight directories; as the last step it stands for everything below. */
function matchDescending(glob: Glob, visit: GlobVisit, name: string, path: string): GlobMatch {
  const isLast = visit.step + 1 === glob.steps.length
  const here = isLast
    ? { isMatch: true, below: [] }
    : matchEntry(glob, { ...visit, step: visit.step + 1, depth: 0 }, name)
  const deeper =
    visit.depth < recursiveDepth
      ? [{ directory: path, step: visit.step, depth: visit.depth + 1 }]
      : []
  return { isMatch: here.isMatch, below: [...here.below, ...deeper] }
}

function hasWildcard(segment: string): boolean {
  return /[*?[\]\\]/.test(segment)
}

function segmentPattern(segment: string): RegExp {
  let pattern = ''
  for (let index = 0; index < segment.length; index += 1) {
    const character = segment.charAt(index)
    const close = character === '[' ? segment.indexOf(']', index + 2) : -1
    if (character === '*') pattern += '.*'
    else if (character === '?') pattern += '.'
    else if (close !== -1) {
      pattern += `[${segment.slice(index + 1, close).replaceAll('[', '\\[')}]`
      index = close
    } else if (character === '\\' && index + 1 < segment.length) {
      index += 1
      pattern += escaped(segment.charAt(index))
    } else pattern += escaped(character)
  }
  return new RegExp(`^${pattern}$`, 's')
}

function escaped(character: string): string {
  return /[\\^$.*+?()[\]{}|]/.test(character) ? `\\${character}` : character
}

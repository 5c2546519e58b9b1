/**
 * Adds to package-lock.json the optional packages of other systems that a dependency names. npm leaves them
 * out when the registry it asks does not have them, and `npm ci` then refuses the file. Run it with
 * `npm run lock` after a dependency has changed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface Lock {
  packages: Record<string, LockedPackage>
}

const file = join(import.meta.dirname, '../../package-lock.json')

/** `[name, entry]` of each optional dependency that the lock does not have. */
export function missingPackages({ packages }: Lock): [string, object][] {
  return Object.entries(packages).flatMap(([path, parent]) =>
    Object.entries(parent.optionalDependencies ?? {})
      .filter(
        ([name]) =>
          !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages),
      )
      .map(([name, range]): [string, object] => [name, entryOf(name, range, parent)]),
  )
}

export function readLock(): Lock {
  return JSON.parse(readFileSync(file, 'utf8')) as Lock
}

/** The name says for which system it is: `@scope/binding-linux-x64-musl`. */
function entryOf(name: string, range: string, parent: LockedPackage): object {
  const words = name.split('/').at(-1)?.split('-') ?? []
  const first = (known: readonly string[]) => known.find((word) => words.includes(word))
  const os = first(['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'])
  const cpu = first(['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'])
  const isMusl = words.some((word) => word.startsWith('musl'))
  return {
    version: range.replace(/^[~^]/, ''),
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(parent.dev === true ? { dev: true } : {}),
    ...(isMusl ? { libc: ['musl'] } : {}),
    optional: true,
    ...(os === undefined ? {} : { os: [os] }),
  }
}

if (import.meta.main) {
  const lock = readLock()
  const missing = missingPackages(lock)
  const added = missing.map(([name, entry]): [string, object] => [`node_modules/${name}`, entry])
  const { '': root, ...others } = lock.packages
  const sorted = Object.entries({ ...others, ...Object.fromEntries(added) }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  )
  lock.packages = { '': root ?? {}, ...Object.fromEntries(sorted) }
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
  process.stdout.write(`${missing.length} packages were added.\n`)
}

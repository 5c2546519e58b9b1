/** Names of the catalog as GraphQL names: letters, digits and underscores, none twice in one place. */

/** `odd name` becomes `odd_name`; two leading underscores belong to GraphQL itself. */
function graphqlName(name: string): string {
  const plain = name.replaceAll(/[^_0-9A-Za-z]/g, '_').replace(/^__+/, '_')
  return /^[0-9]/.test(plain) || plain === '' ? `_${plain}` : plain
}

/** `status_counts` becomes `StatusCounts`. */
function graphqlTypeName(name: string): string {
  const words = graphqlName(name)
    .split('_')
    .filter((word) => word !== '')
  return words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('')
}

/** GraphQL names in the order of `names`, made distinct by underscores at their end. */
export function fieldNames(names: readonly string[], taken: Iterable<string> = []): string[] {
  return distinct(names.map(graphqlName), taken)
}

export function typeNames(names: readonly string[], taken: Iterable<string>): string[] {
  return distinct(names.map(graphqlTypeName), taken)
}

function distinct(names: readonly string[], taken: Iterable<string>): string[] {
  const seen = new Set(taken)
  return names.map((name) => {
    let free = name
    while (seen.has(free)) free += '_'
    seen.add(free)
    return free
  })
}

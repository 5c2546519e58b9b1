/** FNV-1a, 64 bits, over the text's UTF-16 units: a stable name for a definition, no secret. */
export function stableHash(text: string): string {
  const prime = 0x100000001b3n
  let hash = 0xcbf29ce484222325n
  for (let index = 0; index < text.length; index += 1) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * prime)
  }
  return hash.toString(16).padStart(16, '0')
}

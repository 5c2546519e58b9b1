/** FNV-1a, 32 bits: the hash with which Filebeat chooses a Kafka partition. */
const offsetBasis = 0x811c9dc5
const prime = 0x01000193

/** Returns an unsigned 32-bit number. `basis` continues an earlier hash or starts another one. */
export function fnv1a32(bytes: Uint8Array, basis = offsetBasis): number {
  let hash = basis
  for (let index = 0; index < bytes.length; index += 1) {
    hash = Math.imul(hash ^ (bytes[index] ?? 0), prime)
  }
  return hash >>> 0
}

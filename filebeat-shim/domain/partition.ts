/** Which partition a record goes to. */
import { fnv1a32 } from './fnv.ts'

/**
 * Filebeat's arithmetic: FNV-1a of the bytes, the sign bit dropped, modulo the partition count. It is
 * not the murmur2 of other Kafka clients.
 */
export function partitionOf(bytes: Uint8Array, partitionCount: number): number {
  return (fnv1a32(bytes) & 0x7fffffff) % partitionCount
}

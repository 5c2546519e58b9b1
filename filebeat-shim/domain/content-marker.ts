/** A few bytes of a file by hash: enough to notice that the file is not the one it was. */
import { fnv1a32 } from './fnv.ts'

/** How many bytes a marker looks at, at most. Smaller files are marked by what they have. */
export const markerBytesMax = 256

export interface ContentMarker {
  readonly bytes: number
  /** 16 hex digits. */
  readonly hash: string
}

const secondBasis = 0x9e3779b9

export function markerOf(bytes: Uint8Array): ContentMarker {
  const hash = hex(fnv1a32(bytes)) + hex(fnv1a32(bytes, secondBasis))
  return { bytes: bytes.length, hash }
}

/** `bytes` are the `marker.bytes` bytes now found at the marked place, fewer if the file is shorter. */
export function isMarkedBy(marker: ContentMarker, bytes: Uint8Array): boolean {
  return bytes.length === marker.bytes && markerOf(bytes).hash === marker.hash
}

function hex(hash: number): string {
  return hash.toString(16).padStart(8, '0')
}

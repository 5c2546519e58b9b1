/** Lines as they come from broken writers, cut disks and other programs. */
import type { Random } from './random.ts'

/** How a format spoils one of its own good lines. */
export interface FieldFaults {
  readonly wrong_type: (line: string) => string
  readonly missing_field: (line: string) => string
  readonly out_of_range: (line: string) => string
  /** Well-formed, but years ago. */
  readonly far_past: (line: string) => string
  /** Well-formed, but years ahead. */
  readonly far_future: (line: string) => string
  /** Well-formed, with something that the schema does not know. */
  readonly unknown_field: (line: string) => string
}

export const malformedKinds = [
  'wrong_type',
  'missing_field',
  'out_of_range',
  'far_past',
  'far_future',
  'unknown_field',
  'not_a_record',
  'cut_short',
  'nul_byte',
  'invalid_utf8',
  'empty',
  /** A little above 1 MiB; a hundred times rarer than the others. */
  'over_long',
] as const

export type MalformedKind = (typeof malformedKinds)[number]

const overLongBytes = 1024 * 1024 + 4096
const overLongShare = 0.01

/** Spoils a good line in one of the given ways. */
export function createMalformed(
  random: Random,
  kinds: readonly MalformedKind[],
  faults: FieldFaults,
): (line: string) => Buffer {
  const common = kinds.filter((kind) => kind !== 'over_long')
  const hasOverLong = common.length < kinds.length
  return (line) => {
    const isOverLong = hasOverLong && (common.length === 0 || random.fraction() < overLongShare)
    const kind = isOverLong ? 'over_long' : (common[random.below(common.length)] ?? 'empty')
    return spoil(kind, line, random, faults)
  }
}

function spoil(kind: MalformedKind, line: string, random: Random, faults: FieldFaults): Buffer {
  const middle = 1 + random.below(line.length - 1)
  const spliced = (bytes: readonly number[]) =>
    Buffer.concat([
      Buffer.from(line.slice(0, middle)),
      Buffer.from(bytes),
      Buffer.from(line.slice(middle)),
    ])
  switch (kind) {
    case 'not_a_record':
      return Buffer.from(`java.lang.NullPointerException at Shop.render(Shop.java:${middle})`)
    case 'cut_short':
      return Buffer.from(line.slice(0, middle))
    case 'nul_byte':
      return spliced([0])
    case 'invalid_utf8':
      return spliced([0xc3, 0x28, 0xff])
    case 'empty':
      return Buffer.alloc(0)
    case 'over_long':
      return Buffer.from(line.slice(0, middle) + 'x'.repeat(overLongBytes) + line.slice(middle))
    default:
      return Buffer.from(faults[kind](line))
  }
}

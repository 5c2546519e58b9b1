/**
 * Strategy: random bytes, rich in newlines, returns and multi-byte characters, cut into random chunks.
 * Invariant: the lines are those of splitting the whole at once, with their offsets, for every cutting.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineAssembler } from '../../domain/line-assembler.ts'

interface FoundLine {
  readonly text: string
  readonly offset: number
  readonly isTruncated: boolean
}

const piece = fc.constantFrom(
  '\n',
  '\r\n',
  '\r',
  'a',
  'bc',
  'ä',
  '€',
  '😀',
  '\0',
  'longer than most',
)
const content = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join('')))

function assemble(chunks: readonly Buffer[], lineBytesMax: number) {
  const lines: FoundLine[] = []
  const assembler = new LineAssembler(lineBytesMax, 0)
  const emit = (value: Buffer, offset: number, isTruncated: boolean) =>
    lines.push({ text: value.toString('latin1'), offset, isTruncated })
  for (const chunk of chunks) assembler.push(chunk, emit)
  return { lines, assembler, emit }
}

/** The naive rule over the whole content. */
function splitWhole(whole: Buffer, lineBytesMax: number): FoundLine[] {
  const texts = whole.toString('latin1').split('\n').slice(0, -1)
  let offset = 0
  return texts.map((raw) => {
    const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    const line = { text: cut(text, lineBytesMax), offset, isTruncated: text.length > lineBytesMax }
    offset += raw.length + 1
    return line
  })
}

function cut(text: string, lineBytesMax: number): string {
  if (text.length <= lineBytesMax) return text
  let end = lineBytesMax
  while (end > lineBytesMax - 4 && (text.charCodeAt(end) & 0xc0) === 0x80) end -= 1
  return text.slice(0, end)
}

function cutInto(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((at) => at % (whole.length + 1)), whole.length]
  places.sort((left, right) => left - right)
  return places.slice(1).map((end, index) => whole.subarray(places[index], end))
}

test('lines are those of the whole file for every chunking', () => {
  fc.assert(
    fc.property(
      content,
      fc.array(fc.nat(500), { maxLength: 20 }),
      fc.constantFrom(4, 5, 6, 7, 12, 1000),
      (whole, cuts, lineBytesMax) => {
        const { lines, assembler } = assemble(cutInto(whole, cuts), lineBytesMax)
        expect(lines).toEqual(splitWhole(whole, lineBytesMax))
        expect(assembler.resumeOffset).toBe(whole.lastIndexOf(0x0a) + 1)
        expect(assembler.openBytes).toBe(whole.length - assembler.resumeOffset)
      },
    ),
    { numRuns: 2000 },
  )
})

test('a flush sends the open line and moves past it', () => {
  const { lines, assembler, emit } = assemble([Buffer.from('one\ntw'), Buffer.from('o')], 100)
  assembler.flush(emit)
  expect(lines.map(({ text }) => text)).toEqual(['one', 'two'])
  expect(assembler.resumeOffset).toBe(7)
})

test('an endless line takes no more memory than the limit', () => {
  const { lines, assembler, emit } = assemble(
    Array.from({ length: 1000 }, () => Buffer.alloc(100, 'x')),
    50,
  )
  assembler.push(Buffer.from('\nnext\n'), emit)
  expect(lines).toEqual([
    { text: 'x'.repeat(50), offset: 0, isTruncated: true },
    { text: 'next', offset: 100_001, isTruncated: false },
  ])
})

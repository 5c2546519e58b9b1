/** Generated lines side by side in one piece of memory, each followed by a newline. */

export interface LineBlock {
  readonly block: Buffer
  /** End of each line in `block`, before its newline. */
  readonly ends: Uint32Array
}

/** Strings hold characters below 256 only; they are written in stretches, which is what is fast. */
export function packLines(lines: readonly (string | Buffer)[]): LineBlock {
  const ends = new Uint32Array(lines.length)
  let bytes = 0
  for (let index = 0; index < lines.length; index += 1) {
    bytes += lines[index]?.length ?? 0
    ends[index] = bytes
    bytes += 1
  }
  const block = Buffer.allocUnsafeSlow(bytes)
  let position = 0
  let stretch = ''
  for (const line of lines) {
    if (typeof line === 'string') {
      stretch += `${line}\n`
      continue
    }
    position += block.write(stretch, position, 'latin1')
    stretch = ''
    position += line.copy(block, position)
    block[position] = 0x0a
    position += 1
  }
  block.write(stretch, position, 'latin1')
  return { block, ends }
}

/** The lines without their newlines, cut from the block without copying. */
export function lineValues({ block, ends }: LineBlock): Buffer[] {
  const values: Buffer[] = new Array<Buffer>(ends.length)
  let start = 0
  for (let index = 0; index < ends.length; index += 1) {
    const end = ends[index] ?? start
    values[index] = block.subarray(start, end)
    start = end + 1
  }
  return values
}

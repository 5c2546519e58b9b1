import { appendFile, copyFile, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { MillraceError } from '../../core/errors.ts'
import { rawConfig, shipRoom, until, untilLines } from './harness.ts'

function inOrder(lines: readonly string[]): string[] {
  return lines.toSorted((left, right) => left.localeCompare(right))
}

test('lines appended to a file arrive in order, without their terminators', async () => {
  await using room = await shipRoom()
  room.start()
  await writeFile(room.path('a.log'), 'one\ntwo\r\n')
  await untilLines(room.log, ['one', 'two'])
  await appendFile(room.path('a.log'), 'three\n\nfive\n')
  await untilLines(room.log, ['one', 'two', 'three', '', 'five'])
  expect(room.log.lines()).toEqual(['one', 'two', 'three', '', 'five'])
})

test('every record carries its source and the offset of its line', async () => {
  await using room = await shipRoom()
  await writeFile(room.path('a.log'), 'ab\ncä\nd\n')
  room.start()
  await untilLines(room.log, ['ab', 'cä', 'd'])
  const offsets = room.log.records.map(({ headers }) => headers?.['source.offset'])
  expect(offsets).toEqual(['0', '3', '7'])
  expect(new Set(room.log.records.map(({ headers }) => headers?.['source.id'])).size).toBe(1)
})

test('a partial last line waits for its newline', async () => {
  await using room = await shipRoom()
  room.start()
  await writeFile(room.path('a.log'), 'whole\npart')
  await untilLines(room.log, ['whole'])
  await appendFile(room.path('a.log'), 'ial\nnext\n')
  await untilLines(room.log, ['whole', 'partial', 'next'])
  expect(room.log.lines()).toEqual(['whole', 'partial', 'next'])
})

test('a renamed file is drained and the new one is read from its start', async () => {
  await using room = await shipRoom()
  room.start()
  await writeFile(room.path('a.log'), 'one\n')
  await untilLines(room.log, ['one'])
  await rename(room.path('a.log'), room.path('a.log.1'))
  await appendFile(room.path('a.log.1'), 'late\n')
  await writeFile(room.path('a.log'), 'new\n')
  await untilLines(room.log, ['one', 'late', 'new'])
  expect(inOrder(room.log.lines())).toEqual(['late', 'new', 'one'])
})

test('the last line of a deleted file is sent without its newline', async () => {
  await using room = await shipRoom()
  room.start()
  await writeFile(room.path('a.log'), 'one\ntwo')
  await untilLines(room.log, ['one'])
  await rm(room.path('a.log'))
  await untilLines(room.log, ['one', 'two'])
  expect(room.log.lines()).toEqual(['one', 'two'])
})

test('a truncated file is read from its start as another source', async () => {
  await using room = await shipRoom()
  room.start()
  await writeFile(room.path('a.log'), 'first\nsecond\n')
  await untilLines(room.log, ['first', 'second'])
  await truncate(room.path('a.log'), 0)
  await appendFile(room.path('a.log'), 'x\n')
  await untilLines(room.log, ['first', 'second', 'x'])
  expect(new Set(room.log.records.map(({ headers }) => headers?.['source.id'])).size).toBe(2)
})

test('a file that was truncated and has grown past the old position is noticed', async () => {
  await using room = await shipRoom()
  const handle = room.start()
  await writeFile(room.path('a.log'), 'first\n')
  await untilLines(room.log, ['first'])
  // One write call: no look can fall between the truncation and the growth.
  await writeFile(room.path('a.log'), 'other content, longer\nand more\n')
  await untilLines(room.log, ['first', 'other content, longer', 'and more'])
  expect(room.log.lines()).toEqual(['first', 'other content, longer', 'and more'])
  await handle.stop()
})

test('copytruncate while stopped: the new content is read from its start, though it is longer', async () => {
  await using room = await shipRoom()
  const first = room.start()
  await writeFile(room.path('a.log'), 'one\ntwo\n')
  await untilLines(room.log, ['one', 'two'])
  await first.stop()
  await copyFile(room.path('a.log'), room.path('a.log.1'))
  await writeFile(room.path('a.log'), 'three, which is longer\nfour\n')
  room.start()
  await untilLines(room.log, ['one', 'two', 'three, which is longer', 'four'])
  expect(room.log.lines()).toEqual(['one', 'two', 'three, which is longer', 'four'])
})

test('a file that was rotated out of the paths while stopped is found by its inode', async () => {
  await using room = await shipRoom()
  const first = room.start()
  await writeFile(room.path('a.log'), 'one\n')
  await untilLines(room.log, ['one'])
  await first.stop()
  await appendFile(room.path('a.log'), 'while down\n')
  await rename(room.path('a.log'), room.path('a.log.1'))
  await writeFile(room.path('a.log'), 'new\n')
  room.start()
  await untilLines(room.log, ['one', 'while down', 'new'])
  expect(inOrder(room.log.lines())).toEqual(['new', 'one', 'while down'])
})

test('a restart goes on where the last run was acknowledged, in the middle of a partial line', async () => {
  await using room = await shipRoom()
  const first = room.start()
  await writeFile(room.path('a.log'), 'one\ntw')
  await untilLines(room.log, ['one'])
  await first.stop()
  await appendFile(room.path('a.log'), 'o\nthree\n')
  room.start()
  await untilLines(room.log, ['one', 'two', 'three'])
  expect(room.log.lines()).toEqual(['one', 'two', 'three'])
  expect(new Set(room.log.records.map(({ headers }) => headers?.['source.id'])).size).toBe(1)
})

test('an event log that is away holds the lines back and loses none', async () => {
  await using room = await shipRoom()
  let refusals = 3
  room.log.beforeAppend = async () => {
    refusals -= 1
    if (refusals >= 0) throw new MillraceError('EVENT_LOG_UNAVAILABLE', 'Away.')
  }
  room.start({ settings: { retryDelayMsMin: 1, retryDelayMsMax: 2, inFlightBytesMax: 64 } })
  const lines = Array.from({ length: 2000 }, (_, index) => `line ${index}`)
  await writeFile(room.path('a.log'), `${lines.join('\n')}\n`)
  await untilLines(room.log, lines)
  expect(room.log.lines()).toEqual(lines)
})

test('bytes in flight stay within their bound while the event log stands still', async () => {
  await using room = await shipRoom()
  let release: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  room.log.beforeAppend = () => gate
  const settings = { inFlightBytesMax: 4096, readBytesMax: 1024 }
  const { telemetry } = room.start({ settings })
  const lines = Array.from({ length: 5000 }, (_, index) => `line ${index}`)
  await writeFile(room.path('a.log'), `${lines.join('\n')}\n`)
  const bytesRead = async () => {
    const metric = await telemetry.registry.getSingleMetric('millrace_shipper_bytes_total')?.get()
    return metric?.values[0]?.value ?? 0
  }
  let read = 0
  while (read < 4096) {
    await new Promise((resolve) => setTimeout(resolve, 2))
    read = await bytesRead()
  }
  expect(read).toBeLessThanOrEqual(4096 + 2 * 1024)
  release()
  await untilLines(room.log, lines)
  expect(room.log.lines()).toEqual(lines)
})

test('a record that is too large is skipped and counted, the lines around it arrive', async () => {
  await using room = await shipRoom()
  room.log.recordBytesMax = 20
  const { telemetry } = room.start()
  await writeFile(room.path('a.log'), `a\nb\n${'x'.repeat(21)}\nc\nd\n`)
  await untilLines(room.log, ['a', 'b', 'c', 'd'])
  expect(room.log.lines()).toEqual(['a', 'b', 'c', 'd'])
  const metric = await telemetry.registry
    .getSingleMetric('millrace_shipper_records_dropped_total')
    ?.get()
  expect(metric?.values[0]?.value).toBe(1)
})

test('an over-long line is cut at a character, flagged, and the next line is whole', async () => {
  await using room = await shipRoom()
  room.start({ settings: { lineBytesMax: 16 } })
  await writeFile(room.path('a.log'), `${'ä'.repeat(20)}z\nnext\n`)
  await untilLines(room.log, ['cut', 'next'])
  expect(room.log.lines()).toEqual(['ä'.repeat(8), 'next'])
  expect(room.log.records.map(({ headers }) => headers?.['source.truncated'])).toEqual([
    'true',
    undefined,
  ])
})

test('the hole that a writer leaves at the start of a truncated file is passed over', async () => {
  await using room = await shipRoom()
  room.start()
  await writeFile(room.path('a.log'), `${'\0'.repeat(1000)}after the hole\n`)
  await untilLines(room.log, ['after the hole'])
  expect(room.log.lines()).toEqual(['after the hole'])
  expect(room.log.records[0]?.headers?.['source.offset']).toBe('1000')
})

test('lines that are filtered out still move the acknowledged offset', async () => {
  await using room = await shipRoom()
  const config = rawConfig(`${room.directory}/*.log`, "    exclude_lines: ['^DEBUG']")
  const first = room.start({ config })
  await writeFile(room.path('a.log'), 'DEBUG a\nINFO b\nDEBUG c\n')
  await untilLines(room.log, ['INFO b'])
  await first.stop()
  const registry = JSON.parse(await readFile(room.registryPath, 'utf8')) as {
    entries: { offset: number }[]
  }
  expect(registry.entries[0]?.offset).toBe('DEBUG a\nINFO b\nDEBUG c\n'.length)
  expect(room.log.lines()).toEqual(['INFO b'])
})

test('compressed files are not read', async () => {
  await using room = await shipRoom()
  room.start({ config: rawConfig(`${room.directory}/*`) })
  await writeFile(room.path('a.log.gz'), 'packed\n')
  await writeFile(room.path('a.log'), 'plain\n')
  await untilLines(room.log, ['plain'])
  expect(room.log.lines()).toEqual(['plain'])
})

test('a full open-file limit closes idle files and reads them again when they grow', async () => {
  await using room = await shipRoom()
  room.start({ settings: { openFilesMax: 2 } })
  const names = ['a', 'b', 'c', 'd', 'e']
  for (const name of names) await writeFile(room.path(`${name}.log`), `${name}1\n`)
  await untilLines(room.log, names)
  for (const name of names) await appendFile(room.path(`${name}.log`), `${name}2\n`)
  const expected = names.flatMap((name) => [`${name}1`, `${name}2`])
  await untilLines(room.log, expected)
  expect(inOrder(room.log.lines())).toEqual(expected)
})

test('a long file and a short one are read in turns', async () => {
  await using room = await shipRoom()
  await writeFile(room.path('a.log'), 'long\n'.repeat(50_000))
  await writeFile(room.path('b.log'), 'short\n')
  room.start({ settings: { readBytesMax: 1024 } })
  await until(
    () => room.log.lines().includes('short'),
    () => room.log.records.length,
  )
  expect(room.log.lines().indexOf('short')).toBeLessThan(2000)
})

test('lines that the event log never acknowledged are sent by the next run', async () => {
  await using room = await shipRoom()
  let refused = 0
  room.log.beforeAppend = async () => {
    refused += 1
    throw new MillraceError('EVENT_LOG_UNAVAILABLE', 'Away.')
  }
  const first = room.start({ settings: { stopGraceMs: 20 } })
  await writeFile(room.path('a.log'), 'one\ntwo\n')
  await until(
    () => refused > 0,
    () => refused,
  )
  await first.stop()
  room.log.beforeAppend = async () => {}
  room.start()
  await untilLines(room.log, ['one', 'two'])
  expect(room.log.lines()).toEqual(['one', 'two'])
})

test('what the event log refuses for good ends the run with its error', async () => {
  await using room = await shipRoom()
  room.log.beforeAppend = async () => {
    throw new MillraceError('TOPIC_UNKNOWN', 'No such topic.')
  }
  const handle = room.start()
  await writeFile(room.path('a.log'), 'one\n')
  await expect(handle.ended).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
})

test('a deleted file is read to its end when the shipper stops', async () => {
  await using room = await shipRoom()
  const handle = room.start()
  await writeFile(room.path('a.log'), 'one\n')
  await untilLines(room.log, ['one'])
  await appendFile(room.path('a.log'), 'two\nthree')
  await rm(room.path('a.log'))
  await handle.stop()
  expect(room.log.lines()).toEqual(['one', 'two', 'three'])
})

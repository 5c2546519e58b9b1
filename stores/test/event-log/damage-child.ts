/**
 * Opens logs whose file was damaged: `damage-child.ts <directory> <first seed> <count>`. Prints a line per seed:
 * the seed, what was damaged, and `same` (every record is as it was), the code of the MillraceError that
 * refused it, or `WRONG` with a reason. In a process of its own, because LMDB ends it when it is led astray.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { MillraceError } from '../../../core/errors.ts'
import { type EmbeddedEventLog, openEmbeddedEventLog } from '../../event-log/embedded.ts'
import type { ProducedRecord } from '../../event-log/port.ts'

type Random = (below: number) => number

const [directory = '', firstSeed = '0', count = '1'] = process.argv.slice(2)
const topics = ['logs', 'other']
const partitions = 2
const nowMs = 1_700_000_000_000
const retentionBytes = 1024 * 1024
const options = { retentionBytes, retentionMs: 1_000_000, clock: frozenClock() }

const original = await buildLog()
const pageSize = original.file.readUInt32LE(48)
const pages = original.file.length / pageSize
// Meta pages, branches and leaves have flags below 4, or 8.
const treePages = Array.from({ length: pages }, (_, page) => page * pageSize).filter((at) =>
  [1, 2, 8].includes(original.file.readUInt16LE(at + 18)),
)
for (let seed = Number(firstSeed); seed < Number(firstSeed) + Number(count); seed += 1) {
  const { bytes, what } = damaged(original.file, randomOf(seed))
  const outcome = await outcomeOf(bytes, seed)
  writeSync(1, `${seed} ${what} ${outcome}\n`)
}

/** Small and large batches, producers, a lease, progress, pages that became free and were used again. */
async function buildLog() {
  const path = join(directory, 'original')
  const log = await openEmbeddedEventLog({ directory: path, ...options })
  const random = randomOf(1)
  for (const topic of topics) {
    await log.ensureTopic(topic, partitions)
    for (let round = 0; round < 60; round += 1) {
      const producer = await log.producer(topic, `producer ${round % 7}`)
      const sequence = Math.floor(round / 7)
      const sizes = [random(40), random(1800), random(9000), random(60_000)]
      const size = 1 + (sizes[round % 4] ?? 0)
      const records = Array.from({ length: 1 + random(4) }, (_, index) => record(index, size))
      for (let partition = 0; partition < partitions; partition += 1)
        await producer.append(partition, sequence, records)
      if (round % 20 === 19) await log.enforceRetention()
    }
    await log.commitAdvisory(topic, 'group', new Map([[0, 5n]]))
    const controller = new AbortController()
    await log.join(topic, 'group', controller.signal, async () => controller.abort())
  }
  const records = await contentOf(log)
  await log[Symbol.asyncDispose]()
  return { file: readFileSync(join(path, 'data.mdb')), records }
}

function record(index: number, size: number): ProducedRecord {
  return {
    value: Buffer.alloc(size, `${size} `),
    headers: { 'source.id': `${index}` },
    ...(size % 2 === 0 ? { key: Buffer.from('key') } : {}),
  }
}

/** One text per record, in the order of the log. */
async function contentOf(log: EmbeddedEventLog): Promise<string> {
  const texts: string[] = []
  for (const topic of topics) {
    const { earliest, latest } = await log.bounds(topic)
    texts.push(topic, [...earliest].join(), [...latest].join())
    const positions = new Map(earliest)
    for (;;) {
      const batches = await log.read(topic, positions, { bytesMax: 1 << 20, waitMs: 0 })
      if (batches.length === 0) break
      for (const batch of batches) {
        texts.push(
          `${batch.partition} ${batch.from} ${batch.until} ${batch.ends.join()} ${batch.block.toString('latin1')}`,
          JSON.stringify([batch.keys, batch.headers, batch.isLineSafe]),
        )
        positions.set(batch.partition, batch.until)
      }
    }
  }
  return texts.join('\n')
}

async function outcomeOf(file: Buffer, seed: number): Promise<string> {
  const path = join(directory, `${seed}`)
  mkdirSync(path)
  writeFileSync(join(path, 'data.mdb'), file)
  let log: EmbeddedEventLog | undefined
  try {
    log = await openEmbeddedEventLog({ directory: path, ...options })
    if ((await contentOf(log)) !== original.records) return 'WRONG records'
    return await useOf(log)
  } catch (error) {
    if (error instanceof MillraceError)
      return error.message.endsWith('.') ? error.code : 'WRONG text'
    return `WRONG ${error}`
  } finally {
    await log?.[Symbol.asyncDispose]()
    rmSync(path, { recursive: true })
  }
}

/** Writes and deletes go through more of the file than reads. */
async function useOf(log: EmbeddedEventLog): Promise<string> {
  for (const topic of topics) {
    const { latest } = await log.bounds(topic)
    const producer = await log.producer(topic, 'producer 0')
    for (let partition = 0; partition < partitions; partition += 1) {
      const again = await producer.append(partition, 8, [record(0, 1)])
      if (again.until > (latest.get(partition) ?? 0n)) return 'WRONG repeated append'
      for (let sequence = 9; sequence < 14; sequence += 1)
        await producer.append(partition, sequence, [record(0, 200_000)])
    }
  }
  await log.enforceRetention()
  await contentOf(log)
  return 'same'
}

function damaged(file: Buffer, random: Random): { bytes: Buffer; what: string } {
  const bytes = Buffer.from(file)
  // Most of the file is values: most of the damage goes to the pages that lead to them.
  const isTree = random(4) > 0
  const page = isTree ? (treePages[random(treePages.length)] ?? 0) : pageSize * random(pages)
  const at = page + (random(2) === 0 ? random(120) : random(pageSize))
  const kind = random(5)
  if (kind === 0) {
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8))
    return { bytes, what: `bit at ${at}` }
  }
  if (kind === 1) {
    bytes[at] = random(256)
    return { bytes, what: `byte at ${at}` }
  }
  if (kind === 2) {
    const length = 1 + random(64)
    for (let index = at; index < at + length && index < bytes.length; index += 1)
      bytes[index] = random(256)
    return { bytes, what: `${length} bytes at ${at}` }
  }
  if (kind === 3) {
    bytes.fill(random(2) * 0xff, page, page + pageSize)
    return { bytes, what: `page at ${page}` }
  }
  const other = pageSize * random(pages)
  file.copy(bytes, page, other, other + pageSize)
  return { bytes, what: `page of ${other} at ${page}` }
}

/** Mulberry32. */
function randomOf(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

function frozenClock() {
  return {
    now: () => nowMs,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        signal?.addEventListener('abort', () => {
          clearTimeout(timer)
          resolve()
        })
      }),
  }
}

import { isUtf8 } from 'node:buffer'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Database } from '../../../stores/engine/duckdb.ts'
import type { RecordBatch } from '../../../stores/event-log/port.ts'
import { lineRelation } from '../../lines/line-relation.ts'

const recordBytesMax = 64

let database: Database
let directory: string

beforeAll(async () => {
  database = await Database.open({ threads: 2, memoryBytesMax: 1 << 28 })
  directory = mkdtempSync(join(tmpdir(), 'millrace-lines-'))
})

afterAll(async () => {
  await database[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

function isLine(value: Buffer): boolean {
  return value.length > 0 && isUtf8(value) && !value.some((byte) => [0, 1, 10, 13].includes(byte))
}

interface BatchOptions {
  readonly partition?: number
  readonly from?: bigint
  readonly hasHeaders?: boolean
}

function batchOf(values: readonly Buffer[], options: BatchOptions = {}): RecordBatch {
  const { partition = 0, from = 0n, hasHeaders = false } = options
  const ends = new Uint32Array(values.length)
  let end = 0
  values.forEach((value, index) => {
    end += value.length
    ends[index] = end
    end += 1
  })
  return {
    partition,
    from,
    until: from + BigInt(values.length),
    count: values.length,
    offsets: null,
    timestampsMs: Float64Array.from(values, (_, index) => 1000 + Math.floor(index / 2)),
    block: Buffer.concat(values.flatMap((value) => [value, Buffer.from('\n')])),
    ends,
    isLineSafe: values.every(isLine),
    keys: null,
    headers: hasHeaders ? values.map((_, index) => (index % 2 ? null : { n: `${index}` })) : null,
  }
}

async function readBack(batches: readonly RecordBatch[], fileRecordsMin: number) {
  return await database.session(async (session) => {
    const options = { name: 'test', directory, recordBytesMax, fileRecordsMin }
    const relation = await lineRelation(session, batches, options)
    const result = await session.run(
      'SELECT _partition, _offset, epoch_ms(_timestamp) AS ms, _headers, _value, ' +
        'hex(coalesce(_bytes, encode(_value))) AS bytes, _bytes IS NULL AS is_exact, _problem ' +
        `FROM ${relation.sql} ORDER BY 1, 2`,
    )
    return { rows: await result.getRowObjectsJS(), relation }
  })
}

const anyValue = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(
    Buffer.alloc(0),
    Buffer.from('a\nb'),
    Buffer.from('a\0b'),
    Buffer.from('a\r'),
    Buffer.from('"quoted, \'text'),
    Buffer.from('\\x41 \\\\'),
    Buffer.from('NULL'),
    Buffer.from('\ufeffmark'),
    Buffer.from('x'.repeat(200)),
    Buffer.from(' '),
  ),
)

it('gives the same rows through a file and through a table, whatever the bytes', async () => {
  // Strategy: random batches of ordinary and hostile values, read once with and once without a file.
  // Invariants: the same rows; each record once, at its offset, byte for byte; and the right problem.
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.array(anyValue, { minLength: 1, maxLength: 8 }), fc.boolean()), {
        minLength: 1,
        maxLength: 5,
      }),
      async (groups) => {
        const batches = groups.map(([values, hasHeaders], index) =>
          batchOf(values, { partition: index, from: BigInt(index * 10), hasHeaders }),
        )
        const asFile = await readBack(batches, 1)
        const asTable = await readBack(batches, Number.POSITIVE_INFINITY)
        expect(asFile.rows).toEqual(asTable.rows)
        const values = groups.flatMap(([group]) => group)
        expect(asTable.rows.map((row) => row['bytes'])).toEqual(
          values.map((value) => value.toString('hex').toUpperCase()),
        )
        expect(asTable.rows.map((row) => row['_problem'])).toEqual(
          values.map((value) => {
            if (value.length === 0) return 'empty'
            if (value.length > recordBytesMax) return 'too_long'
            return isUtf8(value) ? null : 'invalid_utf8'
          }),
        )
      },
    ),
    { numRuns: 100 },
  )
})

it('takes the file when there are enough lines', async () => {
  const { relation } = await readBack([batchOf([Buffer.from('a'), Buffer.from('b')])], 2)
  expect(relation.usesFile).toBe(true)
})

it('keeps the offsets of a partition that has gaps', async () => {
  const batch: RecordBatch = {
    ...batchOf([Buffer.from('a'), Buffer.from('b')]),
    until: 9n,
    offsets: BigInt64Array.of(3n, 7n),
    timestampsMs: 5,
  }
  for (const fileRecordsMin of [1, 10]) {
    const { rows } = await readBack([batch], fileRecordsMin)
    expect(rows.map((row) => [row['_offset'], row['ms'], row['_value']])).toEqual([
      [3n, 5n, 'a'],
      [7n, 5n, 'b'],
    ])
  }
})

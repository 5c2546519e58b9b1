import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addAction,
  commitInfoAction,
  encodeActions,
  metaDataAction,
  parseLog,
  protocolAction,
  removeAction,
  transactionAction,
} from '../../lake/delta-log.ts'
import { columnsOfSchema, schemaStringOf } from '../../lake/delta-schema.ts'
import type { DataFile } from '../../lake/types.ts'

const file: DataFile = {
  path: 'dt=a%20%25/part-1.parquet',
  partitionValues: { dt: 'a %' },
  bytes: 10,
  rowCount: 3,
  modifiedMs: 5,
  stats: { min: { a: 1 }, max: { a: 2 }, nullCount: { a: 0 } },
  checksum: 'abc',
}

describe('the Delta log', () => {
  it('gives back the actions that were written', () => {
    const metaData = {
      id: 'id',
      schemaString: '{}',
      partitionColumns: ['dt'],
      configuration: { 'millrace.definitionHash': 'h' },
      createdTimeMs: 1,
    }
    const transaction = { appId: 'millrace/p/0', version: 7n, lastUpdatedMs: 9 }
    const removed = { path: 'dt=x/part-0.parquet', deletionTimestampMs: 8 }
    const bytes = encodeActions([
      commitInfoAction(4, 'WRITE'),
      protocolAction,
      metaDataAction(metaData),
      transactionAction(transaction),
      removeAction(removed, true),
      addAction(file, true),
    ])
    expect(parseLog(bytes, 'log')).toEqual({
      metaData,
      added: [file],
      removed: [removed],
      transactions: [transaction],
      dataChange: true,
      timestampMs: 4,
    })
  })

  it('writes paths as URIs', () => {
    expect(addAction(file, true).add.path).toBe('dt=a%2520%2525/part-1.parquet')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
        const path = `dt=${name}/part.parquet`
        const bytes = encodeActions([addAction({ ...file, path }, true)])
        expect(parseLog(bytes, 'log').added[0]?.path).toBe(path)
      }),
    )
  })

  it('knows a commit that only rearranged rows', () => {
    const bytes = encodeActions([
      addAction(file, false),
      removeAction({ path: 'x', deletionTimestampMs: 1 }, false),
    ])
    expect(parseLog(bytes, 'log').dataChange).toBe(false)
  })

  it('takes the empty partition value for NULL, as Delta does', () => {
    const bytes = encodeActions([
      addAction({ ...file, partitionValues: { dt: '', hour: null } }, true),
    ])
    expect(parseLog(bytes, 'log').added[0]?.partitionValues).toEqual({ dt: null, hour: null })
  })

  it('is refused when it needs a newer reader, and when it is damaged', () => {
    const newer = Buffer.from('{"protocol":{"minReaderVersion":3,"minWriterVersion":7}}\n')
    for (const bytes of [newer, Buffer.from('{"add":{"path":1}}'), Buffer.from('{"add":{"pa')]) {
      expect(() => parseLog(bytes, 'the-log')).toThrow(
        expect.objectContaining({
          code: 'LAKE_TABLE_INVALID',
          message: expect.stringContaining("'the-log'"),
        }),
      )
    }
  })

  it('refuses an offset that JSON readers would round', () => {
    const transaction = { appId: 'a', version: 2n ** 53n, lastUpdatedMs: 0 }
    expect(() => transactionAction(transaction)).toThrow('2^53')
  })
})

describe('the Delta schema', () => {
  it('holds every supported type and gives it back', () => {
    const types =
      'BOOLEAN TINYINT SMALLINT INTEGER BIGINT FLOAT DOUBLE VARCHAR BLOB DATE DECIMAL(38,0) DECIMAL(5,2)'
    const columns = [...types.split(' '), 'TIMESTAMP WITH TIME ZONE'].map((type, n) => ({
      name: `c${n}`,
      type,
    }))
    expect(columnsOfSchema(schemaStringOf(columns, ['dt']), ['dt'])).toEqual(columns)
  })

  it('takes the short names of types', () => {
    const text = schemaStringOf(
      [
        { name: 'ts', type: 'timestamptz' },
        { name: 'n', type: 'int' },
      ],
      [],
    )
    expect(columnsOfSchema(text, []).map((column) => column.type)).toEqual([
      'TIMESTAMP WITH TIME ZONE',
      'INTEGER',
    ])
  })

  it.each([
    ['HUGEINT', 'DECIMAL(38,0)'],
    ['UBIGINT', 'DECIMAL(20,0)'],
    ['TIMESTAMP', 'TIMESTAMPTZ'],
    ['JSON', 'VARCHAR'],
    ['INTEGER[]', 'cast it'],
    ['STRUCT(a INTEGER)', 'cast it'],
    ['TIME', 'cast it'],
  ])('refuses %s and names a remedy', (type, remedy) => {
    expect(() => schemaStringOf([{ name: 'c', type }], [])).toThrow(
      expect.objectContaining({
        code: 'LAKE_TABLE_INVALID',
        message: expect.stringContaining(remedy),
      }),
    )
  })

  it.each(['a b', 'a,b', 'a=b', ''])("refuses the column name '%s'", (name) => {
    expect(() => schemaStringOf([{ name, type: 'INTEGER' }], [])).toThrow('cannot be stored')
  })

  it('refuses two names that differ only in case', () => {
    const columns = ['a', 'A'].map((name) => ({ name, type: 'INTEGER' }))
    expect(() => schemaStringOf(columns, [])).toThrow("'A'")
  })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { markerOf } from '../../domain/content-marker.ts'
import { fnv1a32 } from '../../domain/fnv.ts'
import { parseFormatString, renderFormat } from '../../domain/format-string.ts'
import { type GlobVisit, matchEntry, parseGlob, startOf } from '../../domain/glob.ts'
import { decodedJson } from '../../domain/json-line.ts'
import { partitionOf } from '../../domain/partition.ts'
import { resumeAt } from '../../domain/resume.ts'

test('FNV-1a gives the published values', () => {
  expect(fnv1a32(Buffer.from(''))).toBe(0x811c9dc5)
  expect(fnv1a32(Buffer.from('a'))).toBe(0xe40c292c)
  expect(fnv1a32(Buffer.from('foobar'))).toBe(0xbf9cf968)
})

test('the sign bit of the hash is dropped before the modulo', () => {
  expect(partitionOf(Buffer.from('foobar'), 1000)).toBe((0xbf9cf968 & 0x7fffffff) % 1000)
})

test('a saved offset holds for the content it was saved for and for no other', () => {
  const text = fc.uint8Array({ minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(text, text, fc.nat(40), (before, after, cut) => {
      const old = Buffer.from(before)
      const offset = Math.min(cut, old.length)
      const saved = {
        offset,
        head: markerOf(old.subarray(0, 16)),
        tail: markerOf(old.subarray(Math.max(0, offset - 16), offset)),
      }
      const found = (content: Buffer) => ({
        size: content.length,
        head: content.subarray(0, saved.head.bytes),
        tail: content.subarray(offset - saved.tail.bytes, offset),
      })
      const grown = Buffer.concat([old, Buffer.from(after)])
      expect(resumeAt(saved, found(grown))).toEqual({ kind: 'continue', offset })
      const other = Buffer.from(grown)
      other[0] = (other[0] ?? 0) ^ 1
      expect(resumeAt(saved, found(other)).kind).toBe('restart')
    }),
  )
})

test.each([
  ['logs_raw', 'logs_raw'],
  ['logs-%{[fields.app]}', 'logs-web'],
  ['logs-%{[fields][app]}', 'logs-web'],
  ['%{[fields.a.b]}', 'dotted'],
  ['%{[missing]:other}', 'other'],
  ['%{[missing]}', null],
])('the format %s renders as %s', (source, expected) => {
  const parsed = parseFormatString(source)
  const event = { fields: { app: 'web', 'a.b': 'dotted' } }
  expect(parsed.kind === 'parsed' && renderFormat(parsed.format, event)).toBe(expected)
})

test.each(['%{+yyyy}', '%{[a', '%{a}'])('the format %s is refused', (source) => {
  expect(parseFormatString(source).kind).toBe('refused')
})

function isMatch(pattern: string, path: string): boolean {
  const glob = parseGlob(pattern, true)
  let visits: readonly GlobVisit[] = [startOf(glob)]
  if (!path.startsWith(glob.base)) return false
  const names = path.slice(glob.base === '/' ? 1 : glob.base.length + 1).split('/')
  for (const [index, name] of names.entries()) {
    const matches = visits.map((visit) => matchEntry(glob, visit, name))
    if (index === names.length - 1) return matches.some((match) => match.isMatch)
    visits = matches.flatMap(({ below }) => below)
  }
  return false
}

test.each([
  ['/var/log/*.log', '/var/log/a.log', true],
  ['/var/log/*.log', '/var/log/.hidden.log', true],
  ['/var/log/*.log', '/var/log/sub/a.log', false],
  ['/var/log/app.log', '/var/log/app.log', true],
  ['/var/log/*/*.log', '/var/log/sub/a.log', true],
  ['/var/log/**/*.log', '/var/log/a.log', true],
  ['/var/log/**/*.log', '/var/log/1/2/3/4/5/6/7/8/a.log', true],
  ['/var/log/**/*.log', '/var/log/1/2/3/4/5/6/7/8/9/a.log', false],
  ['/var/log/app-[0-9].log', '/var/log/app-7.log', true],
  ['/var/log/app-[^0-9].log', '/var/log/app-7.log', false],
  ['/var/log/app-?.log', '/var/log/app-é.log', true],
  ['/var/log/a+b(1).log', '/var/log/a+b(1).log', true],
])('the pattern %s on %s: %s', (pattern, path, expected) => {
  expect(isMatch(pattern, path)).toBe(expected)
})

test('a line of JSON is merged into its event, and bad JSON is marked when asked for', () => {
  const merge = { target: '', overwriteKeys: false, addErrorKey: true, messageKey: 'msg' }
  expect(decodedJson({ message: 'x', host: 1 }, '{"msg":"hi","host":2,"a":3}', merge)).toEqual({
    message: 'hi',
    msg: 'hi',
    host: 1,
    a: 3,
  })
  const bad = decodedJson({ message: '{"a"' }, '{"a"', merge)
  expect(bad).toMatchObject({ message: '{"a"', error: { type: 'json' } })
})

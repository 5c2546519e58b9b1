import { expect, it } from 'vitest'
import { quoteDefaultDatabase } from '../../query/default-database.ts'

it('quotes the database where it is named without quotes', () => {
  expect(quoteDefaultDatabase('SELECT * FROM default.logs JOIN DEFAULT . hosts USING (host)')).toBe(
    'SELECT * FROM "default".logs JOIN "default" . hosts USING (host)',
  )
})

it('leaves strings, quoted names, comments and other words alone', () => {
  for (const sql of [
    `SELECT 'from default.logs', "default".x, "a default.b" -- default.c`,
    'SELECT /* default.logs */ a.default.b, my_default.c, $$default.d$$, $t$ default.e $t$',
    'SELECT CASE WHEN a THEN default_value END',
  ]) {
    expect(quoteDefaultDatabase(sql)).toBe(sql)
  }
})

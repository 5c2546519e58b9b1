/**
 * Bugs that somebody could write into the compiler or around it, each with the view that it shows in. The
 * property must notice every one; `alsoCaughtBy` names the other suites in which the same bug shows, because
 * one of the delivered views has the aggregate or because that suite cuts and joins rows itself.
 */
import type { Split } from './check-triples.ts'
import { type GeneratedView, viewOfCall, viewOfSql } from './generate-views.ts'

type Replacement = readonly [pattern: RegExp, replacement: string]

export interface PlantedBug {
  readonly name: string
  readonly view: GeneratedView
  /** In the compiled statements, every match. */
  readonly partial?: readonly Replacement[]
  readonly merge?: readonly Replacement[]
  readonly finalize?: readonly Replacement[]
  /** In how rows are cut into parts and joined. */
  readonly split?: (split: Split) => Split
  readonly alsoCaughtBy: readonly Suite[]
}

const suites = {
  /** Real processes against an oracle that shares no code, over the views of http_logs. */
  seam: 'test/seam/seam.test.ts',
  /** Rows of the same views move between the three parts of an answer; a recompute must agree. */
  mirror: 'serving-layer/test/mirror/mirror.test.ts',
  /** Incremental partials against a full recompute, of a view made by hand. */
  batch: 'batch-layer/test/run.test.ts',
  /** Errors of estimates against exact values over 120,000 rows. */
  sketches: 'core/test/views/sketches.test.ts',
  /** Named cases beside the property. */
  cases: 'core/test/views/partials.test.ts',
} as const

type Suite = keyof typeof suites

/** Every suite's file, for the test that they exist. */
export const suiteFiles: Readonly<Record<Suite, string>> = suites

/** Rows of each part as before, with another condition on which belong to it. */
const cut =
  (change: (rows: string, part: number) => string) =>
  (split: Split): Split => ({
    ...split,
    rowsOf: (part) => change(split.rowsOf(part), part),
  })

const aggregateBugs: readonly PlantedBug[] = [
  {
    name: 'an average of averages',
    view: viewOfCall('avg(status)'),
    partial: [
      [/sum\(status\)/g, 'avg(status)'],
      [/count\(status\)/g, 'count(DISTINCT status IS NULL)'],
    ],
    alsoCaughtBy: ['seam', 'mirror'],
  },
  {
    name: 'a dropped FILTER',
    view: viewOfCall('count(*)', { filter: 'status >= 400' }),
    partial: [[/ FILTER \(WHERE \(status >= 400\)\)/g, '']],
    alsoCaughtBy: ['seam'],
  },
  {
    name: 'a FILTER dropped from a sketch',
    view: viewOfCall('approx_quantile(bytes, 0.95)', { filter: 'status >= 400' }),
    partial: [[/\(\(status >= 400\)\) AND /g, '']],
    alsoCaughtBy: [],
  },
  {
    name: 'a dropped WHERE',
    view: viewOfCall('sum(bytes)', { where: 'flag' }),
    partial: [[/ WHERE \(flag\)/g, '']],
    alsoCaughtBy: [],
  },
  {
    name: 'a sum merged as a maximum',
    view: viewOfCall('sum(bytes)'),
    merge: [[/sum\(s0\)/g, 'max(s0)']],
    alsoCaughtBy: ['seam', 'mirror'],
  },
  {
    name: 'a count merged as a count',
    view: viewOfCall('count(*)'),
    merge: [[/sum\(s0\)/g, 'count(s0)']],
    alsoCaughtBy: ['seam', 'mirror'],
  },
  {
    name: 'a count of all rows where values are counted',
    view: viewOfCall('avg(status)'),
    partial: [[/count\(status\)/g, 'count(*)']],
    alsoCaughtBy: [],
  },
  {
    name: 'a minimum merged as a maximum',
    view: viewOfCall('min(day)'),
    merge: [[/min\(s0\)/g, 'max(s0)']],
    alsoCaughtBy: ['seam', 'mirror'],
  },
  {
    name: 'the last row instead of the first',
    view: viewOfCall('first(host)'),
    merge: [[/arg_min_null/g, 'arg_max_null']],
    alsoCaughtBy: ['cases'],
  },
  {
    name: 'a dropped tie-break',
    view: viewOfCall('arg_max(host, status)'),
    merge: [[/row\(s0, -s1, -s2\)/g, 's0']],
    alsoCaughtBy: ['cases'],
  },
  {
    name: 'a tie-break by the offset without the partition',
    view: viewOfCall('first(bytes)'),
    partial: [[/row\(_partition, _offset\)/g, 'row(_offset)']],
    alsoCaughtBy: ['cases'],
  },
  {
    name: 'a tie-break without the element of a list',
    view: viewOfSql(
      'SELECT e.triple AS t, last(x) AS a0 FROM (SELECT unnest([host, upper(host), day::VARCHAR]) AS x, * FROM events) AS e GROUP BY ALL',
    ),
    merge: [[/row\(s0, s1, s2\)/g, 'row(s0, s1, -s2)']],
    partial: [
      [/row\(__partition, __offset, __element0\)/g, 'row(__partition, __offset, -__element0)'],
    ],
    alsoCaughtBy: [],
  },
  {
    name: 'the rows of NULL dropped',
    view: viewOfSql('SELECT triple AS t, host AS k0, count(*) AS a0 FROM events GROUP BY ALL'),
    merge: [[/GROUP BY/g, 'WHERE g1 IS NOT NULL GROUP BY']],
    alsoCaughtBy: [],
  },
  {
    name: 'HAVING before the merge',
    view: viewOfCall('count(*)', { having: 'count(*) > 3' }),
    partial: [[/GROUP BY 1$/g, 'GROUP BY 1 HAVING count(*) > 3']],
    alsoCaughtBy: [],
  },
  {
    name: 'no merge at all',
    view: viewOfCall('count(*)'),
    merge: [[/^SELECT .* FROM (.*) GROUP BY .*$/gs, 'SELECT * FROM $1']],
    alsoCaughtBy: ['seam', 'mirror'],
  },
]

const stateBugs: readonly PlantedBug[] = [
  {
    name: 'a HyperLogLog merged by sum',
    view: viewOfCall('approx_count_distinct(host)'),
    merge: [[/max\((s\d)\)/g, 'least(sum($1), 40)']],
    alsoCaughtBy: ['seam', 'mirror'],
  },
  {
    name: 'buckets of a quantile merged by max',
    view: viewOfCall('approx_quantile(bytes, 0.95)'),
    merge: [[/sum\(/g, 'max(']],
    alsoCaughtBy: ['seam', 'mirror'],
  },
  {
    name: 'a bucket too high',
    view: viewOfCall('approx_quantile(bytes, 0.95)'),
    partial: [[/ceil\(ln\(v\)/g, '2 + ceil(ln(v)']],
    alsoCaughtBy: ['seam', 'sketches'],
  },
  {
    name: 'totals by way of DOUBLE',
    view: viewOfCall('sum(bytes)'),
    partial: [[/sum\(bytes\)/g, 'sum(CAST(bytes AS DOUBLE))']],
    alsoCaughtBy: [],
  },
  {
    name: 'half of the squares',
    view: viewOfCall('var_pop(bytes)'),
    merge: [[/CAST\(sum\(s2\) AS DECIMAL\(38,0\)\)/g, 'CAST(0 AS DECIMAL(38,0))']],
    alsoCaughtBy: [],
  },
  {
    name: 'a variance whose squares cancel in DOUBLE',
    view: viewOfCall('var_pop(bytes)'),
    finalize: [[/d1 \* d1 AS DOUBLE/g, '(d1 - 1) * d1 AS DOUBLE']],
    alsoCaughtBy: [],
  },
  {
    name: 'a mark of passed bounds lost in a merge',
    view: viewOfCall('count(DISTINCT bytes)', { bound: 2 }),
    merge: [[/bool_or\(s1\)/g, 'bool_and(false)']],
    alsoCaughtBy: ['cases'],
  },
  {
    name: 'distinct values added up',
    view: viewOfCall('count(DISTINCT host)', { bound: 64 }),
    finalize: [[/count\(\*\) AS q0/g, 'sum(n) AS q0']],
    alsoCaughtBy: ['cases'],
  },
  {
    name: 'the least of the greatest',
    view: viewOfCall('max(bytes, 3)'),
    merge: [[/ORDER BY v0 DESC/g, 'ORDER BY v0']],
    alsoCaughtBy: [],
  },
  {
    name: 'one value too few',
    view: viewOfCall('max(bytes, 3)'),
    merge: [[/<= 3/g, '< 3']],
    alsoCaughtBy: [],
  },
  {
    name: 'a grouping set that keeps its keys',
    view: viewOfSql(
      'SELECT triple AS t, host AS k0, grouping(host) AS g, count(*) AS a0 FROM events GROUP BY triple, ROLLUP (host)',
    ),
    finalize: [[/CAST\(NULL AS VARCHAR\) AS g1/g, 'g1']],
    alsoCaughtBy: [],
  },
]

const seamBugs: readonly PlantedBug[] = [
  {
    name: 'a boundary off by one: a row in neither part',
    view: viewOfSql('SELECT triple AS t, count(*) AS a0, sum(bytes) AS a1 FROM events GROUP BY t'),
    split: cut((rows, part) => (part === 0 ? `${rows} AND _offset <> 7` : rows)),
    alsoCaughtBy: ['seam', 'batch', 'mirror'],
  },
  {
    name: 'a boundary off by one: a row in both parts',
    view: viewOfSql('SELECT triple AS t, count(*) AS a0, sum(bytes) AS a1 FROM events GROUP BY t'),
    split: cut((rows, part) => (part === 0 ? `${rows} OR _offset = 7` : rows)),
    alsoCaughtBy: ['seam', 'batch', 'mirror'],
  },
  {
    name: 'a part applied twice',
    view: viewOfSql('SELECT triple AS t, count(*) AS a0, sum(bytes) AS a1 FROM events GROUP BY t'),
    split: (split) => ({ ...split, order: [...split.order, 0] }),
    alsoCaughtBy: ['seam', 'batch', 'mirror'],
  },
  {
    name: 'a part lost',
    view: viewOfSql('SELECT triple AS t, count(*) AS a0, sum(bytes) AS a1 FROM events GROUP BY t'),
    split: (split) => ({ ...split, order: split.order.filter((part) => part !== 0) }),
    alsoCaughtBy: ['seam', 'batch', 'mirror'],
  },
  {
    name: 'a quantile counted twice',
    view: viewOfCall('approx_quantile(bytes, 0.95)'),
    split: (split) => ({ ...split, order: [...split.order, 0] }),
    alsoCaughtBy: ['seam', 'mirror'],
  },
]

export const plantedBugs: readonly PlantedBug[] = [...aggregateBugs, ...stateBugs, ...seamBugs]

export function replaced(sql: string, replacements: readonly Replacement[] = []): string {
  return replacements.reduce(
    (text, [pattern, replacement]) => text.replaceAll(pattern, replacement),
    sql,
  )
}

/**
 * Which functions a query may call: DuckDB's scalar functions, aggregates and macros, except those that
 * reach settings, sequences, the catalog or the clock of the process, or run SQL given as text.
 */

interface FunctionRow {
  readonly name: string
  readonly isVolatile: boolean
}

export interface FunctionPolicy {
  /** Names in lower case that a query may call. */
  readonly allowed: ReadonlySet<string>
  /** Names in lower case that exist in DuckDB but are refused. */
  readonly refused: ReadonlySet<string>
}

/** Reads a row per callable function; run once on the database that will answer. */
export const functionsSql = `
  SELECT lower(function_name) AS name, coalesce(bool_or(stability = 'VOLATILE'), false) AS "isVolatile"
  FROM duckdb_functions()
  WHERE function_type IN ('scalar', 'aggregate', 'macro')
  GROUP BY ALL`

/** Functions in FROM that work on their arguments alone; all others read files, settings or SQL text. */
export const tableFunctionsAllowed: ReadonlySet<string> = new Set([
  'generate_series',
  'json_each',
  'json_tree',
  'range',
  'unnest',
])

/** Volatile, but they touch nothing. */
const volatileAllowed = new Set(['error', 'gen_random_uuid', 'random', 'uuid', 'uuidv4', 'uuidv7'])

const refusedByName = new Set([
  'col_description',
  'current_query',
  'current_setting',
  'get_block_size',
  'getenv',
  'getvariable',
  'in_search_path',
  'json_deserialize_sql',
  'json_execute_serialized_sql',
  'json_serialize_plan',
  'json_serialize_sql',
  'obj_description',
  'parse_duckdb_log_message',
  'query',
  'query_table',
  'shobj_description',
  'sleep_ms',
  'txid_current',
])

/** Families that describe the catalog or the process. `pg_typeof` only names a type. */
const refusedByPrefix =
  /^(?:__internal|duckdb_|has_|inet_|pg_(?!typeof$)|pragma_|read_|sniff_|which_)/

export function functionPolicyOf(functions: readonly FunctionRow[]): FunctionPolicy {
  // `unnest` in a select list is not listed among the scalar functions.
  const allowed = new Set(['unnest'])
  const refused = new Set<string>()
  for (const { name, isVolatile } of functions) {
    const isRefused =
      refusedByName.has(name) ||
      refusedByPrefix.test(name) ||
      (isVolatile && !volatileAllowed.has(name))
    ;(isRefused ? refused : allowed).add(name)
  }
  return { allowed, refused }
}

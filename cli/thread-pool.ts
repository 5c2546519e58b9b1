/**
 * Imported first of all: the size of the thread pool counts only if it is set before the first file is
 * read in the background. DuckDB, LMDB and file reads share it; with the default of 4 a long query
 * would hold up everything else.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '16'

import { createDuckDbBatchEngine } from '../../engine/duckdb-batch-engine.ts'
import { describeBatchEngine } from './conformance.ts'

describeBatchEngine('DuckDB', async (lake) => createDuckDbBatchEngine(lake))

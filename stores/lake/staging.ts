import type { DataFile } from './types.ts'

/** A Parquet file that lies under its final, unique name but belongs to no version yet. */
export type StagedFile = DataFile

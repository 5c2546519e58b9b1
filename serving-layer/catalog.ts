/**
 * The single list of what can be asked for: it feeds the SQL guard, the GraphQL schema and the Hive
 * catalog alike.
 */
import { type LoadedPipeline, rejectedColumns } from '../core/pipeline.ts'
import type { CatalogObject } from './mirror/contract.ts'
import { readableRawColumns } from './mirror/relations.ts'

const coordinates = ['_partition', '_offset']

export function catalogObjects(pipelines: readonly LoadedPipeline[]): CatalogObject[] {
  return pipelines.flatMap((loaded) => [...tablesOf(loaded), ...viewsOf(loaded)])
}

function tablesOf({ pipeline, curatedColumns }: LoadedPipeline): CatalogObject[] {
  const table = { kind: 'table', pipeline: pipeline.name, keys: coordinates } as const
  return [
    { ...table, name: pipeline.table, description: pipeline.description, columns: curatedColumns },
    {
      ...table,
      name: `${pipeline.table}_rejected`,
      description: `Records of ${pipeline.topic} that failed, with the reason.`,
      columns: rejectedColumns,
    },
    {
      ...table,
      name: `${pipeline.table}_raw`,
      description: `Every record of ${pipeline.topic} as it was received.`,
      columns: readableRawColumns,
    },
  ]
}

function viewsOf({ pipeline, views }: LoadedPipeline): CatalogObject[] {
  return views.map((view) => ({
    name: view.name,
    kind: 'view',
    pipeline: pipeline.name,
    description: view.description,
    columns: view.columns,
    keys: view.columns.slice(0, view.keyCount).map(({ name }) => name),
  }))
}

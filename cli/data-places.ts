/** Where things lie below the data directory. */
import { join, resolve } from 'node:path'

export function dataPlaces(dataDirectory: string) {
  const root = resolve(dataDirectory)
  return {
    root,
    eventLog: join(root, 'event-log'),
    lake: join(root, 'lake'),
    locks: join(root, 'locks'),
    /** Where the demo writes its log files. */
    logs: join(root, 'logs'),
    registry: join(root, 'registry.json'),
    /** What does not fit into the memory of a batch. */
    spill: join(root, 'spill'),
  }
}

/** What the conformance suite of the event log needs from an adapter's test. */
import type { EventLog } from '../../event-log/port.ts'

export interface EventLogHarness extends AsyncDisposable {
  readonly log: EventLog
  /** Another user of the same log, as a second process would be. */
  another(): Promise<EventLog>
  /** Makes the log delete what lies below the newest batch of each partition; absent: not testable. */
  readonly expire?: (topic: string) => Promise<void>
  /** The harness's limit on the size of a record, in bytes. */
  readonly recordBytesMax: number
}

/** A harness with a fresh topic of so many partitions. */
export type WithTopic = (
  partitions: number,
) => Promise<{ harness: EventLogHarness; log: EventLog; topic: string }>

export const atOnce = { bytesMax: 1 << 20, waitMs: 0 } as const
/** The beginning of a topic with one partition. */
export const start = new Map([[0, 0n]])

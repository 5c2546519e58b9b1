/**
 * One worker per topic and group on a data directory. The lease is a record with an owner, a
 * generation that rises with every owner, and a sign of life. A contender on the same machine asks the
 * system whether the owner's process still lives, so that a kill is noticed at once and a stalled
 * process is never mistaken for a dead one; elsewhere only the sign of life counts.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Clock } from '../clock.ts'
import { isRunning, pidNamespace, startTicksOf } from '../process-identity.ts'
import type { LogDatabase } from './embedded-database.ts'
import { getSealed, type LogStore, leaseKey, putSealed } from './embedded-keys.ts'
import type { Topic } from './embedded-topics.ts'
import type { Assignment } from './port.ts'

const contendMs = 200

interface Lease {
  readonly owner: string
  /** Null: free. */
  readonly process: ProcessIdentity | null
  readonly generation: number
  readonly aliveAtMs: number
}

interface ProcessIdentity {
  readonly pid: number
  /** Where this pid means something: machine, boot and pid namespace. */
  readonly place: string
  /** Tells a process from a later one with the same pid; null where the system does not say. */
  readonly startedAt: string | null
}

export interface LeaseParts {
  readonly database: LogDatabase
  readonly clock: Clock
  readonly leaseMs: number
}

export async function joinGroup(
  parts: LeaseParts,
  { topic, group }: { readonly topic: Topic; readonly group: string },
  signal: AbortSignal,
  work: (assignment: Assignment) => Promise<void>,
): Promise<void> {
  const key = leaseKey(topic.id, group)
  const owner = randomUUID()
  const partitions = Array.from({ length: topic.partitions }, (_, partition) => partition)
  while (!signal.aborted) {
    const generation = await acquire(parts, key, owner)
    if (generation !== null) {
      const revocation = new AbortController()
      const heartbeat = keepAlive(parts, { key, owner }, revocation)
      try {
        const assigned = AbortSignal.any([signal, revocation.signal])
        if (!assigned.aborted) await work({ partitions, generation, signal: assigned })
      } finally {
        revocation.abort()
        await heartbeat
        await release(parts, key, owner)
      }
    }
    // Also after a `work` that ended by itself: others get their chance, and the loop does not spin.
    await parts.clock.sleep(contendMs, signal)
  }
}

async function acquire(parts: LeaseParts, key: Buffer, owner: string): Promise<number | null> {
  const { database, clock } = parts
  // Looking first keeps contenders from writing five times a second.
  if (!(await database.view((store) => canTake(parts, readLease(store, key))))) return null
  return database.write(0, (store) => {
    const lease = readLease(store, key)
    if (!canTake(parts, lease)) return null
    const generation = (lease?.generation ?? 0) + 1
    putLease(store, key, { owner, process: thisProcess(), generation, aliveAtMs: clock.now() })
    return generation
  })
}

function canTake({ clock, leaseMs }: LeaseParts, lease: Lease | undefined): boolean {
  if (lease === undefined || lease.process === null) return true
  if (lease.process.place === thisProcess().place)
    return !isRunning(lease.process.pid, lease.process.startedAt)
  return clock.now() - lease.aliveAtMs > leaseMs
}

/** Gives signs of life; aborts when the lease has another owner or could not be renewed in time. */
async function keepAlive(
  { database, clock, leaseMs }: LeaseParts,
  { key, owner }: { readonly key: Buffer; readonly owner: string },
  revocation: AbortController,
): Promise<void> {
  let renewedAtMs = clock.now()
  for (;;) {
    await clock.sleep(leaseMs / 3, revocation.signal)
    if (revocation.signal.aborted) return
    const nowMs = clock.now()
    const renew = (store: LogStore) => {
      const lease = readLease(store, key)
      if (lease?.owner !== owner) return false
      putLease(store, key, { ...lease, aliveAtMs: nowMs })
      return true
    }
    try {
      if (!(await database.write(0, renew))) return revocation.abort()
      renewedAtMs = nowMs
    } catch {
      // A full disk, say: whoever holds the lease learns it from its own writes. It stays ours until others may think us dead.
      if (nowMs - renewedAtMs > leaseMs) return revocation.abort()
    }
  }
}

/** Keeps the generation. A lease that cannot be released is taken over when this process has ended. */
async function release({ database }: LeaseParts, key: Buffer, owner: string): Promise<void> {
  try {
    await database.write(0, (store) => {
      const lease = readLease(store, key)
      if (lease?.owner === owner) putLease(store, key, { ...lease, process: null })
    })
  } catch {
    // Closed or full: the contender finds a dead process.
  }
}

function readLease(store: LogStore, key: Buffer): Lease | undefined {
  const stored = getSealed(store, key)
  // Written by `putLease` only.
  return stored === undefined ? undefined : (JSON.parse(stored.toString()) as Lease)
}

function putLease(store: LogStore, key: Buffer, lease: Lease): void {
  putSealed(store, key, Buffer.from(JSON.stringify(lease)))
}

let self: ProcessIdentity | undefined

function thisProcess(): ProcessIdentity {
  self ??= { pid: process.pid, place: placeOfPids(), startedAt: startTicksOf(process.pid) }
  return self
}

function placeOfPids(): string {
  return [
    hostname(),
    textOr('', () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace(),
  ].join(' ')
}

function textOr(otherwise: string, read: () => string): string {
  try {
    return read()
  } catch {
    // Not Linux.
    return otherwise
  }
}

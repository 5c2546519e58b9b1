/**
 * Whether a process that left a trace still runs. A pid alone is used again, in containers nearly
 * always, so traces also name when the process started.
 */
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * When a process started, in the kernel's ticks after boot (field 22 of `/proc/<pid>/stat`). Null when it
 * is not running or the system has no /proc.
 */
export function startTicksOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    // No such process, or not Linux.
    return null
  }
}

/** Whether the process on this machine that had this pid, and started then where that is known, runs. */
export function isRunning(pid: number, startTicks: string | null): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it runs and belongs to somebody else.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false
  }
  const found = startTicksOf(pid)
  return startTicks === null || found === null || found === startTicks
}

/** Where the pids of this process mean something: its pid namespace; empty where there is no /proc. */
export function pidNamespace(): string {
  try {
    // `pid:[4026531836]`
    return readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')
  } catch {
    // Not Linux.
    return ''
  }
}

/**
 * What the LOCK file of a workdir says about its holder, and whether that holder still lives.
 * One JSON object:
 *
 *   {"pid":4711,"startTime":"88123","bootId":"f39d...","host":"db1","command":"node nokv serve",
 *    "since":"2024-05-01T12:00:00.000Z","kernelLock":true}
 */
import { readFileSync } from 'node:fs';
import type { Host } from '../base/env.js';
import { commandLine } from './process-facts.js';
import { errnoOf } from './system-error.js';

export interface LockRecord {
  readonly pid: number;
  /** Start of the process in clock ticks since boot (Linux); '' elsewhere. Tells a reused pid. */
  readonly startTime: string;
  readonly bootId: string;
  readonly host: string;
  readonly command: string;
  /** ISO 8601, UTC. */
  readonly since: string;
  /** The holder also had the kernel lock on the LOCK file. */
  readonly kernelLock: boolean;
}

/** In place of a start time. */
const ENDED = 'dead';

const COMMAND_CHARS_MAX = 200;

/** The record of this process. */
export function ownLockRecord(host: Host, kernelLock: boolean): LockRecord {
  return {
    pid: host.pid,
    startTime: processStartTime(host.pid) ?? '',
    bootId: host.bootId,
    host: host.name,
    command: commandLine().join(' ').slice(0, COMMAND_CHARS_MAX),
    since: new Date().toISOString(),
    kernelLock,
  };
}

export function encodeLockRecord(record: LockRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** undefined when the text is not a whole record. */
export function decodeLockRecord(text: string): LockRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const found = value as Partial<Record<keyof LockRecord, unknown>>;
  if (!Number.isSafeInteger(found.pid) || (found.pid as number) <= 0) return undefined;
  const words = [found.startTime, found.bootId, found.host, found.command, found.since];
  if (!words.every((word) => typeof word === 'string')) return undefined;
  return { ...(value as LockRecord), kernelLock: found.kernelLock === true };
}

/** "pid 4711 (node nokv serve) on db1 since 2024-05-01T12:00:00.000Z" */
export function describeHolder(record: LockRecord | undefined): string {
  if (record === undefined) return 'a process that has not said its name';
  return `pid ${record.pid} (${record.command}) on ${record.host} since ${record.since}`;
}

export type HolderState = 'alive' | 'dead' | 'unknown';

/** unknown: the record was made on another machine. */
export function holderState(record: LockRecord, host: Host): HolderState {
  if (record.host !== host.name) return 'unknown';
  if (record.bootId !== host.bootId && record.bootId !== '' && host.bootId !== '') return 'dead';
  if (!processExists(record.pid)) return 'dead';
  const startTime = processStartTime(record.pid);
  if (startTime === ENDED) return 'dead';
  if (startTime === undefined || record.startTime === '') return 'alive';
  return startTime === record.startTime ? 'alive' : 'dead';
}

/** Signal 0 asks without sending; EPERM is the answer of a process of another user. */
function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

/**
 * Field 22 of /proc/PID/stat; undefined when it cannot be read. A process that is dead but not yet
 * collected by its parent (states Z and X) has no start time any more, but ENDED.
 */
export function processStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field, the name of the program, may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return ENDED;
  return fields[19];
}

/** The write queue (write-queue.ts) seen from outside: what it needs of the database, who waits in it, what it counts. */
import type { KeyBuffer } from './key.js';
import type { LoggedMemtable } from './logged-memtable.js';
import type { LogPosition } from './record-log.js';

/** The log segments that are not durable yet, the active one included. */
export interface SyncedLogs {
  /** Where they end now. */
  logMarks(): LogPosition[];
  /** Makes the records before `marks` durable, oldest segment first; taken before the value log was synced. */
  syncLogs(marks: readonly LogPosition[]): Promise<void>;
}

/** What the queue needs of the database around it. */
export interface WriteQueueHost {
  /**
   * A fresh memtable with its log, able to take a record of `bytes` and `entries`, or undefined when
   * memory is full: `resume()` is called when there is room. The previous one is sealed.
   * @throws IoError when the log cannot be created.
   */
  nextMemtable(bytes: number, entries: number): LoggedMemtable | undefined;
  /** Should this value be separated? */
  isSeparated(family: number, key: KeyBuffer, valueLength: number): boolean;
  /** Latches the database: nobody knows what the disk holds. */
  onFailure(error: unknown): void;
  readonly logs: SyncedLogs;
  /** Milliseconds by which the acknowledgement of `bytes` is held back (write slowdown). */
  delayMs(bytes: number): number;
}

/** A write that waits for room; it owns copies of its keys and values. */
export interface Waiter {
  readonly bytes: number;
  /** Places the write; undefined when there is still no room. */
  readonly place: () => Promise<void> | undefined;
  readonly resolve: (done: Promise<void>) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriteCounters {
  groups: number;
  entries: number;
  bytes: number;
  syncs: number;
  groupsSynced: number;
  syncMs: number;
  /** Times and milliseconds that writes waited for room. */
  stalls: number;
  stallMs: number;
  delayedMs: number;
}

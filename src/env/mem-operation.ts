/** What the simulated disk calls its operations, and what it reports of them. */

/** Calls that can fail. All but read, list, stat and lock change the disk. */
export type MemOperationName =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'rename'
  | 'link'
  | 'remove'
  | 'mkdir'
  | 'rmdir'
  | 'syncdir'
  | 'list'
  | 'stat'
  | 'lock';

/** A mutating operation. `offset` and `bytes` are 0 where they mean nothing; bytes of a truncate is the new size. */
export interface MemOperation {
  /** Counts from 1 over the life of the disk, copies included. */
  readonly index: number;
  readonly op: MemOperationName;
  readonly path: string;
  /** Target of a rename or link, '' otherwise. */
  readonly to: string;
  readonly offset: number;
  readonly bytes: number;
}

export type OperationHook = (operation: MemOperation, when: 'before' | 'after') => void;

/** A sync that was asked for in manual mode and has not ended. */
export interface PendingSync {
  readonly path: string;
  complete(): void;
  /** As a failed fsync: the dirty pages are lost. */
  fail(errno: string): void;
}

/** microtask: a sync ends by itself. manual: the test ends it. */
export type SyncMode = 'microtask' | 'manual';

const CHANGING: ReadonlySet<MemOperationName> = new Set<MemOperationName>([
  'create',
  'write',
  'truncate',
  'sync',
  'rename',
  'link',
  'remove',
  'mkdir',
  'rmdir',
  'syncdir',
]);

/** True for the calls that change the disk, or what of it is durable. */
export function changesDisk(op: MemOperationName): boolean {
  return CHANGING.has(op);
}

/**
 * The store under the gateway: atomic read-modify-write of a set of keys, scans, expiry. Commands are written once
 * against this; an embedded database implements it with everything at hand (nothing to wait for but the commit), a
 * cluster client will implement it with reads ahead of `body` and retries around it.
 *
 * A key is 0 ... KEY_BYTES_MAX bytes, compared as bytes. A value is a string of bytes and maybe the wall time in
 * milliseconds at which it is gone; an expired value is absent for everybody from that millisecond on.
 */
import type { BorrowedBytes } from './reply.js';
import type { ScanCursors } from './scan-cursors.js';

export interface StoredValue {
  /** The store's: not to be altered, valid until the body returns or, when it is replied, until it is written. */
  readonly bytes: Uint8Array;
  /** Wall milliseconds, or NO_EXPIRY. */
  readonly expiresAt: number;
}

export const NO_EXPIRY = 0;

/** Named keys as of one moment, with the changes made through it so far. */
export interface View {
  /** The moment, wall milliseconds; the same throughout one body. */
  readonly nowMs: number;
  get(key: Uint8Array): StoredValue | undefined;
  /** As `get`, of the value alone, for the reply to a command that asks for nothing else. */
  borrow?(key: Uint8Array): Uint8Array | BorrowedBytes | undefined;
  /** Without reading the value, where the store can. */
  has(key: Uint8Array): boolean;
  /**
   * A value whose expiresAt is not after nowMs is deleted instead. Key and value are the view's from now on: nobody
   * alters them any more.
   */
  set(key: Uint8Array, value: Uint8Array, expiresAt: number): void;
  /** Was it there? */
  delete(key: Uint8Array): boolean;
}

/** The whole store as of one moment; for bodies that ask for ALL_KEYS. */
export interface KeyspaceView extends View {
  /** Live keys, exactly, without a scan. */
  size(): number;
  /** Those of them that expire. */
  expiring(): number;
  /**
   * Live keys in byte order from the first one that is greater than `after` (all, when undefined), changes of this
   * view included. Keys are copies.
   */
  keysAfter(after: Uint8Array | undefined): Iterable<Uint8Array>;
  /** Some live key, any; undefined when there is none. `random` gives numbers in [0, 1). */
  randomKey(random: () => number): Uint8Array | undefined;
  /** Deletes every key. */
  clear(): void;
  /** Where SCAN keeps its places, for all views of a store. Without, it tells all keys at once. */
  readonly cursors?: ScanCursors;
}

/** Instead of a list of keys: the body may touch any. */
export const ALL_KEYS = Symbol('all keys');

/** What a key was at some moment: equal stamps mean that nobody wrote or expired it in between. Opaque. */
export type Stamp = string | number;

/** Nothing was done: a watched key had changed. */
export const CHANGED = Symbol('changed');

/** Somebody who waits for a commit. */
export interface CommitWaiter {
  onCommitted(): void;
  onCommitFailed(error: unknown): void;
}

/** A commit that is under way. */
export interface CommitSignal {
  /** Calls the waiter when it is over, after those that came before. */
  notify(waiter: CommitWaiter): void;
}

export interface Backend {
  /**
   * Calls `body` with a view of the keys, and commits all its changes or none. Bodies run one after another as far as
   * anybody can see; `body` may be called again after a conflict, so it has no effects but through the view. What it
   * throws is thrown on (or rejects), with nothing changed.
   *
   * The result comes back at once when there is nothing to wait for. It is held back until the changes of this body,
   * and every change that it read, are as durable as configured: nobody is told what a crash could take back.
   * @throws NokvError (rejects) when the commit fails: the changes may have happened only if its outcome is 'unknown'
   */
  update<T>(keys: readonly Uint8Array[], body: (view: View) => T): T | Promise<T>;
  update<T>(keys: typeof ALL_KEYS, body: (view: KeyspaceView) => T): T | Promise<T>;

  /**
   * As `update` of any keys, for callers that wait without a promise: the body is called once, what it returns or
   * throws comes back at once, and until the next call `waitsFor` is what the answer has to wait for, if anything. Only
   * where everything is at hand. `wallMs`: what a clock has shown just now.
   */
  updateAtOnce?<T>(body: (view: KeyspaceView) => T, wallMs: number): T;
  readonly waitsFor?: CommitSignal | undefined;

  /** As `update` of any keys, unless one of the watched keys is no longer what its stamp says: then CHANGED. */
  updateUnchanged<T>(
    watched: ReadonlyMap<string, Stamp>,
    body: (view: KeyspaceView) => T,
  ): T | typeof CHANGED | Promise<T | typeof CHANGED>;

  /** The stamp of a key now. The key of the map of `updateUnchanged` is `watchName(key)`. */
  stamp(key: Uint8Array): Stamp | Promise<Stamp>;

  /** The last commit failed. */
  readonly hasFailed?: boolean;

  /** Keys that have expired since the start, as far as they were noticed. */
  readonly expiredKeys?: number;

  /** Everything acknowledged so far survives a power loss once it resolves (once a second under `everysec`). */
  sync(): Promise<void>;

  /** Does a due piece of the work of forgetting expired keys; false when nothing was due. Called by the server's timer. */
  expireSome(): boolean | Promise<boolean>;

  /** What an answer waits for from now on: `disk` = survives a power loss, `os` = survives the death of the process. */
  setDurability?(durability: 'os' | 'disk'): void;

  /** Waits for what is under way. The database under it is the caller's to close. */
  close(): Promise<void>;
}

/** A key as a name in maps: one character a byte. */
export function watchName(key: Uint8Array): string {
  // A view costs more than the string.
  const bytes = key instanceof Buffer ? key : Buffer.from(key.buffer, key.byteOffset, key.length);
  return bytes.toString('latin1');
}

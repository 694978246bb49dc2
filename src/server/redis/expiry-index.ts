/**
 * Forgetting expired keys. The engine drops an expired value by itself; what is left to do is the count of keys. For
 * every key that expires the index has an entry, ordered by time:
 *
 *   1. A write over a live key changes no count; the entry of the old value's expiry is deleted with it.
 *   2. A write over an absent or expired key counts one more, and leaves the old value's entry alone, if there is one.
 *   3. An entry whose time has come is deleted, and counts one less. Its key need not be looked at: by 1 it stands
 *      for a value that was live to the end.
 *
 * All of it happens in the batches of the changes themselves, so that the count is exact at any moment.
 */
import type { Db } from '../../engine/db.js';
import { KIND_DELETE, KIND_PUT, NO_EXPIRY } from '../../engine/entry.js';
import { FAMILY_SYSTEM } from '../../engine/key.js';
import { SYSTEM_FAMILY } from '../../engine/requests.js';
import {
  EXPIRY_END,
  EXPIRY_PREFIX,
  expiryBound,
  expiryKey,
  expiryOfIndexKey,
  isSystemName,
  systemName,
} from './layout.js';
import { NOTHING } from './operations.js';
import type { PendingWrite, PendingWrites } from './pending.js';

export class ExpiryIndex {
  readonly #db: Db;
  readonly #pending: PendingWrites;
  /** Every entry before this key has been deleted: where to look, past their tombstones. */
  #lookFrom: Uint8Array;
  /** No entry has an earlier time. */
  #nextDueMs: number;
  /** Keys counted out since the start. */
  expiredKeys: number;

  constructor(db: Db, pending: PendingWrites) {
    this.#db = db;
    this.#pending = pending;
    this.#lookFrom = EXPIRY_PREFIX;
    this.#nextDueMs = 0;
    this.expiredKeys = 0;
  }

  /** The key gets a value that is gone at `expiresAt`, which is to come. */
  add(expiresAt: number, key: Uint8Array): void {
    this.#write(KIND_PUT, expiryKey(expiresAt, key));
    this.#pending.expiring++;
    if (expiresAt < this.#nextDueMs) this.#nextDueMs = expiresAt;
  }

  /** The live value that is gone at `expiresAt` is replaced or deleted before. */
  remove(expiresAt: number, key: Uint8Array): void {
    this.#write(KIND_DELETE, expiryKey(expiresAt, key));
    this.#pending.expiring--;
  }

  isDue(nowMs: number): boolean {
    return this.#nextDueMs <= nowMs;
  }

  /** Counts up to `max` expired keys out; returns how many. Changes of the current body, and its to take back. */
  popDue(nowMs: number, max: number): number {
    if (!this.isDue(nowMs)) return 0;
    const popped = this.#popStored(nowMs, max) + this.#popPending(nowMs);
    this.expiredKeys += popped;
    if (popped >= max) return popped;
    this.#lookFrom = expiryBound(nowMs + 1);
    this.#nextDueMs = Math.min(this.#nextStoredMs(), this.#nextPendingMs());
    return popped;
  }

  /** Keys that have expired and are not counted out yet. Changes nothing. */
  dueCount(nowMs: number): number {
    if (!this.isDue(nowMs)) return 0;
    const pending = this.#pending;
    let due = 0;
    for (const write of pending.newest().values()) {
      const key = entryKeyOf(write);
      if (key !== undefined && expiryOfIndexKey(key) <= nowMs) due++;
    }
    if (pending.isCleared) return due;
    const rows = this.#scan(expiryBound(nowMs + 1));
    for (let row = rows.next(); row !== undefined; row = rows.next()) {
      // What is written in memory was counted there, or is deleted and no longer counted.
      if (pending.peek(systemName(row.key)) === undefined) due++;
    }
    rows.close();
    return due;
  }

  /** What was deleted is there again, or everything is gone: look from the beginning. */
  reset(): void {
    this.#lookFrom = EXPIRY_PREFIX;
    this.#nextDueMs = 0;
  }

  #write(kind: number, key: Uint8Array): void {
    this.#pending.write(kind, FAMILY_SYSTEM, key, NOTHING, NO_EXPIRY, systemName(key));
  }

  #pop(key: Uint8Array): void {
    this.#write(KIND_DELETE, key);
    this.#pending.count--;
    this.#pending.expiring--;
  }

  #popStored(nowMs: number, max: number): number {
    const pending = this.#pending;
    if (pending.isCleared) return 0;
    const rows = this.#scan(expiryBound(nowMs + 1));
    let popped = 0;
    for (let row = rows.next(); row !== undefined; row = rows.next()) {
      if (pending.find(systemName(row.key))?.kind === KIND_DELETE) continue;
      this.#pop(row.key);
      this.#lookFrom = row.key;
      if (++popped === max) break;
    }
    rows.close();
    return popped;
  }

  /** Entries that are due before they have reached the database. */
  #popPending(nowMs: number): number {
    const due: Uint8Array[] = [];
    for (const write of this.#pending.newest().values()) {
      const key = entryKeyOf(write);
      if (key !== undefined && expiryOfIndexKey(key) <= nowMs) due.push(key);
    }
    for (const key of due) this.#pop(key);
    return due.length;
  }

  #nextStoredMs(): number {
    if (this.#pending.isCleared) return Infinity;
    const rows = this.#scan(EXPIRY_END);
    const row = rows.next();
    rows.close();
    return row === undefined ? Infinity : expiryOfIndexKey(row.key);
  }

  #nextPendingMs(): number {
    let nextMs = Infinity;
    for (const write of this.#pending.newest().values()) {
      const key = entryKeyOf(write);
      if (key !== undefined) nextMs = Math.min(nextMs, expiryOfIndexKey(key));
    }
    return nextMs;
  }

  /** Entries before `end`. */
  #scan(end: Uint8Array): ReturnType<Db['scan']> {
    const options = { gte: this.#lookFrom, lt: end, keysOnly: true };
    return this.#db.scan({ ...options, columnFamily: SYSTEM_FAMILY });
  }
}

/** The key of an index entry that is written; undefined for any other write. */
function entryKeyOf({ kind, name, key }: PendingWrite): Uint8Array | undefined {
  return kind === KIND_PUT && isSystemName(name) ? key : undefined;
}

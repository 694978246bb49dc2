/**
 * What commands see of an embedded database: what is stored, with the changes on top that are decided and not yet
 * committed. One view serves all commands, one after another.
 */
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../../base/limits.js';
import type { Db } from '../../engine/db.js';
import { KIND_DELETE, KIND_PUT } from '../../engine/entry.js';
import type { EntryReader } from '../../engine/entry-reader.js';
import { FAMILY_DEFAULT } from '../../engine/key.js';
import {
  type KeyspaceView,
  NO_EXPIRY,
  type StoredValue,
  watchName,
} from '../../gateway/backend.js';
import { BorrowedBytes, RedisError } from '../../gateway/reply.js';
import type { ScanCursors } from '../../gateway/scan-cursors.js';
import type { ExpiryIndex } from './expiry-index.js';
import { KnownKeys } from './known-keys.js';
import { familyOfKey, storedKey } from './layout.js';
import { liveKeysAfter } from './live-keys.js';
import { NOTHING } from './operations.js';
import type { PendingWrites } from './pending.js';
import { randomLiveKey } from './random-key.js';
import type { WatchedKeys } from './watched-keys.js';

/** "Not there", where else an expiry time is told. */
const ABSENT = -1;
/** Up to so many keys are deleted one by one: a range tombstone would stay on the way of every read for a while. */
const CLEAR_ONE_BY_ONE_MAX = 1000;
/** Of expiry times; the engine's numbers end here, in the year 287396. */
const EXPIRES_AT_MAX = Number.MAX_SAFE_INTEGER;

export interface ViewParts {
  readonly db: Db;
  readonly reader: EntryReader;
  readonly pending: PendingWrites;
  readonly expiry: ExpiryIndex;
  readonly watched: WatchedKeys;
  readonly cursors: ScanCursors;
}

class LiveValue implements StoredValue {
  constructor(
    readonly bytes: Uint8Array,
    readonly expiresAt: number,
  ) {}
}

export class EmbeddedView implements KeyspaceView {
  nowMs: number;
  readonly cursors: ScanCursors;
  /** What `borrow` returns. */
  readonly #borrowed: BorrowedBytes;
  readonly #db: Db;
  readonly #reader: EntryReader;
  readonly #pending: PendingWrites;
  readonly #expiry: ExpiryIndex;
  readonly #watched: WatchedKeys;
  readonly #known: KnownKeys;
  /** The key read last in this body, and its expiry or ABSENT: a write of it need not look again. */
  #seenKey: Uint8Array | undefined;
  #seenExpiresAt: number;

  constructor(parts: ViewParts) {
    this.nowMs = 0;
    this.cursors = parts.cursors;
    this.#borrowed = new BorrowedBytes();
    this.#db = parts.db;
    this.#reader = parts.reader;
    this.#pending = parts.pending;
    this.#expiry = parts.expiry;
    this.#watched = parts.watched;
    this.#known = new KnownKeys();
    this.#seenKey = undefined;
    this.#seenExpiresAt = ABSENT;
  }

  /** Before each body. */
  begin(nowMs: number): void {
    this.nowMs = nowMs;
    this.#seenKey = undefined;
  }

  /** Changes were taken back: nothing that was learned from them holds. */
  forget(): void {
    this.#known.clear();
  }

  get(key: Uint8Array): StoredValue | undefined {
    checkKey(key);
    const pending = this.#pending;
    let value: StoredValue | undefined;
    const write = pending.isEmpty ? undefined : pending.find(watchName(key));
    if (write !== undefined) {
      value =
        write.kind === KIND_PUT && isLive(write.expiresAt, this.nowMs)
          ? { bytes: write.value, expiresAt: write.expiresAt }
          : undefined;
    } else if (!pending.isCleared) {
      const bytes = this.#reader.get(familyOfKey(key), storedKey(key), this.nowMs);
      if (bytes !== undefined) value = new LiveValue(bytes, this.#reader.expiresAt);
    }
    this.#seenKey = key;
    this.#seenExpiresAt = value === undefined ? ABSENT : value.expiresAt;
    return value;
  }

  borrow(key: Uint8Array): Uint8Array | BorrowedBytes | undefined {
    // What is pending, and the empty key, are rare.
    if (!this.#pending.isEmpty || key.length === 0) return this.get(key)?.bytes;
    checkKey(key);
    const found = this.#reader.borrow(FAMILY_DEFAULT, key, this.nowMs);
    if (found === undefined) return undefined;
    // Read from the disk: it is nobody else's already.
    if (found.length === found.bytes.length) return found.bytes;
    const borrowed = this.#borrowed;
    borrowed.bytes = found.bytes;
    borrowed.start = found.start;
    borrowed.length = found.length;
    return borrowed;
  }

  has(key: Uint8Array): boolean {
    checkKey(key);
    return this.#expiryOf(key, undefined) !== ABSENT;
  }

  set(key: Uint8Array, value: Uint8Array, expiresAt: number): void {
    checkKey(key);
    if (value.length > VALUE_BYTES_MAX)
      throw new RedisError('ERR string exceeds maximum allowed size (proto-max-bulk-len)');
    if (!isLive(expiresAt, this.nowMs)) {
      this.delete(key);
      return;
    }
    const name = watchName(key);
    const isKnown = this.#seenKey !== key && this.#known.has(key);
    const before = isKnown ? NO_EXPIRY : this.#expiryOf(key, name);
    const after = Math.min(expiresAt, EXPIRES_AT_MAX);
    const own = storedKey(key);
    this.#pending.write(KIND_PUT, familyOfKey(key), own, value, after, name);
    if (before === ABSENT) this.#pending.count++;
    else if (before !== NO_EXPIRY && before !== after) this.#expiry.remove(before, key);
    if (after !== NO_EXPIRY && before !== after) this.#expiry.add(after, key);
    if (after !== NO_EXPIRY) this.#known.remove(key);
    else if (!isKnown) this.#known.add(key);
    this.#changed(name, after);
  }

  delete(key: Uint8Array): boolean {
    checkKey(key);
    const name = watchName(key);
    const before = this.#expiryOf(key, name);
    if (before === ABSENT) return false;
    const own = storedKey(key);
    this.#pending.write(KIND_DELETE, familyOfKey(key), own, NOTHING, NO_EXPIRY, name);
    this.#pending.count--;
    this.#known.remove(key);
    if (before !== NO_EXPIRY) this.#expiry.remove(before, key);
    this.#changed(name, NO_EXPIRY);
    return true;
  }

  size(): number {
    this.#pending.meetAll();
    return this.#pending.count - this.#expiry.dueCount(this.nowMs);
  }

  expiring(): number {
    return this.#pending.expiring - this.#expiry.dueCount(this.nowMs);
  }

  keysAfter(after: Uint8Array | undefined): Iterable<Uint8Array> {
    this.#pending.meetAll();
    return liveKeysAfter(this.#db, this.#reader, this.#pending, after, this.nowMs);
  }

  randomKey(random: () => number): Uint8Array | undefined {
    const size = this.size();
    if (size === 0) return undefined;
    return randomLiveKey(
      this.#db,
      (after) => this.keysAfter(after),
      size,
      random,
      (key) => this.has(key),
    );
  }

  clear(): void {
    const size = this.size();
    if (size <= CLEAR_ONE_BY_ONE_MAX) {
      for (const key of [...this.keysAfter(undefined)]) this.delete(key);
      return;
    }
    for (const name of this.#watched.names()) {
      if (this.has(Buffer.from(name, 'latin1'))) this.#watched.touch(name, NO_EXPIRY);
    }
    this.#pending.clear();
    this.#known.clear();
    this.#expiry.reset();
    this.#seenKey = undefined;
  }

  /** When a key expires, wall milliseconds or NO_EXPIRY; NO_EXPIRY also when it is not there. */
  expiryOf(key: Uint8Array): number {
    checkKey(key);
    return Math.max(NO_EXPIRY, this.#expiryOf(key, undefined));
  }

  /** As expiryOf, or ABSENT. `name`: of the key, if it is known. */
  #expiryOf(key: Uint8Array, name: string | undefined): number {
    if (this.#seenKey === key) return this.#seenExpiresAt;
    const pending = this.#pending;
    const write = pending.isEmpty ? undefined : pending.find(name ?? watchName(key));
    let expiresAt = ABSENT;
    if (write !== undefined) {
      if (write.kind === KIND_PUT && isLive(write.expiresAt, this.nowMs))
        expiresAt = write.expiresAt;
    } else if (
      !pending.isCleared &&
      this.#reader.has(familyOfKey(key), storedKey(key), this.nowMs)
    ) {
      expiresAt = this.#reader.expiresAt;
    }
    this.#seenKey = key;
    this.#seenExpiresAt = expiresAt;
    return expiresAt;
  }

  #changed(name: string, expiresAt: number): void {
    this.#seenKey = undefined;
    if (!this.#watched.isEmpty) this.#watched.touch(name, expiresAt);
  }
}

function isLive(expiresAt: number, nowMs: number): boolean {
  return expiresAt === NO_EXPIRY || expiresAt > nowMs;
}

function checkKey(key: Uint8Array): void {
  if (key.length > KEY_BYTES_MAX) {
    throw new RedisError(`ERR key is too long: ${key.length} bytes exceed ${KEY_BYTES_MAX}`);
  }
}

/**
 * A Backend over a Map, for tests of commands and of the gateway. Bodies run at once. Whether an answer comes at once
 * too is the test's to say: `commit` is called after every body that changed something, and its promise, if it gives
 * one, holds the answer back.
 */
import {
  ALL_KEYS,
  type Backend,
  CHANGED,
  type KeyspaceView,
  NO_EXPIRY,
  type Stamp,
  type StoredValue,
  type View,
  watchName,
} from '../../src/gateway/backend.js';

export interface MemoryBackendOptions {
  /** Wall milliseconds. Default: time stands still. */
  readonly nowMs?: () => number;
  /** Default: nothing to wait for. A rejection is a failed commit: its changes are there all the same. */
  readonly commit?: () => Promise<void> | undefined;
}

const EXPIRED_AT_ONCE_MAX = 16;

export class MemoryBackend implements Backend {
  readonly #rows = new Map<string, StoredValue>();
  /** Bumped by every write and delete of a key; kept when it is gone. */
  readonly #versions = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #commit: () => Promise<void> | undefined;
  #lastVersion = 0;
  syncs = 0;
  isClosed = false;
  expiredKeys = 0;
  /** What setDurability said last. */
  durability: 'os' | 'disk' = 'os';

  constructor(options: MemoryBackendOptions = {}) {
    this.#nowMs = options.nowMs ?? (() => 1_700_000_000_000);
    this.#commit = options.commit ?? (() => undefined);
  }

  update<T>(keys: readonly Uint8Array[], body: (view: View) => T): T | Promise<T>;
  update<T>(keys: typeof ALL_KEYS, body: (view: KeyspaceView) => T): T | Promise<T>;
  update<T>(_keys: unknown, body: (view: KeyspaceView) => T): T | Promise<T> {
    const view = new MemoryView(this.#rows, this.#nowMs());
    const result = body(view);
    const { changes } = view;
    if (changes === undefined) return result;
    for (const [name, value] of changes) {
      this.#versions.set(name, ++this.#lastVersion);
      if (value === undefined) this.#rows.delete(name);
      else this.#rows.set(name, value);
    }
    const committed = this.#commit();
    return committed === undefined ? result : committed.then(() => result);
  }

  updateUnchanged<T>(
    watched: ReadonlyMap<string, Stamp>,
    body: (view: KeyspaceView) => T,
  ): T | typeof CHANGED | Promise<T | typeof CHANGED> {
    for (const [name, stamp] of watched) if (this.#stampOf(name) !== stamp) return CHANGED;
    return this.update(ALL_KEYS, body);
  }

  stamp(key: Uint8Array): Stamp {
    return this.#stampOf(watchName(key));
  }

  #stampOf(name: string): Stamp {
    const version = this.#versions.get(name) ?? 0;
    const row = this.#rows.get(name);
    return row !== undefined && isLive(row, this.#nowMs()) ? version : `gone ${version}`;
  }

  setDurability(durability: 'os' | 'disk'): void {
    this.durability = durability;
  }

  sync(): Promise<void> {
    this.syncs++;
    return Promise.resolve();
  }

  expireSome(): boolean {
    const nowMs = this.#nowMs();
    let removed = 0;
    for (const [name, row] of this.#rows) {
      if (isLive(row, nowMs)) continue;
      this.#rows.delete(name);
      if (++removed === EXPIRED_AT_ONCE_MAX) break;
    }
    this.expiredKeys += removed;
    return removed > 0;
  }

  /** Rows in memory, expired ones included. */
  get rowCount(): number {
    return this.#rows.size;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

function isLive(row: StoredValue, nowMs: number): boolean {
  return row.expiresAt === NO_EXPIRY || row.expiresAt > nowMs;
}

class MemoryView implements KeyspaceView {
  readonly nowMs: number;
  readonly #rows: ReadonlyMap<string, StoredValue>;
  /** undefined as a value: deleted. */
  changes: Map<string, StoredValue | undefined> | undefined;

  constructor(rows: ReadonlyMap<string, StoredValue>, nowMs: number) {
    this.#rows = rows;
    this.nowMs = nowMs;
    this.changes = undefined;
  }

  get(key: Uint8Array): StoredValue | undefined {
    return this.#getNamed(watchName(key));
  }

  #getNamed(name: string): StoredValue | undefined {
    const row = this.changes?.has(name) === true ? this.changes.get(name) : this.#rows.get(name);
    return row !== undefined && isLive(row, this.nowMs) ? row : undefined;
  }

  has(key: Uint8Array): boolean {
    return this.get(key) !== undefined;
  }

  set(key: Uint8Array, value: Uint8Array, expiresAt: number): void {
    this.changes ??= new Map();
    const row = { bytes: Buffer.from(value), expiresAt };
    this.changes.set(watchName(key), isLive(row, this.nowMs) ? row : undefined);
  }

  delete(key: Uint8Array): boolean {
    const name = watchName(key);
    if (this.#getNamed(name) === undefined) return false;
    this.changes ??= new Map();
    this.changes.set(name, undefined);
    return true;
  }

  #names(): string[] {
    const names = new Set([...this.#rows.keys(), ...(this.changes?.keys() ?? [])]);
    return [...names].filter((name) => this.#getNamed(name) !== undefined).sort(compareNames);
  }

  size(): number {
    return this.#names().length;
  }

  expiring(): number {
    return this.#names().filter((name) => this.#getNamed(name)?.expiresAt !== NO_EXPIRY).length;
  }

  *keysAfter(after: Uint8Array | undefined): Iterable<Uint8Array> {
    const bound = after === undefined ? undefined : watchName(after);
    for (const name of this.#names()) {
      if (bound === undefined || name > bound) yield Buffer.from(name, 'latin1');
    }
  }

  randomKey(random: () => number): Uint8Array | undefined {
    const names = this.#names();
    const name = names[Math.floor(random() * names.length)];
    return name === undefined ? undefined : Buffer.from(name, 'latin1');
  }

  clear(): void {
    for (const name of this.#names()) this.delete(Buffer.from(name, 'latin1'));
  }
}

/** One character a byte: the order of the characters is that of the bytes. */
function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The read path: what a point read sees at one moment. The newest entry wins by (version, sequence),
 * never by where it was found: a source is skipped only when nothing in it can be newer than the
 * entry already held.
 *
 * Nothing is allocated on the way to the value; the value itself is copied once, into private memory.
 */
import { detach } from '../base/bytes.js';
import { ClosedError } from '../base/errors.js';
import {
  entryExpiresAt,
  entryKind,
  entrySeq,
  entryValueLength,
  entryValueStart,
  entryVersion,
  KIND_DELETE,
  KIND_VALUE_POINTER,
  NO_EXPIRY,
} from './entry.js';
import type { RowCache } from './cache/row-cache.js';
import type { HotRing } from './hot/hot-ring.js';
import type { EntryCursor } from './iterators/entry-cursor.js';
import type { KeyBuffer } from './key.js';
import type { LoggedMemtable } from './logged-memtable.js';
import { LookupResult } from './sst/lookup-result.js';
import type { TombstoneSet } from './range-tombstones.js';
import type { TombstoneRun } from './tombstone-run.js';
import type { Level, OpenTable, TreeVersion } from './tree-version.js';
import { ValueSlab } from './value-slab.js';
import type { ValueLogReader } from './vlog/reader.js';

/** The sources of reads, newest first. Replaced, never changed, when one of them changes. */
export class ReadState {
  readonly active: LoggedMemtable;
  /** Sealed memtables, newest first. */
  readonly sealed: readonly LoggedMemtable[];
  readonly tree: TreeVersion;

  constructor(active: LoggedMemtable, sealed: readonly LoggedMemtable[], tree: TreeVersion) {
    this.active = active;
    this.sealed = sealed;
    this.tree = tree;
  }

  /**
   * The range tombstones that a cursor must ask, by source; those without any left out. Not put together: the active
   * memtable may get more after every read.
   */
  rangeTombstones(): TombstoneSet[] {
    const lists: TombstoneSet[] = [];
    if (this.active.memtable.rangeTombstones.length > 0) lists.push(this.active.rangeTombstones());
    for (const table of this.sealed) {
      if (table.memtable.rangeTombstones.length > 0) lists.push(table.rangeTombstones());
    }
    return [...lists, ...this.tree.tombstones];
  }

  /** Lowest value-log file that an entry in memory may point into. */
  minValueLogInMemory(): number {
    return this.sealed.reduce(
      (min, memtable) => Math.min(min, memtable.minValueLog),
      this.active.minValueLog,
    );
  }

  /** Keeps all sources alive for a cursor; undone by `release`. When one of them is gone already, none is kept. */
  retain(): void {
    const sources = [this.active, ...this.sealed, this.tree];
    let count = 0;
    try {
      for (; count < sources.length; count++) sources[count]?.retain();
    } catch (error) {
      for (const retained of sources.slice(0, count)) retained.release();
      throw error;
    }
  }

  release(): void {
    this.active.release();
    for (const memtable of this.sealed) memtable.release();
    this.tree.release();
  }
}

/** Of a snapshot. */
export interface Pinned {
  readonly seq: number;
  readonly createdMs: number;
  readonly state: ReadState | undefined;
}

/** What an open cursor holds on to; let go by its owner, or before by the database or transaction it reads from. */
export class Hold {
  readonly #state: ReadState;
  readonly #cursor: EntryCursor;
  readonly #holds: Set<Hold>;
  isReleased: boolean;
  /** What later calls are refused with, by the name of the call. */
  #refusal: (call: string) => Error;

  /** Retains `state`. */
  constructor(state: ReadState, cursor: EntryCursor, holds: Set<Hold>) {
    state.retain();
    holds.add(this);
    this.#state = state;
    this.#cursor = cursor;
    this.#holds = holds;
    this.isReleased = false;
    this.#refusal = databaseClosed;
  }

  /** What a call is refused with after the release. */
  refusal(call: string): Error {
    return this.#refusal(call);
  }

  /** Closes the cursor and releases its sources. Idempotent. `refusal`: why, when it is not the database that closes. */
  release(refusal: (call: string) => Error = databaseClosed): void {
    if (this.isReleased) return;
    this.isReleased = true;
    this.#refusal = refusal;
    this.#holds.delete(this);
    this.#cursor.close();
    this.#state.release();
  }
}

const databaseClosed = (call: string): Error => new ClosedError(call);

/**
 * A generator up to its first `yield`, which has no value yet: from there on its `finally` runs when it is returned from, also
 * before anything was asked of it. For those that release a hold there.
 */
export function begun<T>(
  generator: Generator<T | undefined, void, void>,
): Generator<T, void, void> {
  generator.next();
  return generator as Generator<T, void, void>;
}

export class PointReader {
  readonly #valueLog: ValueLogReader;
  readonly #rows: RowCache;
  /** undefined: nobody wants to know what is read. */
  readonly #hot: HotRing | undefined;
  readonly #nowMs: () => number;
  readonly #slab: ValueSlab;
  /** The newest entry found so far. */
  #best: LookupResult;
  #candidate: LookupResult;
  /** #best lies in a cached block, which the next read of a table may evict. */
  #isBorrowed: boolean;
  /** The value that #best tells of is all of its bytes, and nobody else's. */
  #isOwned: boolean;

  constructor(
    valueLog: ValueLogReader,
    rows: RowCache,
    hot: HotRing | undefined,
    nowMs: () => number,
  ) {
    this.#valueLog = valueLog;
    this.#rows = rows;
    this.#hot = hot;
    this.#nowMs = nowMs;
    this.#slab = new ValueSlab();
    this.#best = new LookupResult();
    this.#candidate = new LookupResult();
    this.#isBorrowed = false;
    this.#isOwned = false;
  }

  /**
   * The value visible at (seqMax, versionMax), owned by the caller, or undefined. `atMs` judges expiry: 0 means
   * now. `isNewest`: nothing visible is above the two limits, so that what is found may be kept as the key's row.
   * @throws CorruptionError
   */
  get(
    state: ReadState,
    key: KeyBuffer,
    seqMax: number,
    versionMax: number,
    atMs: number,
    isNewest: boolean,
  ): Uint8Array | undefined {
    const found = this.borrow(state, key, seqMax, versionMax, atMs, isNewest);
    if (found === undefined) return undefined;
    return this.#isOwned ? found.bytes : this.#slab.copyOf(found.bytes, found.start, found.length);
  }

  /** As `get`, of a value that may stay where it is: *borrowed* until the next call of the database. */
  borrow(
    state: ReadState,
    key: KeyBuffer,
    seqMax: number,
    versionMax: number,
    atMs: number,
    isNewest: boolean,
  ): LookupResult | undefined {
    if (this.#hot !== undefined) this.#hot.touch(key);
    const rows = this.#rows;
    this.#isOwned = false;
    if (rows.get(key, this.#best)) {
      const row = this.#best;
      // The newest entry of all, when it is visible, is what any reader sees.
      if (row.seq <= seqMax && row.version <= versionMax) {
        return this.#isExpired(row, atMs) ? undefined : row;
      }
    }
    const entry = this.#search(state, key, seqMax, versionMax, atMs);
    if (entry === undefined) return undefined;
    // A row takes memory from blocks: what lies in one is copied before.
    if (entry.kind === KIND_VALUE_POINTER || this.#isBorrowed) this.#own(entry);
    if (isNewest) rows.put(key, entry, entry.bytes, entry.start, entry.length);
    return entry;
  }

  /**
   * As `get`, in the state of a snapshot that a follower may have left: the rows in the cache are those of another one, in
   * which the same numbers may stand for other writes when the workdir was begun anew. Requires a snapshot with a state.
   */
  getPinned(
    { state, seq, createdMs }: Pinned,
    key: KeyBuffer,
    versionMax: number,
  ): Uint8Array | undefined {
    if (this.#hot !== undefined) this.#hot.touch(key);
    this.#isOwned = false;
    const entry = this.#search(state as ReadState, key, seq, versionMax, createdMs);
    if (entry === undefined) return undefined;
    if (entry.kind === KIND_VALUE_POINTER) this.#own(entry);
    return this.#isOwned ? entry.bytes : this.#slab.copyOf(entry.bytes, entry.start, entry.length);
  }

  /** The entry that decides, past the rows; undefined when it is a delete, expired or covered. */
  #search(
    state: ReadState,
    key: KeyBuffer,
    seqMax: number,
    versionMax: number,
    atMs: number,
  ): LookupResult | undefined {
    if (!this.#find(state, key, seqMax, versionMax)) return undefined;
    const entry = this.#best;
    if (entry.kind === KIND_DELETE || this.#isExpired(entry, atMs)) return undefined;
    return isCovered(state, key, entry, seqMax, versionMax) ? undefined : entry;
  }

  /** Puts the value of a found entry into memory of its own. */
  #own(entry: LookupResult): void {
    const value =
      entry.kind === KIND_VALUE_POINTER
        ? this.#valueLog.read(entry.bytes, entry.start)
        : this.#slab.copyOf(entry.bytes, entry.start, entry.length);
    entry.bytes = value;
    entry.start = 0;
    entry.length = value.length;
    this.#isOwned = true;
    this.#isBorrowed = false;
  }

  /**
   * As `get`, without the value: is there one? Reads no value log, and `isNewest` does not matter: nothing is kept.
   * `pinned`: that of the snapshot, if it has one, as of `getPinned`. @throws CorruptionError
   */
  has(
    state: ReadState,
    key: KeyBuffer,
    seqMax: number,
    versionMax: number,
    atMs: number,
    pinned?: ReadState,
  ): boolean {
    if (pinned === undefined && this.#rows.get(key, this.#best)) {
      const row = this.#best;
      if (row.seq <= seqMax && row.version <= versionMax) return !this.#isExpired(row, atMs);
    }
    return this.#search(pinned ?? state, key, seqMax, versionMax, atMs) !== undefined;
  }

  /** Of what the last `get` or `has` found: wall milliseconds or NO_EXPIRY. Requires that it found something. */
  get foundExpiresAt(): number {
    return this.#best.expiresAt;
  }

  /** As foundExpiresAt: the sequence number. */
  get foundSeq(): number {
    return this.#best.seq;
  }

  #isExpired(entry: LookupResult, atMs: number): boolean {
    const { expiresAt } = entry;
    return expiresAt !== NO_EXPIRY && expiresAt <= (atMs === 0 ? this.#nowMs() : atMs);
  }

  /** Sets #best to the newest entry of the key; false when there is none. */
  #find(state: ReadState, key: KeyBuffer, seqMax: number, versionMax: number): boolean {
    let found = this.#findInMemtable(state.active, key, seqMax, versionMax, false);
    for (const memtable of state.sealed) {
      found = this.#findInMemtable(memtable, key, seqMax, versionMax, found);
    }
    const tree = state.tree;
    if (found && tree.maxVersion < this.#best.version) return true;
    const runs = tree.runs;
    for (let i = 0; i < runs.length; i++) {
      const table = runs[i] as OpenTable;
      if (found && table.meta.maxVersion < this.#best.version) continue;
      found = this.#findInTable(table, key, seqMax, versionMax, found);
    }
    const levels = tree.levels;
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i] as Level;
      if (found && level.maxVersion < this.#best.version) continue;
      const table = level.tableFor(key);
      if (table !== undefined) found = this.#findInTable(table, key, seqMax, versionMax, found);
    }
    return found;
  }

  #findInTable(
    table: OpenTable,
    key: KeyBuffer,
    seqMax: number,
    versionMax: number,
    found: boolean,
  ): boolean {
    if (found && this.#isBorrowed) {
      // Rare: only managed versions make an older table worth a look after a hit in a newer one.
      const best = this.#best;
      best.bytes = detach(best.bytes, best.start, best.length);
      best.start = 0;
      this.#isBorrowed = false;
    }
    const isThere = table.reader.get(key, seqMax, versionMax, this.#candidate);
    return this.#keepNewer(found, isThere, true);
  }

  #findInMemtable(
    table: LoggedMemtable,
    key: KeyBuffer,
    seqMax: number,
    versionMax: number,
    found: boolean,
  ): boolean {
    const memtable = table.memtable;
    if (found && memtable.maxVersion() < this.#best.version) return true;
    const at = memtable.findVisible(key, seqMax, versionMax);
    if (at === 0) return found;
    const view = table.view;
    const candidate = this.#candidate;
    candidate.kind = entryKind(view, at);
    candidate.version = entryVersion(view, at);
    candidate.seq = entrySeq(view, at);
    candidate.expiresAt = entryExpiresAt(view, at);
    candidate.bytes = table.data;
    candidate.start = entryValueStart(view, at);
    candidate.length = entryValueLength(view, at);
    return this.#keepNewer(found, true, false);
  }

  /** Makes the candidate the best one when it is newer. */
  #keepNewer(found: boolean, isCandidate: boolean, isBorrowed: boolean): boolean {
    if (!isCandidate) return found;
    const candidate = this.#candidate;
    const best = this.#best;
    if (found) {
      const isNewer =
        candidate.version > best.version ||
        (candidate.version === best.version && candidate.seq > best.seq);
      if (!isNewer) return true;
    }
    this.#best = candidate;
    this.#candidate = best;
    this.#isBorrowed = isBorrowed;
    return true;
  }
}

/** Does a range tombstone that the read sees delete this entry? */
function isCovered(
  state: ReadState,
  key: KeyBuffer,
  entry: LookupResult,
  seqMax: number,
  versionMax: number,
): boolean {
  if (isCoveredIn(state.active, key, entry, seqMax, versionMax)) return true;
  for (const memtable of state.sealed) {
    if (isCoveredIn(memtable, key, entry, seqMax, versionMax)) return true;
  }
  const { tombstones } = state.tree;
  const { version, seq } = entry;
  for (let i = 0; i < tombstones.length; i++) {
    const run = tombstones[i] as TombstoneRun;
    if (run.covers(key.bytes, 0, key.length, version, seq, seqMax, versionMax)) return true;
  }
  return false;
}

function isCoveredIn(
  table: LoggedMemtable,
  key: KeyBuffer,
  entry: LookupResult,
  seqMax: number,
  versionMax: number,
): boolean {
  if (table.memtable.rangeTombstones.length === 0) return false;
  const tombstones = table.rangeTombstones();
  return tombstones.covers(key.bytes, 0, key.length, entry.version, entry.seq, seqMax, versionMax);
}

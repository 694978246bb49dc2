/**
 * Memtable: the entries of one log segment, in memory, in order. The entries lie in the data arena,
 * where the write queue encodes them (entry.ts) as parts of log records; the index, a radix tree or a
 * skip list over encoded keys, lies in the index arena. An entry becomes visible by `insert`.
 *
 * Ownership: the thread that created it writes and reads. When it takes no more inserts, its
 * descriptor may go to workers, which attach and read it; the message orders memory, so no word
 * needs to be atomic. The arenas belong to the memtable until the last reader is done; the creator
 * then releases them to the pool.
 *
 * Range tombstones are not indexed: `rangeTombstones` lists their offsets in order of insertion.
 *
 * Cost of history: the versions of one key form a list, newest first. A read below the newest
 * versions walks past them, and so does a managed write of an old version.
 */
import { assert, unreachable } from '../../base/assert.js';
import type { Random } from '../../base/env.js';
import { viewOf } from '../../base/codec.js';
import { SEQ_MAX } from '../../base/limits.js';
import {
  entryExpiresAt,
  entryKeyLength,
  entryKeyStart,
  entryKind,
  entryNext,
  entrySeq,
  entryVersion,
  KIND_DELETE,
  KIND_RANGE_DELETE,
  NO_EXPIRY,
} from '../entry.js';
import { hashEncodedKey, type KeyBuffer } from '../key.js';
import type { MemtableKind, Options } from '../options.js';
import { type Arena, ArenaPool } from './arena-pool.js';
import { Art, artBytesFor } from './art.js';
import { ArtPath } from './art-path.js';
import { MemtableCursor } from './memtable-cursor.js';
import { SkipList, skipListBytesFor, SkipListPath } from './skiplist.js';

/** Counts of a memtable; names and meaning as in TableMeta. */
export interface MemtableFigures {
  /** Entries of all kinds but range tombstones. */
  readonly entries: number;
  /** Entries of kind DELETE. */
  readonly tombstones: number;
  /** Different keys. */
  readonly keys: number;
  /** Of entries and range tombstones; SEQ_MAX when there are none. */
  readonly minSeq: number;
  /** Of entries and range tombstones; 0 when there are none. */
  readonly maxSeq: number;
  readonly maxVersion: number;
  /** Earliest expiry of an entry, wall milliseconds; NO_EXPIRY when none expires. */
  readonly earliestExpiry: number;
}

/** A memtable as plain data: it may be posted to a worker, which shares the memory. */
export interface MemtableDescriptor extends Arena, MemtableFigures {
  readonly kind: MemtableKind;
  /** Offsets of the range tombstones. */
  readonly rangeTombstones: readonly number[];
}

/** No index arena is larger: offsets in it have 31 bits. */
export const INDEX_BYTES_MAX = 2 ** 31 - 8;

/** Bytes of an index arena that surely takes `entries` keys. */
export function indexBytesFor(kind: MemtableKind, entries: number): number {
  return kind === 'art' ? artBytesFor(entries) : skipListBytesFor(entries);
}

/** Index arenas are sized for entries of this many bytes; one that fills up first ends its memtable. */
const ENTRY_BYTES_USUAL = 100;

/** A pool of arenas that take a memtable as the options ask for it, of which `freeMax` are kept for reuse. */
export function arenaPoolFor(options: Options, freeMax: number): ArenaPool {
  const entries = Math.ceil(options.memtableBytes / ENTRY_BYTES_USUAL);
  return new ArenaPool(options.memtableBytes, indexBytesFor(options.memtable, entries), freeMax);
}

/** What `insert` returns for a range delete; no hash. */
export const NO_KEY = -1;

const FILTER_WORDS_LOG_MIN = 1;
const FILTER_WORDS_LOG_MAX = 20;
/** One word of the filter for this many bytes of data: 0.3 % of the lookups in vain pass it for rows of this size, 1.1 % for half. */
const BYTES_PER_FILTER_WORD = 1024;

function filterWordsLog(dataBytes: number): number {
  const log = 31 - Math.clz32(Math.max(1, dataBytes / BYTES_PER_FILTER_WORD));
  return Math.min(FILTER_WORDS_LOG_MAX, Math.max(FILTER_WORDS_LOG_MIN, log));
}

/** Three bits of a word, from bits of the hash that do not choose the word. */
function filterBits(hash: number): number {
  return (1 << hash) | (1 << (hash >>> 5)) | (1 << (hash >>> 10));
}

const NO_RANDOM: Random = { u32: () => unreachable('memtable: an attached one takes no inserts') };

export class Memtable {
  readonly kind: MemtableKind;
  readonly arena: Arena;
  /** The data arena. */
  readonly data: Uint8Array;
  readonly view: DataView;
  /** Offsets of the range tombstones, in order of insertion. Read only for others. */
  readonly rangeTombstones: number[];
  readonly #isAttached: boolean;
  readonly #art: Art | undefined;
  readonly #list: SkipList | undefined;
  /**
   * A bloom filter of the keys: a read of a key that is not here ends after one word of it, which is likely in the
   * processor's cache, instead of on a walk down the index, which is not. All ones in an attached memtable.
   */
  readonly #filter: Int32Array;
  /** Hash bits that are left when the upper ones choose the word. */
  readonly #filterShift: number;
  #entries: number;
  #tombstones: number;
  #keys: number;
  #minSeq: number;
  #maxSeq: number;
  #maxVersion: number;
  #earliestExpiry: number;

  private constructor(
    kind: MemtableKind,
    arena: Arena,
    random: Random,
    from: MemtableDescriptor | undefined,
  ) {
    this.kind = kind;
    this.arena = arena;
    this.data = new Uint8Array(arena.data);
    this.view = viewOf(this.data);
    this.rangeTombstones = from === undefined ? [] : [...from.rangeTombstones];
    this.#isAttached = from !== undefined;
    const filterLog = from === undefined ? filterWordsLog(this.data.length) : FILTER_WORDS_LOG_MIN;
    this.#filter = new Int32Array(1 << filterLog);
    if (from !== undefined) this.#filter.fill(-1);
    this.#filterShift = 32 - filterLog;
    this.#art = kind === 'art' ? new Art(this.data, this.view, arena.index) : undefined;
    this.#list =
      kind === 'skiplist' ? new SkipList(this.data, this.view, arena.index, random) : undefined;
    this.#entries = from?.entries ?? 0;
    this.#tombstones = from?.tombstones ?? 0;
    this.#keys = from?.keys ?? 0;
    this.#minSeq = from?.minSeq ?? SEQ_MAX;
    this.#maxSeq = from?.maxSeq ?? 0;
    this.#maxVersion = from?.maxVersion ?? 0;
    this.#earliestExpiry = from?.earliestExpiry ?? NO_EXPIRY;
  }

  /** An empty memtable in an arena, which may be a recycled one. `random` shapes the skip list. */
  static create(kind: MemtableKind, arena: Arena, random: Random): Memtable {
    const memtable = new Memtable(kind, arena, random, undefined);
    if (memtable.#art !== undefined) memtable.#art.reset();
    if (memtable.#list !== undefined) memtable.#list.reset();
    return memtable;
  }

  /** The memtable of a descriptor, in another thread or this one. It takes no inserts. */
  static attach(descriptor: MemtableDescriptor): Memtable {
    const arena = { data: descriptor.data, index: descriptor.index };
    return new Memtable(descriptor.kind, arena, NO_RANDOM, descriptor);
  }

  /** Requires that no insert comes while an attached instance is in use. */
  descriptor(): MemtableDescriptor {
    return {
      kind: this.kind,
      data: this.arena.data,
      index: this.arena.index,
      rangeTombstones: [...this.rangeTombstones],
      ...this.figures(),
    };
  }

  figures(): MemtableFigures {
    return {
      entries: this.#entries,
      tombstones: this.#tombstones,
      keys: this.#keys,
      minSeq: this.#minSeq,
      maxSeq: this.#maxSeq,
      maxVersion: this.#maxVersion,
      earliestExpiry: this.#earliestExpiry,
    };
  }

  isEmpty(): boolean {
    return this.#entries === 0 && this.rangeTombstones.length === 0;
  }

  /** Highest version of any entry or range tombstone; 0 when empty. */
  maxVersion(): number {
    return this.#maxVersion;
  }

  /** Bytes of the index arena in use, known to the creator only. */
  indexBytesUsed(): number {
    if (this.#art !== undefined) return 4 * this.#art.usedWords();
    return this.#list === undefined ? 0 : 4 * this.#list.usedWords();
  }

  /**
   * True when the index surely takes that many more entries, whatever their keys are. A key takes at
   * most 36 bytes (art) or 16 (skiplist) on average; range tombstones take nothing.
   */
  hasRoomFor(entries: number): boolean {
    if (this.#art !== undefined) return this.#art.hasRoomFor(entries);
    return this.#list !== undefined && this.#list.hasRoomFor(entries);
  }

  /**
   * Makes the entry at a data arena offset visible. Requires a whole, valid entry there with a valid
   * encoded key, that it was not inserted before, and hasRoomFor(1); then it never fails. Of two
   * entries with equal key, version and sequence the later inserted one counts as newer.
   * Returns the hash of its key (hashEncodedKey), NO_KEY for a range delete.
   */
  insert(at: number): number {
    assert(!this.#isAttached, 'memtable: an attached one takes no inserts');
    assert(at > 0, 'memtable: offset 0 is no entry');
    const view = this.view;
    const kind = entryKind(view, at);
    const seq = entrySeq(view, at);
    const version = entryVersion(view, at);
    if (seq < this.#minSeq) this.#minSeq = seq;
    if (seq > this.#maxSeq) this.#maxSeq = seq;
    if (version > this.#maxVersion) this.#maxVersion = version;
    if (kind === KIND_RANGE_DELETE) {
      this.rangeTombstones.push(at);
      return NO_KEY;
    }
    this.#entries++;
    if (kind === KIND_DELETE) this.#tombstones++;
    const expiresAt = entryExpiresAt(view, at);
    if (expiresAt !== NO_EXPIRY) this.#noteExpiry(expiresAt);
    if (this.#index(at)) this.#keys++;
    const hash = hashEncodedKey(this.data, entryKeyStart(view, at), entryKeyLength(view, at));
    (this.#filter[hash >>> this.#filterShift] as number) |= filterBits(hash);
    return hash;
  }

  /** Offset of the newest entry of an encoded key, or 0. */
  find(keyBytes: Uint8Array, keyStart: number, keyLength: number): number {
    if (this.#art !== undefined) return this.#art.find(keyBytes, keyStart, keyLength);
    return this.#list === undefined ? 0 : this.#list.find(keyBytes, keyStart, keyLength);
  }

  /** Offset of the key's first entry in internal order with seq <= seqMax and version <= versionMax, or 0. */
  findVisible(key: KeyBuffer, seqMax: number, versionMax: number): number {
    const bits = filterBits(key.hash);
    if (((this.#filter[key.hash >>> this.#filterShift] as number) & bits) !== bits) return 0;
    const view = this.view;
    let at = this.find(key.bytes, 0, key.length);
    while (at !== 0 && (entrySeq(view, at) > seqMax || entryVersion(view, at) > versionMax)) {
      at = entryNext(view, at);
    }
    return at;
  }

  /** A cursor over all entries, range tombstones excepted. Stays right while entries are inserted. */
  newCursor(): MemtableCursor {
    const artPath = this.#art === undefined ? undefined : new ArtPath(this.#art);
    const listPath =
      this.#list === undefined ? undefined : new SkipListPath(this.#list, this.data, this.view);
    return new MemtableCursor(this, artPath, listPath);
  }

  #index(at: number): boolean {
    if (this.#art !== undefined) return this.#art.insert(at);
    return this.#list !== undefined && this.#list.insert(at);
  }

  #noteExpiry(expiresAt: number): void {
    if (this.#earliestExpiry === NO_EXPIRY || expiresAt < this.#earliestExpiry) {
      this.#earliestExpiry = expiresAt;
    }
  }
}

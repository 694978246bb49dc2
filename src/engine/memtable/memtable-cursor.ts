/**
 * Cursor over a memtable: the index gives the keys, the chains their versions.
 *
 * Entries may be inserted between moves (same thread): the cursor keeps the offset of its entry,
 * which never moves. It passes every entry that was there when it was positioned; of those that came
 * later it may or may not see some; order always holds.
 *
 * Backwards through versions: chains have links to older entries only, so the offsets of the newer
 * ones are kept on a stack while going back, 4 bytes per version of the one current key.
 */
import type { EntryCursor } from '../iterators/entry-cursor.js';
import type { RowBatch } from '../iterators/row-batch.js';
import {
  entryExpiresAt,
  entryKeyLength,
  entryKeyStart,
  entryKind,
  entryNext,
  entrySeq,
  entryValueLength,
  entryVersion,
  NO_EXPIRY,
} from '../entry.js';
import type { ArtPath } from './art-path.js';
import type { SkipListPath } from './skiplist.js';

/** What the cursor needs of its memtable. */
interface EntrySource {
  readonly data: Uint8Array;
  readonly view: DataView;
  find(keyBytes: Uint8Array, keyStart: number, keyLength: number): number;
}

const NO_BYTES = new Uint8Array(0);
const NEWER_INITIAL = 16;
/** Of #newerCount: the stack does not hold the newer entries of the current key. */
const UNKNOWN = -1;

export class MemtableCursor implements EntryCursor {
  valid: boolean;
  keyBytes: Uint8Array;
  keyStart: number;
  keyLength: number;
  version: number;
  seq: number;
  kind: number;
  expiresAt: number;
  valueBytes: Uint8Array;
  valueStart: number;
  valueLength: number;
  /** The arena is used again. */
  readonly isValueOwned = false;
  /** Data arena offset of the current entry; 0 when not valid. */
  at: number;
  readonly #source: EntrySource;
  readonly #view: DataView;
  readonly #artPath: ArtPath | undefined;
  readonly #listPath: SkipListPath | undefined;
  /** Offsets of the current key's entries before the current one, newest first; see #newerCount. */
  #newer: Uint32Array;
  #newerCount: number;

  /** Made by Memtable.newCursor. Exactly one of the paths is there. */
  constructor(
    source: EntrySource,
    artPath: ArtPath | undefined,
    listPath: SkipListPath | undefined,
  ) {
    this.valid = false;
    this.keyBytes = source.data;
    this.keyStart = 0;
    this.keyLength = 0;
    this.version = 0;
    this.seq = 0;
    this.kind = 0;
    this.expiresAt = NO_EXPIRY;
    this.valueBytes = source.data;
    this.valueStart = 0;
    this.valueLength = 0;
    this.at = 0;
    this.#source = source;
    this.#view = source.view;
    this.#artPath = artPath;
    this.#listPath = listPath;
    this.#newer = new Uint32Array(NEWER_INITIAL);
    this.#newerCount = UNKNOWN;
  }

  first(): void {
    this.#enterKey(this.#artPath !== undefined ? this.#artPath.first() : this.#list().first());
  }

  last(): void {
    this.#enterKeyAtOldest(
      this.#artPath !== undefined ? this.#artPath.last() : this.#list().last(),
    );
  }

  seek(key: Uint8Array, start: number, length: number): void {
    this.#enterKey(
      this.#artPath !== undefined
        ? this.#artPath.seek(key, start, length)
        : this.#list().seek(key, start, length),
    );
  }

  seekBefore(key: Uint8Array, start: number, length: number): void {
    this.#enterKeyAtOldest(
      this.#artPath !== undefined
        ? this.#artPath.seekBefore(key, start, length)
        : this.#list().seekBefore(key, start, length),
    );
  }

  next(): void {
    const older = entryNext(this.#view, this.at);
    if (older === 0) {
      this.nextKey();
      return;
    }
    if (this.#newerCount !== UNKNOWN) this.#pushNewer(this.at);
    this.#load(older);
  }

  /** To the newest entry of the next key. Requires valid. */
  nextKey(): void {
    this.#enterKey(this.#artPath !== undefined ? this.#artPath.next() : this.#list().next());
  }

  /** Adds nothing: values of an arena have to be copied. */
  nextKeyInto(_batch: RowBatch): void {
    this.nextKey();
  }

  prev(): void {
    if (this.#newerCount === UNKNOWN) this.#collectNewer();
    if (this.#newerCount === 0) {
      this.#enterKeyAtOldest(this.#previousHead());
      return;
    }
    this.#newerCount--;
    this.#load(this.#newer[this.#newerCount] as number);
  }

  /** To the newest entry of the previous key, without a walk through its versions. Requires valid. */
  prevKey(): void {
    this.#enterKey(this.#previousHead());
  }

  close(): void {
    this.valid = false;
    this.at = 0;
    this.keyBytes = NO_BYTES;
    this.valueBytes = NO_BYTES;
  }

  #list(): SkipListPath {
    return this.#listPath as SkipListPath;
  }

  #previousHead(): number {
    return this.#artPath !== undefined ? this.#artPath.prev() : this.#list().prev();
  }

  #enterKey(head: number): void {
    this.#newerCount = UNKNOWN;
    this.#load(head);
  }

  #enterKeyAtOldest(head: number): void {
    this.#newerCount = 0;
    let at = head;
    let older = at === 0 ? 0 : entryNext(this.#view, at);
    while (older !== 0) {
      this.#pushNewer(at);
      at = older;
      older = entryNext(this.#view, at);
    }
    this.#load(at);
  }

  /** Fills the stack for the current entry, entries inserted meanwhile included. */
  #collectNewer(): void {
    this.#newerCount = 0;
    let at = this.#source.find(this.keyBytes, this.keyStart, this.keyLength);
    while (at !== this.at) {
      this.#pushNewer(at);
      at = entryNext(this.#view, at);
    }
  }

  #pushNewer(at: number): void {
    if (this.#newerCount === this.#newer.length) {
      const grown = new Uint32Array(2 * this.#newer.length);
      grown.set(this.#newer);
      this.#newer = grown;
    }
    this.#newer[this.#newerCount++] = at;
  }

  #load(at: number): void {
    this.at = at;
    this.valid = at !== 0;
    if (at === 0) return;
    const view = this.#view;
    const keyStart = entryKeyStart(view, at);
    const keyLength = entryKeyLength(view, at);
    this.keyStart = keyStart;
    this.keyLength = keyLength;
    this.version = entryVersion(view, at);
    this.seq = entrySeq(view, at);
    this.kind = entryKind(view, at);
    this.expiresAt = entryExpiresAt(view, at);
    this.valueStart = keyStart + keyLength;
    this.valueLength = entryValueLength(view, at);
  }
}

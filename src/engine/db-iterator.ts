/**
 * A positioned iterator over the rows of a range as of one moment: for callers that seek. A plain pass
 * over a range is a scan (scan.ts).
 *
 * Contract: a fresh iterator is not valid until first, last, seek or seekForPrev. A seek outside the bounds
 * clamps to them; past the far bound the iterator is invalid, and next or prev do not bring it back.
 * A move that fails (CorruptionError, IoError) leaves it invalid and usable: the next seek starts anew, and next or prev
 * do not pass over what can not be read.
 */
import { ClosedError } from '../base/errors.js';
import { encodeKey, keySuccessor } from './key.js';
import type { EntryCursor } from './iterators/entry-cursor.js';
import { userKey, valueOf } from './iterators/row-batch.js';
import type { Hold } from './read-view.js';
import type { ValueSlab } from './value-slab.js';
import type { ValueLogReader } from './vlog/reader.js';

export class DbIterator {
  readonly #cursor: EntryCursor;
  readonly #family: number;
  readonly #valueLog: ValueLogReader;
  readonly #slab: ValueSlab;
  readonly #hold: Hold;
  /** False until the first seek, and from the begin of a move until it comes to its end. */
  #isPositioned: boolean;

  /** Made by `Db.iterator()` and `Transaction.iterator()`; the cursor shows one entry per key. `hold` keeps what the cursor reads. */
  constructor(
    cursor: EntryCursor,
    family: number,
    valueLog: ValueLogReader,
    slab: ValueSlab,
    hold: Hold,
  ) {
    this.#cursor = cursor;
    this.#family = family;
    this.#valueLog = valueLog;
    this.#slab = slab;
    this.#hold = hold;
    this.#isPositioned = false;
  }

  /** Does it stand on a row? */
  get valid(): boolean {
    return this.#isPositioned && !this.#hold.isReleased && this.#cursor.valid;
  }

  /** The key it stands on, owned by the caller. Requires valid. */
  get key(): Uint8Array {
    this.#mustBeValid();
    const { keyBytes, keyStart, keyLength } = this.#cursor;
    return userKey(keyBytes, keyStart, keyLength, this.#slab);
  }

  /** The value it stands on, owned by the caller; read from the value log only here. Requires valid. @throws CorruptionError */
  get value(): Uint8Array {
    this.#mustBeValid();
    return valueOf(this.#cursor, this.#valueLog, this.#slab);
  }

  /** Wall milliseconds at which the row it stands on is gone, or NO_EXPIRY. Requires valid. */
  get expiresAt(): number {
    this.#mustBeValid();
    return this.#cursor.expiresAt;
  }

  /** To the first row; returns valid. */
  first(): boolean {
    this.#mustBeOpen();
    this.#isPositioned = false;
    this.#cursor.first();
    return this.#moved();
  }

  /** To the last row. */
  last(): boolean {
    this.#mustBeOpen();
    this.#isPositioned = false;
    this.#cursor.last();
    return this.#moved();
  }

  /** To the first row with a key >= `key`. An empty key is before all. */
  seek(key: Uint8Array | string): boolean {
    this.#mustBeOpen();
    const target = key.length === 0 ? Uint8Array.of(this.#family) : encodeKey(this.#family, key);
    this.#isPositioned = false;
    this.#cursor.seek(target, 0, target.length);
    return this.#moved();
  }

  /** To the last row with a key <= `key`. */
  seekForPrev(key: Uint8Array | string): boolean {
    this.#mustBeOpen();
    const target =
      key.length === 0 ? Uint8Array.of(this.#family) : keySuccessor(encodeKey(this.#family, key));
    this.#isPositioned = false;
    this.#cursor.seekBefore(target, 0, target.length);
    return this.#moved();
  }

  /** To the next row; false at the end, or when it was not valid. */
  next(): boolean {
    this.#mustBeOpen();
    if (!this.valid) return false;
    this.#isPositioned = false;
    this.#cursor.next();
    return this.#moved();
  }

  /** To the previous row. */
  prev(): boolean {
    this.#mustBeOpen();
    if (!this.valid) return false;
    this.#isPositioned = false;
    this.#cursor.prev();
    return this.#moved();
  }

  /** Releases the sources. Idempotent. */
  close(): void {
    this.#isPositioned = false;
    this.#hold.release(iteratorClosed);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #moved(): boolean {
    this.#isPositioned = true;
    return this.#cursor.valid;
  }

  #mustBeOpen(): void {
    if (this.#hold.isReleased) throw this.#hold.refusal('use this iterator');
  }

  #mustBeValid(): void {
    this.#mustBeOpen();
    if (!this.valid) throw new RangeError('Cannot read iterator: it stands on no row');
  }
}

const iteratorClosed = (call: string): Error => new ClosedError(call, 'iterator');

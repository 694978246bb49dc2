/**
 * What a reader sees: one entry per user key, in either direction.
 *
 * Per key the first entry in internal order with seq <= seqMax and version <= versionMax decides. The
 * key is shown unless that entry is a delete, is expired at the snapshot's time, or is covered by a
 * range tombstone that the reader sees.
 *
 * Forward, the deciding entry comes first, and the rest of the key is skipped as a whole. In reverse a
 * key's versions come oldest first: the cursor walks over all of them, keeps the last one that the
 * reader may see, and so has to copy it before moving on. After a reverse move the merge stands before
 * the shown key; turning round seeks.
 *
 *     forward   k@9 k@7 k@2 | m@4      merge at the shown entry
 *     reverse   h@3 | k@2 k@7 k@9      merge at h@3, the shown entry is a copy
 *
 * A move that fails leaves it not valid: it is so from the begin of a move until it stands. Where the merge is then is
 * not known, so only a seek, first or last leads on.
 *
 * Ownership: owns the merge and closes it. Buffers are borrowed until the next move. The range
 * tombstones must hold at least those that the reader sees, of every source; they may grow meanwhile.
 */
import { assert } from '../../base/assert.js';
import { compareBytes, copyBytes, equalBytes } from '../../base/bytes.js';
import { KIND_DELETE, NO_EXPIRY } from '../entry.js';
import type { TombstoneSet } from '../range-tombstones.js';
import type { EntryCursor } from './entry-cursor.js';
import type { MergingCursor } from './merging.js';
import type { RowBatch } from './row-batch.js';

const NO_BYTES = new Uint8Array(0);

export interface VisibleCursorOptions {
  /** Highest sequence number that the reader sees. */
  readonly seqMax: number;
  /** Highest version that the reader sees; SEQ_MAX for an ordinary read. */
  readonly versionMax: number;
  /** Wall milliseconds of the snapshot: expiry is judged at this moment. */
  readonly nowMs: number;
  /** Encoded keys, half-open; undefined is no bound. Kept, not copied. */
  readonly lower?: Uint8Array | undefined;
  readonly upper?: Uint8Array | undefined;
  /** By source, in any order. */
  readonly tombstones: readonly TombstoneSet[];
}

export class VisibleCursor implements EntryCursor {
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
  isValueOwned: boolean;

  readonly #merge: MergingCursor;
  readonly #seqMax: number;
  readonly #versionMax: number;
  readonly #nowMs: number;
  readonly #lower: Uint8Array | undefined;
  readonly #upper: Uint8Array | undefined;
  readonly #tombstones: readonly TombstoneSet[];
  /** True while the merge stands at the shown entry, false while it stands before its key. */
  #forward: boolean;
  /** The shown entry of a reverse move; the key also serves seeks. */
  #key: Uint8Array;
  #value: Uint8Array;

  constructor(merge: MergingCursor, options: VisibleCursorOptions) {
    this.valid = false;
    this.keyBytes = NO_BYTES;
    this.keyStart = 0;
    this.keyLength = 0;
    this.version = 0;
    this.seq = 0;
    this.kind = 0;
    this.expiresAt = 0;
    this.valueBytes = NO_BYTES;
    this.valueStart = 0;
    this.valueLength = 0;
    this.isValueOwned = false;
    this.#merge = merge;
    this.#seqMax = options.seqMax;
    this.#versionMax = options.versionMax;
    this.#nowMs = options.nowMs;
    this.#lower = options.lower;
    this.#upper = options.upper;
    this.#tombstones = options.tombstones;
    this.#forward = true;
    this.#key = new Uint8Array(64);
    this.#value = NO_BYTES;
  }

  seek(key: Uint8Array, start: number, length: number): void {
    this.valid = false;
    const lower = this.#lower;
    if (lower !== undefined && compareBytes(key, start, length, lower, 0, lower.length) < 0) {
      this.#merge.seek(lower, 0, lower.length);
    } else {
      this.#merge.seek(key, start, length);
    }
    this.#findForward();
  }

  seekBefore(key: Uint8Array, start: number, length: number): void {
    this.valid = false;
    const upper = this.#upper;
    if (upper !== undefined && compareBytes(key, start, length, upper, 0, upper.length) > 0) {
      this.#merge.seekBefore(upper, 0, upper.length);
    } else {
      this.#merge.seekBefore(key, start, length);
    }
    this.#findBackward();
  }

  first(): void {
    this.valid = false;
    const lower = this.#lower;
    if (lower === undefined) this.#merge.first();
    else this.#merge.seek(lower, 0, lower.length);
    this.#findForward();
  }

  last(): void {
    this.valid = false;
    const upper = this.#upper;
    if (upper === undefined) this.#merge.last();
    else this.#merge.seekBefore(upper, 0, upper.length);
    this.#findBackward();
  }

  next(): void {
    assert(this.valid, 'visible cursor: next needs a current entry');
    this.valid = false;
    if (this.#forward) {
      this.#merge.nextKey();
    } else {
      this.#reserveKey(this.keyLength + 1); // the successor of the shown key: key, 0x00
      this.#key[this.keyLength] = 0;
      this.#merge.seek(this.#key, 0, this.keyLength + 1);
    }
    this.#findForward();
  }

  prev(): void {
    assert(this.valid, 'visible cursor: prev needs a current entry');
    this.valid = false;
    if (this.#forward) {
      this.#saveKey(this.keyBytes, this.keyStart, this.keyLength);
      this.#merge.seekBefore(this.#key, 0, this.keyLength);
    }
    this.#findBackward();
  }

  /** One entry per key is shown, so this is `next`. */
  nextKey(): void {
    this.next();
  }

  /** Adds nothing: who reads over a reader judges each row. */
  nextKeyInto(_batch: RowBatch): void {
    this.next();
  }

  /**
   * Moves on over rows and adds them to the batch until it is full; then it stands on the last one of them, and else
   * behind the end. Requires valid, a forward move before, and a batch that is not full.
   */
  take(batch: RowBatch): void {
    assert(this.valid, 'visible cursor: take needs a current entry');
    assert(this.#forward, 'visible cursor: take goes forward only');
    const merge = this.#merge;
    const isPlain = this.#tombstones.length === 0;
    while (!batch.isFull) {
      this.valid = false;
      if (isPlain) {
        batch.startRun(this.#seqMax, this.#versionMax, this.#upper);
        merge.nextKeyInto(batch);
      } else {
        merge.nextKey();
      }
      const isAdded = batch.isFull;
      this.#findForward();
      if (!this.valid) return;
      if (!isAdded) batch.add(this);
    }
  }

  close(): void {
    this.valid = false;
    this.#merge.close();
  }

  /** Shows the first visible key from the merge's position on. Requires that it is not valid. */
  #findForward(): void {
    const merge = this.#merge;
    const upper = this.#upper;
    this.#forward = true;
    while (merge.valid) {
      if (
        upper !== undefined &&
        compareBytes(merge.keyBytes, merge.keyStart, merge.keyLength, upper, 0, upper.length) >= 0
      ) {
        break;
      }
      if (merge.seq > this.#seqMax || merge.version > this.#versionMax) {
        merge.next();
      } else if (this.#isGone()) {
        merge.nextKey();
      } else {
        this.keyBytes = merge.keyBytes;
        this.keyStart = merge.keyStart;
        this.valueBytes = merge.valueBytes;
        this.valueStart = merge.valueStart;
        this.isValueOwned = merge.isValueOwned;
        this.#showRest();
        this.valid = true;
        return;
      }
    }
  }

  /** Shows the last visible key up to the merge's position, and leaves the merge before that key. As #findForward. */
  #findBackward(): void {
    const merge = this.#merge;
    const lower = this.#lower;
    this.#forward = false;
    while (merge.valid) {
      const length = merge.keyLength;
      if (
        lower !== undefined &&
        compareBytes(merge.keyBytes, merge.keyStart, length, lower, 0, lower.length) < 0
      ) {
        break;
      }
      this.#saveKey(merge.keyBytes, merge.keyStart, length);
      if (this.#decideBackward(length)) {
        this.valid = true;
        return;
      }
    }
  }

  /**
   * Walks over the versions of the saved key, oldest first; the newest one that the reader sees decides. True when it is
   * shown: not before, since a newer one may be out of reach.
   */
  #decideBackward(length: number): boolean {
    const merge = this.#merge;
    let isShown = false;
    do {
      if (merge.seq <= this.#seqMax && merge.version <= this.#versionMax) {
        isShown = !this.#isGone();
        if (isShown) this.#showCopy();
      }
      merge.prev();
    } while (
      merge.valid &&
      merge.keyLength === length &&
      equalBytes(merge.keyBytes, merge.keyStart, this.#key, 0, length)
    );
    return isShown;
  }

  /** Is the merge's entry, which decides its key, a delete, expired or covered? */
  #isGone(): boolean {
    const merge = this.#merge;
    if (merge.kind === KIND_DELETE) return true;
    if (merge.expiresAt !== NO_EXPIRY && merge.expiresAt <= this.#nowMs) return true;
    return this.#tombstones.length > 0 && this.#isCovered();
  }

  #isCovered(): boolean {
    const { keyBytes, keyStart, keyLength, version, seq } = this.#merge;
    for (let i = 0; i < this.#tombstones.length; i++) {
      const tombstones = this.#tombstones[i] as TombstoneSet;
      const seqMax = this.#seqMax;
      const versionMax = this.#versionMax;
      if (tombstones.covers(keyBytes, keyStart, keyLength, version, seq, seqMax, versionMax)) {
        return true;
      }
    }
    return false;
  }

  #showCopy(): void {
    const merge = this.#merge;
    const length = merge.valueLength;
    if (this.#value.length < length)
      this.#value = new Uint8Array(length + Math.min(length, 65_536));
    copyBytes(merge.valueBytes, merge.valueStart, this.#value, 0, length);
    this.keyBytes = this.#key;
    this.keyStart = 0;
    this.valueBytes = this.#value;
    this.valueStart = 0;
    this.isValueOwned = false;
    this.#showRest();
  }

  #showRest(): void {
    const merge = this.#merge;
    this.keyLength = merge.keyLength;
    this.version = merge.version;
    this.seq = merge.seq;
    this.kind = merge.kind;
    this.expiresAt = merge.expiresAt;
    this.valueLength = merge.valueLength;
  }

  #saveKey(bytes: Uint8Array, start: number, length: number): void {
    this.#reserveKey(length + 1);
    copyBytes(bytes, start, this.#key, 0, length);
  }

  /** Keeps the key that is in the buffer. */
  #reserveKey(length: number): void {
    if (this.#key.length >= length) return;
    const larger = new Uint8Array(2 * length);
    larger.set(this.#key);
    this.#key = larger;
  }
}

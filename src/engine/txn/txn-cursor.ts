/**
 * What a transaction sees of a range: its own writes, as they were when the cursor was opened, over the rows of its
 * snapshot. An own write stands for the row of the same key; a range deleted here hides rows, not own writes.
 *
 * Forward, both sides stand at or behind the shown key, and the lesser one is shown; in reverse both stand at or
 * before it. Turning round seeks the rows and searches the own writes anew.
 *
 * With a read set the cursor notes what it has looked at (read-set.ts): one span for each seek, widened by the
 * moves that follow. It is worked out when the cursor turns, seeks again, ends or is closed: until then the shown
 * key is its edge, and a pass over a range allocates nothing for it.
 *
 * Ownership: owns the cursor over the rows and closes it. Buffers are borrowed until the next move.
 */
import { assert } from '../../base/assert.js';
import { compareArrays, compareBytes } from '../../base/bytes.js';
import { KIND_PUT, NO_EXPIRY } from '../entry.js';
import type { EntryCursor } from '../iterators/entry-cursor.js';
import type { RowBatch } from '../iterators/row-batch.js';
import type { VisibleCursor } from '../iterators/visible.js';
import { keySuccessor } from '../key.js';
import { EMPTY } from '../requests.js';
import { type KeySpan, spanOf } from './key-spans.js';
import type { ReadSet, ReadSpan } from './read-set.js';
import { keyText, lowerBound, type PendingWrite } from './write-set.js';

/** What becomes of the rows in a move. */
const STAY = 0;
const STEP = 1;
const SEEK = 2;
const SEEK_BEFORE = 3;

export interface TxnCursorOptions {
  /** Encoded keys, half-open: those of the cursor over the rows. Kept, not copied. */
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  /** All own writes, in key order. */
  readonly own: readonly PendingWrite[];
  /** Ranges deleted: sorted, disjoint. */
  readonly deleted: readonly KeySpan[];
  /** Wall milliseconds at which expiry is judged. */
  readonly nowMs: number;
  /** undefined: reads are not noted. */
  readonly reads: ReadSet | undefined;
}

export class TxnCursor implements EntryCursor {
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

  readonly #rows: VisibleCursor;
  readonly #options: TxnCursorOptions;
  readonly #own: readonly PendingWrite[];
  /** The own writes within the bounds: [#from, #to). */
  readonly #from: number;
  readonly #to: number;
  /** The own write that is next in the direction of the last move. */
  #at: number;
  #isForward: boolean;
  /** An own write is shown; #isOver: the rows stand at the same key. */
  #isOwn: boolean;
  #isOver: boolean;
  #span: ReadSpan | undefined;

  constructor(rows: VisibleCursor, options: TxnCursorOptions) {
    this.valid = false;
    this.keyBytes = EMPTY;
    this.keyStart = 0;
    this.keyLength = 0;
    this.version = 0;
    this.seq = 0;
    this.kind = 0;
    this.expiresAt = NO_EXPIRY;
    this.valueBytes = EMPTY;
    this.valueStart = 0;
    this.valueLength = 0;
    this.isValueOwned = false;
    const { own, lower, upper } = options;
    this.#rows = rows;
    this.#options = options;
    this.#own = own;
    this.#from = lowerBound(own, keyText(lower, 0, lower.length));
    this.#to = Math.max(this.#from, lowerBound(own, keyText(upper, 0, upper.length)));
    this.#at = 0;
    this.#isForward = true;
    this.#isOwn = false;
    this.#isOver = false;
    this.#span = undefined;
  }

  seek(key: Uint8Array, start: number, length: number): void {
    const { lower, upper } = this.#options;
    let target = key.subarray(start, start + length);
    if (compareArrays(target, lower) < 0) target = lower;
    if (compareArrays(target, upper) > 0) target = upper;
    this.#begin(target);
    this.#isForward = true;
    this.#at = Math.max(this.#from, lowerBound(this.#own, keyText(target, 0, target.length)));
    this.#move(SEEK, target);
  }

  seekBefore(key: Uint8Array, start: number, length: number): void {
    const { lower, upper } = this.#options;
    let target = key.subarray(start, start + length);
    if (compareArrays(target, lower) < 0) target = lower;
    if (compareArrays(target, upper) > 0) target = upper;
    this.#begin(target);
    this.#isForward = false;
    this.#at = Math.min(this.#to, lowerBound(this.#own, keyText(target, 0, target.length))) - 1;
    this.#move(SEEK_BEFORE, target);
  }

  first(): void {
    const { lower } = this.#options;
    this.seek(lower, 0, lower.length);
  }

  last(): void {
    const { upper } = this.#options;
    this.seekBefore(upper, 0, upper.length);
  }

  next(): void {
    assert(this.valid, 'transaction cursor: next needs a current entry');
    if (!this.#isForward) {
      this.#widen();
      const key = keySuccessor(this.#key());
      this.#isForward = true;
      this.#at = Math.max(this.#from, lowerBound(this.#own, keyText(key, 0, key.length)));
      this.#move(SEEK, key);
      return;
    }
    const movesRows = !this.#isOwn || this.#isOver;
    if (this.#isOwn) this.#at++;
    this.#move(movesRows ? STEP : STAY, EMPTY);
  }

  prev(): void {
    assert(this.valid, 'transaction cursor: prev needs a current entry');
    if (this.#isForward) {
      this.#widen();
      const key = this.#key();
      this.#isForward = false;
      this.#at = Math.min(this.#to, lowerBound(this.#own, keyText(key, 0, key.length))) - 1;
      this.#move(SEEK_BEFORE, key);
      return;
    }
    const movesRows = !this.#isOwn || this.#isOver;
    if (this.#isOwn) this.#at--;
    this.#move(movesRows ? STEP : STAY, EMPTY);
  }

  /** One entry per key is shown, so this is `next`. */
  nextKey(): void {
    this.next();
  }

  /** Adds nothing: what is read ahead would be noted as read. */
  nextKeyInto(_batch: RowBatch): void {
    this.next();
  }

  close(): void {
    this.#widen();
    this.#endSpan();
    this.valid = false;
    this.#rows.close();
  }

  /** Moves the rows and shows what is there. On a failure the rest of the range counts as read. */
  #move(how: number, target: Uint8Array): void {
    this.valid = false;
    try {
      this.#moveRows(how, target);
      if (this.#isForward) this.#settleForward();
      else this.#settleBackward();
    } catch (error) {
      this.valid = false;
      this.#widen();
      throw error;
    }
    if (!this.valid) this.#widen();
  }

  #moveRows(how: number, target: Uint8Array): void {
    const rows = this.#rows;
    if (how === SEEK) rows.seek(target, 0, target.length);
    else if (how === SEEK_BEFORE) rows.seekBefore(target, 0, target.length);
    else if (how === STEP && this.#isForward) rows.next();
    else if (how === STEP) rows.prev();
  }

  #settleForward(): void {
    const rows = this.#rows;
    for (;;) {
      const hidden = this.#hiddenBy();
      if (hidden !== undefined) {
        rows.seek(hidden.upper, 0, hidden.upper.length);
        continue;
      }
      const own = this.#at < this.#to ? this.#own[this.#at] : undefined;
      const order = this.#compare(own);
      if (own === undefined || order > 0) return this.#showRow();
      if (!this.#isGone(own)) return this.#showOwn(own, order === 0);
      this.#at++;
      if (order === 0) rows.next();
    }
  }

  #settleBackward(): void {
    const rows = this.#rows;
    for (;;) {
      const hidden = this.#hiddenBy();
      if (hidden !== undefined) {
        rows.seekBefore(hidden.lower, 0, hidden.lower.length);
        continue;
      }
      const own = this.#at >= this.#from ? this.#own[this.#at] : undefined;
      const order = this.#compare(own);
      if (own === undefined || (order < 0 && rows.valid)) return this.#showRow();
      if (!this.#isGone(own)) return this.#showOwn(own, order === 0);
      this.#at--;
      if (order === 0) rows.prev();
    }
  }

  /** The deleted range that hides the row the rows stand at. */
  #hiddenBy(): KeySpan | undefined {
    const { deleted } = this.#options;
    const rows = this.#rows;
    if (deleted.length === 0 || !rows.valid) return undefined;
    return spanOf(deleted, rows.keyBytes, rows.keyStart, rows.keyLength);
  }

  /** Order of an own write against the row; an own write alone is before. */
  #compare(own: PendingWrite | undefined): number {
    const rows = this.#rows;
    if (own === undefined || !rows.valid) return -1;
    const { key } = own;
    return compareBytes(key, 0, key.length, rows.keyBytes, rows.keyStart, rows.keyLength);
  }

  #isGone(own: PendingWrite): boolean {
    if (own.isDelete) return true;
    return own.expiresAt !== NO_EXPIRY && own.expiresAt <= this.#options.nowMs;
  }

  #showOwn(own: PendingWrite, isOver: boolean): void {
    this.valid = true;
    this.#isOwn = true;
    this.#isOver = isOver;
    this.keyBytes = own.key;
    this.keyStart = 0;
    this.keyLength = own.key.length;
    this.version = own.version;
    this.seq = 0;
    this.kind = KIND_PUT;
    this.expiresAt = own.expiresAt;
    this.valueBytes = own.value;
    this.valueStart = 0;
    this.valueLength = own.value.length;
    this.isValueOwned = false;
  }

  /** Shows the row, or the end. */
  #showRow(): void {
    const rows = this.#rows;
    this.valid = rows.valid;
    this.#isOwn = false;
    this.#isOver = false;
    this.keyBytes = rows.keyBytes;
    this.keyStart = rows.keyStart;
    this.keyLength = rows.keyLength;
    this.version = rows.version;
    this.seq = rows.seq;
    this.kind = rows.kind;
    this.expiresAt = rows.expiresAt;
    this.valueBytes = rows.valueBytes;
    this.valueStart = rows.valueStart;
    this.valueLength = rows.valueLength;
    this.isValueOwned = rows.isValueOwned;
  }

  /** The shown key, copied. */
  #key(): Uint8Array {
    return this.keyBytes.slice(this.keyStart, this.keyStart + this.keyLength);
  }

  /** A seek: what was looked at before is one span, what comes is another. `target` is borrowed. */
  #begin(target: Uint8Array): void {
    this.#widen();
    this.#endSpan();
    const { reads } = this.#options;
    if (reads === undefined) return;
    const bound = target.slice();
    const span = { lower: bound, upper: bound, isGrowing: true };
    reads.addSpan(span);
    this.#span = span;
  }

  /** The span reaches to the shown key, or to the bound that was met. */
  #widen(): void {
    const span = this.#span;
    if (span === undefined) return;
    const { lower, upper, reads } = this.#options;
    const before = span.lower.length + span.upper.length;
    if (this.#isForward) {
      const edge = this.valid ? keySuccessor(this.#key()) : upper;
      if (compareArrays(edge, span.upper) > 0) span.upper = edge;
    } else {
      const edge = this.valid ? this.#key() : lower;
      if (compareArrays(edge, span.lower) < 0) span.lower = edge;
    }
    reads?.lengthened(span.lower.length + span.upper.length - before);
  }

  #endSpan(): void {
    if (this.#span !== undefined) this.#span.isGrowing = false;
    this.#span = undefined;
  }
}

/**
 * One level below L0 as a single cursor: its tables are sorted and disjoint, so at most one of them has an
 * open cursor at any time, and tables that a scan never reaches are never opened.
 *
 * The versions of a key never straddle two tables, so nextKey stays inside a table or moves to the
 * first entry of the next one.
 *
 * A move that fails leaves it not valid: it is so from the begin of a move until it stands. A table that could not be
 * opened leaves none open, and a seek, first or last opens one anew.
 *
 * Ownership: `openCursor` hands over a cursor that this one closes. Tables must outlive this cursor (a
 * pinned version, or the inputs of a job).
 */
import { assert, INVARIANTS } from '../../base/assert.js';
import { compareArrays, compareBytes } from '../../base/bytes.js';
import type { TableMeta } from '../table-meta.js';
import type { EntryCursor } from './entry-cursor.js';
import type { RowBatch } from './row-batch.js';

const NO_BYTES = new Uint8Array(0);

export class RunCursor implements EntryCursor {
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

  readonly #tables: readonly TableMeta[];
  readonly #openCursor: (index: number) => EntryCursor;
  /** Index of the table that #cursor reads; -1 when none is open. */
  #at: number;
  #cursor: EntryCursor | undefined;

  /** `tables` sorted by lower bound, ranges disjoint; `openCursor` makes a cursor over one of them. */
  constructor(tables: readonly TableMeta[], openCursor: (index: number) => EntryCursor) {
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
    this.#tables = tables;
    this.#openCursor = openCursor;
    this.#at = -1;
    this.#cursor = undefined;
    if (INVARIANTS) checkDisjoint(tables);
  }

  seek(key: Uint8Array, start: number, length: number): void {
    this.valid = false;
    const index = firstTableAbove(this.#tables, key, start, length);
    if (index === this.#tables.length) return;
    this.#open(index).seek(key, start, length);
    this.#forwardOverEmpty();
  }

  seekBefore(key: Uint8Array, start: number, length: number): void {
    this.valid = false;
    let index = firstTableAbove(this.#tables, key, start, length);
    const table = this.#tables[index];
    const isInside =
      table !== undefined &&
      compareBytes(table.lower, 0, table.lower.length, key, start, length) < 0;
    if (!isInside) index--;
    if (index < 0) return;
    this.#open(index).seekBefore(key, start, length);
    this.#backwardOverEmpty();
  }

  first(): void {
    this.valid = false;
    if (this.#tables.length === 0) return;
    this.#open(0).first();
    this.#forwardOverEmpty();
  }

  last(): void {
    this.valid = false;
    if (this.#tables.length === 0) return;
    this.#open(this.#tables.length - 1).last();
    this.#backwardOverEmpty();
  }

  next(): void {
    this.#leave().next();
    this.#forwardOverEmpty();
  }

  prev(): void {
    this.#leave().prev();
    this.#backwardOverEmpty();
  }

  nextKey(): void {
    this.#leave().nextKey();
    this.#forwardOverEmpty();
  }

  nextKeyInto(batch: RowBatch): void {
    this.#leave().nextKeyInto(batch);
    // A full batch is left as it is: the cursor stands on its last row.
    this.#forwardOverEmpty();
  }

  close(): void {
    this.valid = false;
    this.#at = -1;
    this.#cursor?.close();
    this.#cursor = undefined;
  }

  /** Begins a move from the current entry. */
  #leave(): EntryCursor {
    assert(this.valid, 'run cursor: this move needs a current entry');
    this.valid = false;
    return this.#cursor as EntryCursor;
  }

  #open(index: number): EntryCursor {
    if (index === this.#at) return this.#cursor as EntryCursor;
    this.close();
    assert(index < this.#tables.length, 'run cursor: no such table');
    const cursor = this.#openCursor(index);
    this.#cursor = cursor;
    this.#at = index;
    return cursor;
  }

  /** A table of range tombstones only has no entries. */
  #forwardOverEmpty(): void {
    let cursor = this.#cursor as EntryCursor;
    while (!cursor.valid && this.#at + 1 < this.#tables.length) {
      cursor = this.#open(this.#at + 1);
      cursor.first();
    }
    this.#show(cursor);
  }

  #backwardOverEmpty(): void {
    let cursor = this.#cursor as EntryCursor;
    while (!cursor.valid && this.#at > 0) {
      cursor = this.#open(this.#at - 1);
      cursor.last();
    }
    this.#show(cursor);
  }

  #show(cursor: EntryCursor): void {
    this.valid = cursor.valid;
    if (!cursor.valid) return;
    this.keyBytes = cursor.keyBytes;
    this.keyStart = cursor.keyStart;
    this.keyLength = cursor.keyLength;
    this.version = cursor.version;
    this.seq = cursor.seq;
    this.kind = cursor.kind;
    this.expiresAt = cursor.expiresAt;
    this.valueBytes = cursor.valueBytes;
    this.valueStart = cursor.valueStart;
    this.valueLength = cursor.valueLength;
    this.isValueOwned = cursor.isValueOwned;
  }
}

/** Index of the first table whose upper bound is above the key: the only one that can hold it. */
export function firstTableAbove(
  tables: readonly TableMeta[],
  key: Uint8Array,
  start: number,
  length: number,
): number {
  let low = 0;
  let high = tables.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const upper = (tables[middle] as TableMeta).upper;
    if (compareBytes(upper, 0, upper.length, key, start, length) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

function checkDisjoint(tables: readonly TableMeta[]): void {
  for (let i = 1; i < tables.length; i++) {
    const ordered =
      compareArrays((tables[i - 1] as TableMeta).upper, (tables[i] as TableMeta).lower) <= 0;
    assert(ordered, 'run cursor: tables overlap');
  }
}

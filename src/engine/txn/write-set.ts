/**
 * What a transaction has written and not committed: the last write of each key, and the ranges it has deleted.
 * Kept so that it can be read at once (points by map, ranges in key order) and taken back to a savepoint.
 *
 * A range delete first drops the writes of its keys; later writes of such a key stand above it. So the batch of a
 * commit is: range deletes, then one operation per key.
 *
 * Ownership: keys and values are copies. `sorted()` and `deleted` hand out arrays that are not changed afterwards: a scan
 * keeps what was there when it was opened, and the next change makes a copy.
 *
 * Memory: the limit of bytes counts what the writes take here, not in the batch: keys and values, the objects around them, and
 * what is kept to go back to a savepoint. A key that is written again since the last savepoint leaves nothing behind.
 *
 * Invariant: #sorted, when it is there, has exactly the writes of #points in key order.
 */
import { detach } from '../../base/bytes.js';
import { TransactionTooLargeError } from '../../base/errors.js';
import { BATCH_BYTES_MAX, BATCH_ENTRIES_MAX } from '../../base/limits.js';
import { entrySize, KIND_DELETE, KIND_PUT, KIND_RANGE_DELETE, NO_EXPIRY } from '../entry.js';
import { type KeyBuffer, userKeyOf } from '../key.js';
import { EMPTY } from '../requests.js';
import type { BatchOperation } from '../batch.js';
import { addSpan, type KeySpan, type SpanChange, spanOf, withoutChange } from './key-spans.js';

/** One write of a key. */
export interface PendingWrite {
  /** Encoded key, and the same bytes as a string of latin-1: its order is the order of the bytes. */
  readonly key: Uint8Array;
  readonly text: string;
  readonly hash: number;
  readonly isDelete: boolean;
  readonly value: Uint8Array;
  /** Wall milliseconds or NO_EXPIRY. */
  readonly expiresAt: number;
  /** Managed version, or 0 for that of the commit. */
  readonly version: number;
  /** The last savepoint when it was written, or 0. */
  readonly savepoint: number;
}

interface RangeDelete extends KeySpan {
  readonly version: number;
}

/** What takes a change back: of a key, or the last range delete. */
type Undo = { readonly text: string; readonly before: PendingWrite | undefined } | SpanChange;

/**
 * Heap of an operation beside its bytes: the arrays and the string of the key and the value, their object, and a place in the map
 * and in the sorted list. Measured with Node 20: 560 to 610 for a put, 490 for a range delete, 350 for a delete.
 */
const OPERATION_BYTES = 600;
/** Heap of an entry of the undo log beside what was there before, and of a savepoint; measured 50 and 90. */
const UNDO_BYTES = 64;
const SAVEPOINT_BYTES = 96;

/** When more changes than these are taken back, the sorted list is made anew. */
const PLACED_MAX = 64;

/** Where to go back to; of one transaction. */
export interface Savepoint {
  /** Counts the savepoints of the transaction, from 1. */
  readonly id: number;
}

interface Mark {
  readonly savepoint: Savepoint;
  readonly undoLength: number;
}

/** The encoded key as a string: one character per byte. */
export function keyText(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1');
}

export class WriteSet {
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #points: Map<string, PendingWrite>;
  /** Merged, for reads. */
  #deleted: KeySpan[];
  /** Somebody else reads #deleted: the next change copies it. */
  #isDeletedShared: boolean;
  /** As they were asked for, in their order. */
  readonly #ranges: RangeDelete[];
  #sorted: PendingWrite[] | undefined;
  /** Somebody else reads #sorted: the next change copies it. */
  #isSortedShared: boolean;
  /** Of the writes. */
  #bytes: number;
  /** Changes since the first savepoint; empty while there is none. Of a key only the first one since each savepoint. */
  readonly #undo: Undo[];
  #undoBytes: number;
  readonly #marks: Mark[];
  #savepoints: number;

  /** The limits are those of a batch, of which these bytes are more than enough, but for tests. */
  constructor(entriesMax = BATCH_ENTRIES_MAX, bytesMax = BATCH_BYTES_MAX) {
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
    this.#points = new Map();
    this.#deleted = [];
    this.#isDeletedShared = false;
    this.#ranges = [];
    this.#sorted = undefined;
    this.#isSortedShared = false;
    this.#bytes = 0;
    this.#undo = [];
    this.#undoBytes = 0;
    this.#marks = [];
    this.#savepoints = 0;
  }

  /** Operations of the batch. */
  get count(): number {
    return this.#points.size + this.#ranges.length;
  }

  /** Memory, as the limit counts it. */
  get bytes(): number {
    return this.#bytes + this.#undoBytes + this.#marks.length * SAVEPOINT_BYTES;
  }

  /** The ranges deleted: sorted, disjoint; never changed afterwards. */
  get deleted(): readonly KeySpan[] {
    this.#isDeletedShared = true;
    return this.#deleted;
  }

  get(text: string): PendingWrite | undefined {
    return this.#points.get(text);
  }

  points(): Iterable<PendingWrite> {
    return this.#points.values();
  }

  /** Is the key in a range that was deleted here? A write of the key itself stands above that. */
  isDeleted(bytes: Uint8Array, start: number, length: number): boolean {
    return this.#deleted.length > 0 && spanOf(this.#deleted, bytes, start, length) !== undefined;
  }

  /** All writes of keys in key order; never changed afterwards. */
  sorted(): readonly PendingWrite[] {
    const sorted = this.#inOrder();
    this.#isSortedShared = true;
    return sorted;
  }

  /** Sets a key; copies key and value. @throws TransactionTooLargeError: nothing was changed */
  put(key: KeyBuffer, value: Uint8Array, expiresAt: number, version: number): void {
    const own = detach(value, 0, value.length);
    this.#set(pendingOf(key, false, own, expiresAt, version, this.#savepoint));
  }

  /** Deletes a key. @throws TransactionTooLargeError: nothing was changed */
  del(key: KeyBuffer, version: number): void {
    this.#set(pendingOf(key, true, EMPTY, NO_EXPIRY, version, this.#savepoint));
  }

  /** Deletes [lower, upper), which is not empty; keeps the bounds. @throws TransactionTooLargeError: nothing was changed */
  deleteRange(lower: Uint8Array, upper: Uint8Array, version: number): void {
    const range = { lower, upper, version };
    const sorted = this.#points.size === 0 ? [] : this.#inOrder();
    const from = lowerBound(sorted, keyText(lower, 0, lower.length));
    const to = lowerBound(sorted, keyText(upper, 0, upper.length));
    const undoBytes = this.#marks.length === 0 ? 0 : UNDO_BYTES * (1 + to - from);
    this.#checkLimits(1, sizeOfRange(range) + undoBytes);
    if (from < to) this.#drop(from, to);
    const change = addSpan(this.#ownDeleted(), { lower, upper });
    if (this.#marks.length > 0) this.#note(change);
    this.#ranges.push(range);
    this.#bytes += sizeOfRange(range);
  }

  /** @throws TransactionTooLargeError */
  savepoint(): Savepoint {
    this.#checkLimits(0, SAVEPOINT_BYTES);
    const savepoint = { id: ++this.#savepoints };
    this.#marks.push({ savepoint, undoLength: this.#undo.length });
    return savepoint;
  }

  /** Takes back every change since; false when it is not one of here, or one that was gone back behind. */
  rollbackTo(savepoint: Savepoint): boolean {
    const at = this.#marks.findIndex((mark) => mark.savepoint === savepoint);
    const mark = this.#marks[at];
    if (mark === undefined) return false;
    const undone = this.#undo.splice(mark.undoLength).reverse();
    if (undone.length > PLACED_MAX) this.#sorted = undefined;
    for (const change of undone) {
      this.#undoBytes -= sizeOfUndo(change);
      if ('removed' in change) this.#takeBackRange(change);
      else this.#replace(change.text, this.#points.get(change.text), change.before);
    }
    this.#marks.length = at + 1;
    return true;
  }

  /** The batch of a commit; `version` is that of every write that has none of its own, 0: its sequence number. */
  operations(version: number): BatchOperation[] {
    const operations: BatchOperation[] = this.#ranges.map((range) => ({
      kind: KIND_RANGE_DELETE,
      family: range.lower[0] as number,
      key: userKeyOf(range.lower),
      value: range.upper,
      expiresAt: NO_EXPIRY,
      version: range.version === 0 ? version : range.version,
    }));
    for (const write of this.#points.values()) {
      operations.push({
        kind: write.isDelete ? KIND_DELETE : KIND_PUT,
        family: write.key[0] as number,
        key: userKeyOf(write.key),
        value: write.value,
        expiresAt: write.expiresAt,
        version: write.version === 0 ? version : write.version,
      });
    }
    return operations;
  }

  /** Lets go of everything. */
  clear(): void {
    this.#points.clear();
    this.#deleted = [];
    this.#ranges.length = 0;
    this.#sorted = undefined;
    this.#undo.length = 0;
    this.#undoBytes = 0;
    this.#marks.length = 0;
    this.#bytes = 0;
  }

  #set(write: PendingWrite): void {
    const before = this.#points.get(write.text);
    const undo = this.#isToNote(before) ? { text: write.text, before } : undefined;
    const freed = before === undefined ? 0 : sizeOf(before);
    const bytes = sizeOf(write) - freed + (undo === undefined ? 0 : sizeOfUndo(undo));
    this.#checkLimits(before === undefined ? 1 : 0, bytes);
    if (undo !== undefined) this.#note(undo);
    this.#replace(write.text, before, write);
  }

  /** The last savepoint, or 0. */
  get #savepoint(): number {
    return this.#marks.at(-1)?.savepoint.id ?? 0;
  }

  /** Is this, which a key has, needed to go back? Not what was written since the last savepoint: the log has what was there then. */
  #isToNote(before: PendingWrite | undefined): boolean {
    return this.#marks.length > 0 && before?.savepoint !== this.#savepoint;
  }

  #note(undo: Undo): void {
    this.#undo.push(undo);
    this.#undoBytes += sizeOfUndo(undo);
  }

  #checkLimits(entries: number, bytes: number): void {
    if (this.count + entries > this.#entriesMax || this.bytes + bytes > this.#bytesMax) {
      throw new TransactionTooLargeError({
        entries: this.count + entries,
        entriesMax: this.#entriesMax,
        bytes: this.bytes + bytes,
        bytesMax: this.#bytesMax,
      });
    }
  }

  /** The one place where a write of a key comes, changes or goes, but for those that a range delete drops. */
  #replace(text: string, before: PendingWrite | undefined, write: PendingWrite | undefined): void {
    if (before !== undefined) this.#bytes -= sizeOf(before);
    if (write === undefined) this.#points.delete(text);
    else this.#points.set(text, write);
    if (write !== undefined) this.#bytes += sizeOf(write);
    if (this.#sorted !== undefined) this.#place(text, before, write);
  }

  #place(text: string, before: PendingWrite | undefined, write: PendingWrite | undefined): void {
    const sorted = this.#ownSorted();
    const at = lowerBound(sorted, text);
    const removed = before === undefined ? 0 : 1;
    if (write === undefined) sorted.splice(at, removed);
    else sorted.splice(at, removed, write);
  }

  /** Drops writes, by their places in key order. */
  #drop(from: number, to: number): void {
    for (const write of this.#ownSorted().splice(from, to - from)) {
      if (this.#isToNote(write)) this.#note({ text: write.text, before: write });
      this.#points.delete(write.text);
      this.#bytes -= sizeOf(write);
    }
  }

  #takeBackRange(change: SpanChange): void {
    this.#bytes -= sizeOfRange(this.#ranges.pop() as RangeDelete);
    this.#deleted = withoutChange(this.#ownDeleted(), change);
  }

  #inOrder(): PendingWrite[] {
    if (this.#sorted === undefined) {
      this.#sorted = [...this.#points.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
      this.#isSortedShared = false;
    }
    return this.#sorted;
  }

  /** #sorted, to be changed. */
  #ownSorted(): PendingWrite[] {
    const sorted = this.#inOrder();
    if (this.#isSortedShared) this.#sorted = sorted.slice();
    this.#isSortedShared = false;
    return this.#sorted as PendingWrite[];
  }

  /** #deleted, to be changed. */
  #ownDeleted(): KeySpan[] {
    if (this.#isDeletedShared) this.#deleted = this.#deleted.slice();
    this.#isDeletedShared = false;
    return this.#deleted;
  }
}

/** Index of the first write whose key is not before `text`. */
export function lowerBound(sorted: readonly PendingWrite[], text: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as PendingWrite).text < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

function pendingOf(
  key: KeyBuffer,
  isDelete: boolean,
  value: Uint8Array,
  expiresAt: number,
  version: number,
  savepoint: number,
): PendingWrite {
  return {
    key: key.copy(),
    text: keyText(key.bytes, 0, key.length),
    hash: key.hash,
    isDelete,
    value,
    expiresAt,
    version,
    savepoint,
  };
}

/** Memory; more than it takes of the batch. */
function sizeOf({ key, value, expiresAt }: PendingWrite): number {
  return OPERATION_BYTES + entrySize(key.length, value.length, true, expiresAt !== NO_EXPIRY);
}

function sizeOfRange({ lower, upper }: RangeDelete): number {
  return OPERATION_BYTES + entrySize(lower.length, upper.length, true, false);
}

/** What it keeps alive; the bounds of ranges count for the range deletes. */
function sizeOfUndo(undo: Undo): number {
  if ('removed' in undo) return UNDO_BYTES;
  return UNDO_BYTES + (undo.before === undefined ? undo.text.length : sizeOf(undo.before));
}

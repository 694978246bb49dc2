/**
 * Rows on their way from the cursors to a scan: cursors add what they pass, several per call, so that a row does not
 * climb through every layer by itself.
 *
 * One batch serves one forward scan. It is filled by runs: the reader says what it sees, a merge up to where no other
 * source has a key, and its first source adds the entries that need no second look: plain values that the reader sees.
 * Whoever meets anything else stops there, and that entry takes the way of all.
 *
 * Rows are owned by the receiver from the moment they are added.
 */
import { compareBytes } from '../../base/bytes.js';
import { KIB } from '../../base/limits.js';
import { KIND_PUT, KIND_VALUE_POINTER, NO_EXPIRY } from '../entry.js';
import { copyUserKey, decodeUserKey, userKeyLength } from '../key.js';
import type { ValueSlab } from '../value-slab.js';

/** One row; both arrays are owned by the receiver (small ones share slabs, see value-slab.ts). */
export interface Row {
  readonly key: Uint8Array;
  /** Empty in a keys-only scan. */
  readonly value: Uint8Array;
}

/** What a row is made of: the fields of a cursor at its entry. */
interface Entry {
  readonly keyBytes: Uint8Array;
  readonly keyStart: number;
  readonly keyLength: number;
  readonly version: number;
  readonly seq: number;
  readonly kind: number;
  readonly expiresAt: number;
  readonly valueBytes: Uint8Array;
  readonly valueStart: number;
  readonly valueLength: number;
  readonly isValueOwned: boolean;
}

/** Where values of pointers are: the value log. */
interface PointerReader {
  read(bytes: Uint8Array, at: number): Uint8Array;
}

/** A batch with so many bytes of values is full: rows are read ahead of who wants them. */
const BATCH_BYTES_MAX = 64 * KIB;
const EMPTY = new Uint8Array(0);

export class RowBatch {
  /** Since the last `reset`. */
  readonly rows: Row[];
  readonly #valueLog: PointerReader;
  readonly #slab: ValueSlab;
  readonly #isKeysOnly: boolean;
  #rowsMax: number;
  #bytes: number;
  /** What the reader sees. */
  #seqMax: number;
  #versionMax: number;
  /** Where the run ends: keys from here on are out of bounds, or another source may have them. */
  #until: Uint8Array;
  #untilStart: number;
  #untilLength: number;
  #hasUntil: boolean;
  /** The block of the last value, and its memory: asking an array for it costs as much as making one. */
  #block: Uint8Array;
  #buffer: ArrayBufferLike;
  #bufferStart: number;

  constructor(valueLog: PointerReader, slab: ValueSlab, isKeysOnly: boolean) {
    this.rows = [];
    this.#valueLog = valueLog;
    this.#slab = slab;
    this.#isKeysOnly = isKeysOnly;
    this.#rowsMax = 0;
    this.#bytes = 0;
    this.#seqMax = 0;
    this.#versionMax = 0;
    this.#until = EMPTY;
    this.#untilStart = 0;
    this.#untilLength = 0;
    this.#hasUntil = false;
    this.#block = EMPTY;
    this.#buffer = EMPTY.buffer;
    this.#bufferStart = 0;
  }

  get isFull(): boolean {
    return this.rows.length >= this.#rowsMax || this.#bytes >= BATCH_BYTES_MAX;
  }

  /** Empties it, for at most `rowsMax` rows. */
  reset(rowsMax: number): void {
    this.rows.length = 0;
    this.#rowsMax = rowsMax;
    this.#bytes = 0;
  }

  /** Begins a run of what a reader sees: entries up to these two numbers, keys below `upper`, which is borrowed. */
  startRun(seqMax: number, versionMax: number, upper: Uint8Array | undefined): void {
    this.#seqMax = seqMax;
    this.#versionMax = versionMax;
    this.#hasUntil = upper !== undefined;
    if (upper === undefined) return;
    this.#until = upper;
    this.#untilStart = 0;
    this.#untilLength = upper.length;
  }

  /** Ends the run before a key, when it does not end earlier; the bytes are borrowed while it lasts. */
  stopBefore(key: Uint8Array, start: number, length: number): void {
    if (this.#hasUntil && this.#isBehind(key, start, length)) return;
    this.#until = key;
    this.#untilStart = start;
    this.#untilLength = length;
    this.#hasUntil = true;
  }

  /** Adds the row that a cursor shows. @throws CorruptionError, IoError of the value log */
  add(entry: Entry): void {
    const { keyBytes, keyStart, keyLength } = entry;
    const value = this.#isKeysOnly ? EMPTY : valueOf(entry, this.#valueLog, this.#slab);
    this.#bytes += value.length;
    this.rows.push({ key: userKey(keyBytes, keyStart, keyLength, this.#slab), value });
  }

  /**
   * Adds the newest entry of a key of a source that hands out its values as they lie. False when it needs another
   * look, or is behind the end of the run. Requires that the batch is not full.
   */
  addPlain(entry: Entry): boolean {
    if (entry.kind !== KIND_PUT || entry.expiresAt !== NO_EXPIRY) return false;
    if (entry.seq > this.#seqMax || entry.version > this.#versionMax) return false;
    const { keyBytes, keyStart, keyLength } = entry;
    if (this.#hasUntil && this.#isBehind(keyBytes, keyStart, keyLength)) return false;
    const key = userKey(keyBytes, keyStart, keyLength, this.#slab);
    const { valueBytes, valueLength } = entry;
    if (valueBytes !== this.#block) {
      this.#block = valueBytes;
      this.#buffer = valueBytes.buffer;
      this.#bufferStart = valueBytes.byteOffset;
    }
    const start = this.#bufferStart + entry.valueStart;
    this.#bytes += valueLength;
    this.rows.push({ key, value: new Uint8Array(this.#buffer, start, valueLength) });
    return true;
  }

  #isBehind(key: Uint8Array, start: number, length: number): boolean {
    const order = compareBytes(
      key,
      start,
      length,
      this.#until,
      this.#untilStart,
      this.#untilLength,
    );
    return order >= 0;
  }
}

/** The user key of an encoded key, owned by the receiver. */
export function userKey(
  bytes: Uint8Array,
  start: number,
  length: number,
  slab: ValueSlab,
): Uint8Array {
  const key = slab.fresh(length - 2);
  if (copyUserKey(bytes, start, length, key)) return key;
  const decoded = slab.fresh(userKeyLength(bytes, start, length));
  decodeUserKey(bytes, start, length, decoded, 0);
  return decoded;
}

/** The value of a cursor's entry, owned by the receiver. @throws CorruptionError, IoError of the value log */
export function valueOf(entry: Entry, valueLog: PointerReader, slab: ValueSlab): Uint8Array {
  const { valueBytes, valueStart, valueLength } = entry;
  if (entry.kind === KIND_VALUE_POINTER) return valueLog.read(valueBytes, valueStart);
  if (!entry.isValueOwned) return slab.copyOf(valueBytes, valueStart, valueLength);
  return new Uint8Array(valueBytes.buffer, valueBytes.byteOffset + valueStart, valueLength);
}

/**
 * What a serializable transaction has read: points, present or absent, and ranges. A range is what a scan or an
 * iterator has in fact looked at: from where it was put to the last key it showed, and to the bound when it came
 * to the end. Keys that are not there are part of it, so that a row that appears is seen at the commit.
 *
 * Limits: READS_MAX points and ranges, and READ_BYTES_MAX of memory with the objects around the keys; ranges are joined before
 * they count as too many.
 */
import { TransactionTooLargeError } from '../../base/errors.js';
import { GIB } from '../../base/limits.js';
import type { KeyBuffer } from '../key.js';
import { type KeySpan, mergeSpans } from './key-spans.js';
import { keyText } from './write-set.js';

/** Points, and ranges that do not touch, of one transaction. */
const READS_MAX = 4 * 1024 * 1024;
/** Memory of them: as much as what it writes may have. */
const READ_BYTES_MAX = GIB;
/** Heap of a point beside its key: a string and a place in the map. Measured with Node 20: 60 to 90. */
const POINT_BYTES = 96;
/** Heap of a range beside its bounds: two arrays and the object. Measured: 470. */
const SPAN_BYTES = 480;

/** A range that was read. Its bounds are replaced, never changed. */
export interface ReadSpan {
  lower: Uint8Array;
  upper: Uint8Array;
  /** A cursor stands in it and may widen it. */
  isGrowing: boolean;
}

/** Ranges are joined when there are this many, and each time they have doubled since. */
const JOIN_AT_MIN = 1024;

export class ReadSet {
  readonly #readsMax: number;
  readonly #bytesMax: number;
  /** Hash of the encoded key by its latin-1 text. */
  readonly #points: Map<string, number>;
  #spans: ReadSpan[];
  #pointBytes: number;
  #spanBytes: number;
  /** Ranges at which they are joined. */
  #joinAt: number;

  /** The limits are those above, but for tests. */
  constructor(readsMax = READS_MAX, bytesMax = READ_BYTES_MAX) {
    this.#readsMax = readsMax;
    this.#bytesMax = bytesMax;
    this.#points = new Map();
    this.#spans = [];
    this.#pointBytes = 0;
    this.#spanBytes = 0;
    this.#joinAt = JOIN_AT_MIN;
  }

  get count(): number {
    return this.#points.size + this.#spans.length;
  }

  /** Memory, as the limit counts it. */
  get bytes(): number {
    return this.#pointBytes + this.#spanBytes;
  }

  /** @throws TransactionTooLargeError */
  addPoint(key: KeyBuffer): void {
    const bytes = POINT_BYTES + key.length;
    this.#checkLimits(bytes);
    const before = this.#points.size;
    this.#points.set(keyText(key.bytes, 0, key.length), key.hash);
    if (this.#points.size > before) this.#pointBytes += bytes;
  }

  /** A range that its cursor goes on to widen. @throws TransactionTooLargeError */
  addSpan(span: ReadSpan): void {
    if (this.#spans.length >= this.#joinAt) this.#join();
    const bytes = sizeOf(span);
    this.#checkLimits(bytes);
    this.#spans.push(span);
    this.#spanBytes += bytes;
  }

  /** The bounds of a range that was added, and is growing, got longer by so many bytes. The next read may be refused for it. */
  lengthened(bytes: number): void {
    this.#spanBytes += bytes;
  }

  points(): Iterable<[text: string, hash: number]> {
    return this.#points;
  }

  /** Sorted and disjoint. */
  spans(): KeySpan[] {
    return mergeSpans(this.#spans);
  }

  clear(): void {
    this.#points.clear();
    this.#spans = [];
    this.#pointBytes = 0;
    this.#spanBytes = 0;
  }

  #join(): void {
    const growing = this.#spans.filter((span) => span.isGrowing);
    const settled = mergeSpans(this.#spans.filter((span) => !span.isGrowing));
    this.#spans = [...growing];
    for (const { lower, upper } of settled) this.#spans.push({ lower, upper, isGrowing: false });
    this.#spanBytes = this.#spans.reduce((sum, span) => sum + sizeOf(span), 0);
    this.#joinAt = Math.max(JOIN_AT_MIN, 2 * this.#spans.length);
  }

  #checkLimits(bytes: number): void {
    if (this.count < this.#readsMax && this.bytes + bytes <= this.#bytesMax) return;
    throw new TransactionTooLargeError({
      reads: this.count,
      readsMax: this.#readsMax,
      bytes: this.bytes + bytes,
      bytesMax: this.#bytesMax,
    });
  }
}

function sizeOf({ lower, upper }: KeySpan): number {
  return SPAN_BYTES + lower.length + upper.length;
}

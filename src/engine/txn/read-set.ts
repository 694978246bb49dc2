/**
 * What a serializable transaction has read: points, present or absent, and ranges. A range is what a scan or an
 * iterator has in fact looked at: from where it was put to the last key it showed, and to the bound when it came
 * to the end. Keys that are not there are part of it, so that a row that appears is seen at the commit.
 *
 * Limit: READS_MAX points and ranges; ranges are joined before they count as too many.
 */
import { TransactionTooLargeError } from '../../base/errors.js';
import type { KeyBuffer } from '../key.js';
import { type KeySpan, mergeSpans } from './key-spans.js';
import { keyText } from './write-set.js';

/** Points, and ranges that do not touch, of one transaction. */
const READS_MAX = 4 * 1024 * 1024;

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
  /** Hash of the encoded key by its latin-1 text. */
  readonly #points: Map<string, number>;
  #spans: ReadSpan[];
  /** Ranges at which they are joined. */
  #joinAt: number;

  /** The limit is READS_MAX, but for tests. */
  constructor(readsMax = READS_MAX) {
    this.#readsMax = readsMax;
    this.#points = new Map();
    this.#spans = [];
    this.#joinAt = JOIN_AT_MIN;
  }

  get count(): number {
    return this.#points.size + this.#spans.length;
  }

  /** @throws TransactionTooLargeError */
  addPoint(key: KeyBuffer): void {
    this.#checkLimit();
    this.#points.set(keyText(key.bytes, 0, key.length), key.hash);
  }

  /** A range that its cursor goes on to widen. @throws TransactionTooLargeError */
  addSpan(span: ReadSpan): void {
    if (this.#spans.length >= this.#joinAt) this.#join();
    this.#checkLimit();
    this.#spans.push(span);
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
  }

  #join(): void {
    const growing = this.#spans.filter((span) => span.isGrowing);
    const settled = mergeSpans(this.#spans.filter((span) => !span.isGrowing));
    this.#spans = [...growing];
    for (const { lower, upper } of settled) this.#spans.push({ lower, upper, isGrowing: false });
    this.#joinAt = Math.max(JOIN_AT_MIN, 2 * this.#spans.length);
  }

  #checkLimit(): void {
    if (this.count < this.#readsMax) return;
    throw new TransactionTooLargeError({ reads: this.count, readsMax: this.#readsMax });
  }
}

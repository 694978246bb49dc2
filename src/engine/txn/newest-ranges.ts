/**
 * Which of many range writes that holds a key is the newest: a list of disjoint pieces in key order, each with the newest
 * range that holds it. A range that comes is as new as all before, or newer, and so takes the place of what lies within it; what
 * it cuts keeps its outer parts. So there are fewer than twice as many pieces as ranges, and a key is found by one search.
 *
 * Ownership: ranges and bounds are kept, not copied; they must not change.
 */
import { compareArrays } from '../../base/bytes.js';
import { firstAt, firstBehind, type KeySpan, spanOf } from './key-spans.js';

/** A write of every key in [lower, upper). */
export interface RangeWrite extends KeySpan {
  readonly seq: number;
}

/** A part of a range. */
interface Piece extends KeySpan {
  readonly range: RangeWrite;
}

export class NewestRanges {
  /** Ranges that were added. */
  count: number;
  #pieces: Piece[];

  constructor() {
    this.count = 0;
    this.#pieces = [];
  }

  /** Requires that it is not empty, and that its number is not below any added before. */
  add(range: RangeWrite): void {
    this.count++;
    const { lower, upper } = range;
    const from = firstBehind(this.#pieces, lower);
    const to = firstAt(this.#pieces, upper);
    const [first, last] = [this.#pieces[from], this.#pieces[to - 1]];
    const pieces: Piece[] = [{ lower, upper, range }];
    // Those that are cut may be one piece, of which both ends stay.
    if (first !== undefined && from < to && compareArrays(first.lower, lower) < 0)
      pieces.unshift({ lower: first.lower, upper: lower, range: first.range });
    if (last !== undefined && from < to && compareArrays(last.upper, upper) > 0)
      pieces.push({ lower: upper, upper: last.upper, range: last.range });
    this.#pieces.splice(from, to - from, ...pieces);
  }

  /** The newest range that holds the key, or undefined. */
  find(key: Uint8Array): RangeWrite | undefined {
    return (spanOf(this.#pieces, key, 0, key.length) as Piece | undefined)?.range;
  }

  clear(): void {
    this.count = 0;
    this.#pieces = [];
  }
}

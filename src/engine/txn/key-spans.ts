/**
 * Half-open ranges of encoded keys, and sets of them: what a transaction has read as ranges, and what it
 * has deleted as ranges. A set is sorted and disjoint, so that one binary search says whether it holds a key.
 *
 * Ownership: bounds are kept, not copied; they must not change.
 */
import { compareArrays, compareBytes } from '../../base/bytes.js';

/** [lower, upper) */
export interface KeySpan {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
}

/** The same keys as sorted, disjoint, non-empty spans; neighbours that touch are joined. */
export function mergeSpans(spans: readonly KeySpan[]): KeySpan[] {
  const sorted = spans
    .filter((span) => compareArrays(span.lower, span.upper) < 0)
    .sort((a, b) => compareArrays(a.lower, b.lower));
  const merged: KeySpan[] = [];
  for (const span of sorted) {
    const last = merged.at(-1);
    if (last === undefined || compareArrays(last.upper, span.lower) < 0) {
      merged.push(span);
    } else if (compareArrays(last.upper, span.upper) < 0) {
      merged[merged.length - 1] = { lower: last.lower, upper: span.upper };
    }
  }
  return merged;
}

/** The span of a merged set that holds the key, or undefined. */
export function spanOf(
  spans: readonly KeySpan[],
  bytes: Uint8Array,
  start: number,
  length: number,
): KeySpan | undefined {
  let low = 0;
  let high = spans.length; // the answer is the last span of [low, high) with lower <= key
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { lower } = spans[middle] as KeySpan;
    if (compareBytes(lower, 0, lower.length, bytes, start, length) <= 0) low = middle + 1;
    else high = middle;
  }
  const span = spans[low - 1];
  if (span === undefined) return undefined;
  const { upper } = span;
  return compareBytes(upper, 0, upper.length, bytes, start, length) > 0 ? span : undefined;
}

/** Does any span of a merged set share a key with `other`? */
export function meetsSpans(spans: readonly KeySpan[], other: KeySpan): boolean {
  const { lower, upper } = other;
  if (spanOf(spans, lower, 0, lower.length) !== undefined) return true;
  return spans.some(
    (span) => compareArrays(span.lower, lower) >= 0 && compareArrays(span.lower, upper) < 0,
  );
}

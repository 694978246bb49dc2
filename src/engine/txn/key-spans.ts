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

/** What became of a merged set: `removed` had been where the span at `at` is now. */
export interface SpanChange {
  readonly at: number;
  readonly removed: readonly KeySpan[];
}

/** Adds the keys of a span that is not empty to a merged set. */
export function addSpan(spans: KeySpan[], span: KeySpan): SpanChange {
  let at = firstBehind(spans, span.lower);
  let end = firstAt(spans, span.upper);
  const [before, behind] = [spans[at - 1], spans[end]];
  if (before !== undefined && compareArrays(before.upper, span.lower) === 0) at--;
  if (behind !== undefined && compareArrays(behind.lower, span.upper) === 0) end++;
  const removed = spans.slice(at, end);
  spans.splice(at, end - at, joined(removed, span));
  return { at, removed };
}

/** The set before the last change: `spans`, changed, or another array. */
export function withoutChange(spans: KeySpan[], { at, removed }: SpanChange): KeySpan[] {
  // Not all at once as arguments: there may be too many for the stack.
  if (removed.length > 1) return spans.slice(0, at).concat(removed, spans.slice(at + 1));
  spans.splice(at, 1, ...removed);
  return spans;
}

/** One span for those of a set that a span meets or touches. */
function joined(met: readonly KeySpan[], span: KeySpan): KeySpan {
  const [first, last] = [met[0], met.at(-1)];
  if (first === undefined || last === undefined) return span;
  return {
    lower: compareArrays(first.lower, span.lower) < 0 ? first.lower : span.lower,
    upper: compareArrays(last.upper, span.upper) > 0 ? last.upper : span.upper,
  };
}

/** Index of the first span of a disjoint, sorted list that ends behind the key. */
export function firstBehind(spans: readonly KeySpan[], key: Uint8Array): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareArrays((spans[middle] as KeySpan).upper, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the first span of a disjoint, sorted list that begins at the key or behind it. */
export function firstAt(spans: readonly KeySpan[], key: Uint8Array): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareArrays((spans[middle] as KeySpan).lower, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
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

/** Does any span of a merged set share a key with `other`, which is not empty? */
export function meetsSpans(spans: readonly KeySpan[], other: KeySpan): boolean {
  const span = spans[firstBehind(spans, other.lower)];
  return span !== undefined && compareArrays(span.lower, other.upper) < 0;
}

/** Range deletes of others beside a commit: which one is found, and by how many comparisons. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { encodeKey, FAMILY_DEFAULT, hashEncodedKey } from '../../../src/engine/key.js';
import { type KeySpan, meetsSpans, mergeSpans } from '../../../src/engine/txn/key-spans.js';
import { NewestRanges, type RangeWrite } from '../../../src/engine/txn/newest-ranges.js';
import { RecentWrites } from '../../../src/engine/txn/recent-writes.js';

const calls = vi.hoisted(() => ({ compares: 0 }));
vi.mock(import('../../../src/base/bytes.js'), async (original) => {
  const bytes = await original();
  return {
    ...bytes,
    compareArrays: (a, b) => {
      calls.compares++;
      return bytes.compareArrays(a, b);
    },
    compareBytes: (...ranges) => {
      calls.compares++;
      return bytes.compareBytes(...ranges);
    },
  };
});

beforeEach(() => {
  calls.compares = 0;
});

const MIB = 1024 * 1024;
const encoded = (key: string): Uint8Array => encodeKey(FAMILY_DEFAULT, key);
const nameOf = (number: number): string => `k${String(number).padStart(7, '0')}`;
const spanOfNumbers = (from: number, to: number): KeySpan => ({
  lower: encoded(nameOf(from)),
  upper: encoded(nameOf(to)),
});

describe('NewestRanges', () => {
  it.each([1, 2, 3])('finds the newest of many ranges across one another, seed %i', (seed) => {
    const random = new Prng(seed);
    const newest = new NewestRanges();
    const list: { from: number; to: number; seq: number }[] = [];
    for (let seq = 1; seq <= 400; seq++) {
      const from = random.below(300);
      const to = from + 1 + random.below(random.chance(1, 5) ? 100 : 5);
      // An ingest notes several ranges with one number.
      const range: RangeWrite = { ...spanOfNumbers(from, to), seq: seq - (seq % 2) };
      newest.add(range);
      list.push({ from, to, seq: range.seq });
      const key = random.below(320);
      const holding = list.filter((one) => one.from <= key && key < one.to);
      const expected =
        holding.length === 0 ? undefined : Math.max(...holding.map((one) => one.seq));
      expect(newest.find(encoded(nameOf(key)))?.seq, `range ${seq}`).toBe(expected);
    }
    expect(newest.count).toBe(400);
    newest.clear();
    expect([newest.count, newest.find(encoded(nameOf(1)))]).toEqual([0, undefined]);
  });
});

describe('RecentWrites', () => {
  it.each([
    ['lie apart', (i: number) => spanOfNumbers(2 * i, 2 * i + 1), (i: number) => 2 * i + 1],
    ['touch', (i: number) => spanOfNumbers(i, i + 1), (i: number) => 4000 + i],
    ['lie within one another', (i: number) => spanOfNumbers(i, 9000 - i), (i: number) => 9000 + i],
  ])('compares a key with few of the range deletes that %s', (_how, rangeOf, keyOf) => {
    const recent = new RecentWrites(64 * MIB);
    for (let i = 0; i < 4000; i++) {
      const { lower, upper } = rangeOf(i);
      recent.noteRange(lower, upper, i + 1);
    }
    for (let i = 0; i < 10_000; i++) {
      const key = encoded(nameOf(keyOf(i)));
      expect(recent.findKey(key, hashEncodedKey(key, 0, key.length), 0)).toBeUndefined();
    }
    // Putting the ranges in order, and one search of 13 steps for each key and segment.
    expect(calls.compares).toBeLessThan(4000 * 40 + 10_000 * 50);
  });

  it('tells the newest write of a key, be it one of the key or of a range', () => {
    const recent = new RecentWrites(MIB);
    const [lower, key, upper] = [encoded('a'), encoded('b'), encoded('c')];
    const seqOf = (since: number): number | undefined =>
      recent.findKey(key, hashEncodedKey(key, 0, key.length), since)?.seq;
    recent.noteRange(lower, upper, 1);
    recent.noteRange(lower, encoded('d'), 2);
    expect([seqOf(0), seqOf(1), seqOf(2)]).toEqual([2, 2, undefined]);
    recent.noteRange(key, upper, 3);
    expect([seqOf(0), seqOf(3)]).toEqual([3, undefined]);
  });
});

describe('meetsSpans', () => {
  it('says what a walk through the spans does, by one search', () => {
    const spans = mergeSpans(
      Array.from({ length: 5000 }, (_, i) => spanOfNumbers(4 * i, 4 * i + 2)),
    );
    const random = new Prng(1);
    calls.compares = 0;
    for (let i = 0; i < 500; i++) {
      const from = random.below(20_010);
      const to = from + 1 + random.below(3);
      const meets = Array.from({ length: to - from }, (_, k) => from + k);
      const expected = meets.some((number) => number < 20_000 && number % 4 < 2);
      expect(meetsSpans(spans, spanOfNumbers(from, to)), `${from} ${to}`).toBe(expected);
    }
    expect(calls.compares).toBeLessThan(500 * 20);
  });
});

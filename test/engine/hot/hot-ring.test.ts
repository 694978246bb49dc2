/** The tracker of hot keys against exact counts, on planted keys, zipfian streams and a clock that is moved by hand. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { HotRing, type HotRingInit } from '../../../src/engine/hot/hot-ring.js';
import { FAMILY_DEFAULT, FAMILY_SYSTEM, KeyBuffer, userKeyOf } from '../../../src/engine/key.js';
import { createSimEnv } from '../../../src/env/sim-env.js';

const INIT: HotRingInit = { nodes: 1024, sampling: 1, windowMs: 8000 };
const SLOT_MS = 1000;

function newRing(init: Partial<HotRingInit> = {}) {
  const { clock } = createSimEnv(1);
  // To the beginning of a slot, so that tests know where the next one begins.
  clock.advance(SLOT_MS - (clock.monotonicMs() % SLOT_MS));
  const ring = new HotRing(clock, { ...INIT, ...init });
  const key = new KeyBuffer();
  const keyOf = (name: string): KeyBuffer => {
    key.encode(FAMILY_DEFAULT, name);
    return key;
  };
  const touch = (name: string, times = 1): void => {
    for (let i = 0; i < times; i++) ring.touch(keyOf(name));
  };
  return { clock, ring, keyOf, touch };
}

function counts(ring: HotRing, top = 16): string[] {
  return ring
    .top(top)
    .map(({ key, count }) => `${Buffer.from(userKeyOf(key)).toString()}=${count}`);
}

/** Draws numbers from 0 with the frequencies of a zipfian distribution of exponent 1. */
function zipfian(keys: number, random: Prng): () => number {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let i = 0; i < keys; i++) sums[i] = sum += 1 / (i + 1);
  return () => {
    const target = random.fraction() * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) > target) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

describe('HotRing', () => {
  it('counts every touch of a few keys, hottest first', () => {
    const { ring, touch } = newRing();
    touch('b', 2);
    touch('a', 5);
    touch('c');
    expect(counts(ring)).toEqual(['a=5', 'b=2', 'c=1']);
    expect(counts(ring, 1)).toEqual(['a=5']);
    expect(ring.top(3).map(({ error }) => error)).toEqual([0, 0, 0]);
  });

  it('forgets what has left the window, eighth by eighth', () => {
    const { clock, ring, touch } = newRing();
    for (let slot = 0; slot < 8; slot++) {
      touch('k', 1);
      if (slot < 4) touch('old', 1);
      if (slot < 7) clock.advance(SLOT_MS);
    }
    expect(counts(ring)).toEqual(['k=8', 'old=4']);
    clock.advance(SLOT_MS);
    expect(counts(ring)).toEqual(['k=7', 'old=3']);
    clock.advance(3 * SLOT_MS);
    expect(counts(ring)).toEqual(['k=4']);
    clock.advance(4 * SLOT_MS);
    expect(counts(ring)).toEqual([]);
    // Once more round the slots: each is empty when it is used again.
    for (let slot = 0; slot < 9; slot++) {
      touch('k', 1);
      clock.advance(SLOT_MS);
    }
    expect(counts(ring)).toEqual(['k=7']);
  });

  it('is empty after a long rest, and counts on', () => {
    const { clock, ring, touch } = newRing();
    touch('k', 100);
    clock.advance(1_000_000 * SLOT_MS);
    expect(counts(ring)).toEqual([]);
    touch('k', 3);
    expect(counts(ring)).toEqual(['k=3']);
    expect(ring.figures().decay_runs).toBe(250_000);
  });

  it('lets a key that was hot give way to one that is: weights are halved with time', () => {
    const { clock, ring, touch } = newRing({ nodes: 8 });
    for (let i = 0; i < 8; i++) touch(`old${i}`, 1000);
    clock.advance(80 * SLOT_MS);
    for (let i = 0; i < 8; i++) touch(`new${i}`, 5);
    const found = counts(ring).filter((text) => text.startsWith('new'));
    expect(found).toHaveLength(8);
    // Eight newcomers in eight counters, each of an old key: the weight left of 1000 after 20 halvings.
    expect(ring.top(8).every(({ error }) => error <= 1)).toBe(true);
  });

  it('keeps its memory whatever the number of keys', () => {
    const { ring, touch } = newRing();
    const { bytes } = ring.figures();
    for (let i = 0; i < 50_000; i++) touch(`${'k'.repeat(i % 300)}${i}`);
    const figures = ring.figures();
    expect(figures.bytes).toBe(bytes);
    expect(bytes).toBeLessThan(256 * 1024);
    expect(figures.nodes).toBe(1024);
    expect(figures.load_factor).toBe(1);
    expect(figures.inserts - figures.removes).toBe(1024);
    expect(figures.touches).toBe(50_000);
  });

  it('has every key above its share in a zipfian stream, within the stated error', () => {
    const { clock, ring, touch } = newRing();
    const random = new Prng(7);
    const draw = zipfian(100_000, random);
    const slots: Map<number, number>[] = [];
    for (let slot = 0; slot < 12; slot++) {
      const exact = new Map<number, number>();
      for (let i = 0; i < 20_000; i++) {
        const key = draw();
        exact.set(key, (exact.get(key) ?? 0) + 1);
        touch(String(key));
      }
      slots.push(exact);
      if (slot < 11) clock.advance(SLOT_MS);
    }
    const inWindow = (key: number): number =>
      slots.slice(-8).reduce((sum, exact) => sum + (exact.get(key) ?? 0), 0);
    // All counters, also those that change hands all the time.
    const top = ring.top(1024);
    expect(top.filter(({ error }) => error > 0).length).toBeGreaterThan(100);
    for (const { key, count, error } of top) {
      const exact = inWindow(Number(Buffer.from(userKeyOf(key)).toString()));
      expect(count).toBeLessThanOrEqual(exact);
      expect(exact).toBeLessThanOrEqual(count + error);
    }
    const names = top.map(({ key }) => Number(Buffer.from(userKeyOf(key)).toString()));
    for (let key = 0; key < 32; key++) expect(names).toContain(key);
    expect(names.slice(0, 4)).toEqual([0, 1, 2, 3]);
  });

  it('finds planted keys among a million others when it counts one touch in 16', () => {
    const { ring, touch } = newRing({ sampling: 16 });
    const random = new Prng(11);
    const exact = new Map<string, number>();
    for (let i = 0; i < 1_000_000; i++) {
      // Every hundredth touch is of one of five planted keys, the first one being touched most.
      const planted = `hot${Math.min(random.below(5), random.below(5))}`;
      const name = i % 100 === 0 ? planted : `cold${random.below(1_000_000)}`;
      if (i % 100 === 0) exact.set(planted, (exact.get(planted) ?? 0) + 1);
      touch(name);
    }
    const top = new Map(
      ring.top(5).map((found) => [Buffer.from(userKeyOf(found.key)).toString(), found]),
    );
    for (const name of ['hot0', 'hot1', 'hot2']) {
      const found = top.get(name);
      const touches = exact.get(name) as number;
      expect(found, name).toBeDefined();
      if (found === undefined) continue;
      expect(Math.abs(found.count - touches)).toBeLessThanOrEqual(found.error);
    }
    const figures = ring.figures();
    expect(figures.touches).toBe(1_000_000);
    const counted = figures.touches - figures.sample_drops;
    expect(Math.abs(counted - 1_000_000 / 16)).toBeLessThan(2000);
  });

  it('is not taken in by the rhythm of the caller', () => {
    const { ring, touch } = newRing({ sampling: 16 });
    for (let i = 0; i < 160_000; i++) touch(`k${i % 16}`);
    for (const { count } of ring.top(16)) {
      expect(count).toBeGreaterThan(8000);
      expect(count).toBeLessThan(12_000);
    }
    expect(ring.top(16)).toHaveLength(16);
  });

  it('tells long keys apart by length, hash and beginning, and says that they are cut', () => {
    const { ring, touch } = newRing();
    const long = 'k'.repeat(1000);
    touch(`${long}1`, 2);
    touch(`${long}2`, 3);
    expect(ring.top(2).map(({ count, isCut, key }) => [count, isCut, key.length])).toEqual([
      [3, true, 128],
      [2, true, 128],
    ]);
  });

  it('passes over keys of the engine itself', () => {
    const { ring, keyOf } = newRing();
    const key = keyOf('position');
    key.encode(FAMILY_SYSTEM, 'position');
    ring.touch(key);
    expect(ring.top(1)).toEqual([]);
  });

  it('says what a key was touched, and when it will be below a limit', () => {
    const { clock, ring, keyOf, touch } = newRing();
    touch('k', 3);
    clock.advance(2 * SLOT_MS);
    touch('k', 2);
    clock.advance(500);
    expect([5, 6].map((limit) => ring.hasReached(keyOf('k'), limit))).toEqual([true, false]);
    expect(ring.hasReached(keyOf('other'), 1)).toBe(false);
    expect(ring.msUntilBelow(keyOf('k'), 6)).toBe(0);
    expect(ring.msUntilBelow(keyOf('k'), 5)).toBe(8000 - 2500);
    expect(ring.msUntilBelow(keyOf('k'), 2)).toBe(10_000 - 2500);
    clock.advance(8000 - 2500 - 1);
    expect(ring.hasReached(keyOf('k'), 5)).toBe(true);
    clock.advance(1);
    expect([2, 3].map((limit) => ring.hasReached(keyOf('k'), limit))).toEqual([true, false]);
  });
});

import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import {
  type ValueSizes,
  drawSize,
  isValueOf,
  makeRings,
  valueSizesFromFlags,
} from '../../src/bench/values.js';

function sizesOf(sizes: ValueSizes): number[] {
  const prng = new Prng(11);
  return Array.from({ length: 20_000 }, () => drawSize(sizes, prng)).sort((a, b) => a - b);
}
const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.floor(share * (sorted.length - 1))] as number;

describe('valueSizesFromFlags', () => {
  it('fixed is the default size', () => {
    expect(valueSizesFromFlags({ distribution: 'fixed', size: 1000 })).toEqual({
      kind: 'fixed',
      bytes: 1000,
    });
  });

  it('uniform reaches both ends', () => {
    const found = sizesOf(
      valueSizesFromFlags({ distribution: 'uniform', size: 50, min: 10, max: 20 }),
    );
    expect([at(found, 0), at(found, 1)]).toEqual([10, 20]);
  });

  it('normal has the mean and the deviation, cut to its ends', () => {
    const found = sizesOf(valueSizesFromFlags({ distribution: 'normal', size: 1000 }));
    expect(Math.abs(at(found, 0.5) - 1000)).toBeLessThan(10);
    expect(Math.abs(at(found, 0.8413) - 1250)).toBeLessThan(20);
    const cut = valueSizesFromFlags({ distribution: 'normal', size: 1000, min: 900, max: 1100 });
    expect([at(sizesOf(cut), 0), at(sizesOf(cut), 1)]).toEqual([900, 1100]);
  });

  it('percentile hits the given points', () => {
    const found = sizesOf(
      valueSizesFromFlags({
        distribution: 'percentile',
        size: 1,
        percentiles: '50:256,90:512,99:1024',
      }),
    );
    expect(Math.abs(at(found, 0.5) - 256)).toBeLessThan(10);
    expect(Math.abs(at(found, 0.9) - 512)).toBeLessThan(20);
    expect(at(found, 1)).toBe(1024);
  });

  it.each([
    [{ distribution: 'pareto', size: 10 }, 'unknown value size distribution "pareto"'],
    [{ distribution: 'fixed', size: 0 }, 'value size out of range'],
    [{ distribution: 'uniform', size: 10, min: 9, max: 3 }, 'smallest value is above the largest'],
    [{ distribution: 'percentile', size: 10 }, 'no value size percentiles'],
    [
      { distribution: 'percentile', size: 10, percentiles: '90:5,50:6' },
      'bad value size percentiles',
    ],
    [{ distribution: 'percentile', size: 10, percentiles: '50' }, 'bad value size percentiles'],
  ])('refuses %j', (flags, message) => {
    expect(() => valueSizesFromFlags(flags)).toThrow(message);
  });
});

describe('ValueRing', () => {
  it('values carry their record, and no two in a row are equal', () => {
    const [ring] = makeRings(2, { kind: 'fixed', bytes: 32 }, 0, new Prng(1));
    const length = ring!.sizes.length;
    const seen = new Set<string>();
    for (let i = 0; i < 2 * length; i++) {
      const value = ring!.take(77);
      expect(isValueOf(value, 77)).toBe(true);
      expect(isValueOf(value, 78)).toBe(false);
      seen.add(value.toString('latin1'));
    }
    expect(seen.size).toBe(2 * length);
  });

  it('rings share no memory, and their size is bounded', () => {
    const rings = makeRings(16, { kind: 'fixed', bytes: 1024 * 1024 }, 0, new Prng(1));
    expect(rings.map((ring) => ring.sizes.length)).toEqual(new Array(16).fill(4));
    const first = rings[0]!.take(1);
    const second = rings[1]!.take(2);
    expect(isValueOf(first, 1)).toBe(true);
    expect(isValueOf(second, 2)).toBe(true);
  });

  it('compressibility repeats one byte in that share of the value', () => {
    const [ring] = makeRings(1, { kind: 'fixed', bytes: 1000 }, 0.4, new Prng(1));
    const tail = ring!.take(0).subarray(600);
    expect(new Set(tail).size).toBe(1);
    expect(new Set(ring!.take(0).subarray(8, 600)).size).toBeGreaterThan(100);
  });

  it('tiny values are written as they are', () => {
    const [ring] = makeRings(1, { kind: 'fixed', bytes: 3 }, 0, new Prng(1));
    expect(ring!.take(5).length).toBe(3);
    expect(isValueOf(ring!.take(5), 6)).toBe(true);
  });
});

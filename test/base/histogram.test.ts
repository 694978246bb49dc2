import { describe, expect, it } from 'vitest';
import { Histogram } from '../../src/base/histogram.js';
import { Prng } from '../../src/base/prng.js';

const SEEDS = [1, 7, 42, 20_251_120];

/** Values of every magnitude from 0 to 2^52. */
function sample(prng: Prng): number {
  const bits = prng.below(53);
  return Math.floor(prng.fraction() * 2 ** bits);
}

describe('Histogram', () => {
  it('percentiles are within 0.4 % of the exact ones, at every magnitude', () => {
    for (const seed of SEEDS) {
      const prng = new Prng(seed);
      const histogram = new Histogram();
      const values: number[] = [];
      for (let i = 0; i < 5000; i++) {
        const value = sample(prng);
        values.push(value);
        histogram.record(value);
      }
      values.sort((a, b) => a - b);
      for (const percent of [1, 10, 25, 50, 75, 90, 95, 99, 99.9]) {
        const rank = Math.ceil((Math.round(percent * 10) * values.length) / 1000);
        const exact = values[rank - 1] as number;
        const error = Math.abs(histogram.percentile(percent) - exact);
        expect(error, `seed ${seed}, p${percent}`).toBeLessThanOrEqual(exact * 0.004);
      }
      expect(histogram.percentile(0)).toBe(values[0]);
      expect(histogram.percentile(100)).toBe(values.at(-1));
    }
  });

  it('mean, min and max are exact', () => {
    const histogram = new Histogram();
    for (const value of [3, 1_000_003, 70_000_000_001]) histogram.record(value);
    expect(histogram.mean).toBe((3 + 1_000_003 + 70_000_000_001) / 3);
    expect(histogram.min).toBe(3);
    expect(histogram.max).toBe(70_000_000_001);
    expect(histogram.count).toBe(3);
  });

  it('small values are exact', () => {
    const histogram = new Histogram();
    for (let value = 0; value < 256; value++) histogram.record(value);
    expect(histogram.percentile(50)).toBe(127);
    expect(histogram.percentile(99)).toBe(253);
  });

  it('cuts fractions off and counts negative values as zero', () => {
    const histogram = new Histogram();
    histogram.record(-5);
    histogram.record(1.9);
    expect(histogram.min).toBe(0);
    expect(histogram.max).toBe(1);
  });

  it('is all zeros when empty and after reset', () => {
    const histogram = new Histogram();
    histogram.record(12);
    histogram.reset();
    expect([histogram.count, histogram.mean, histogram.min, histogram.max]).toEqual([0, 0, 0, 0]);
    expect(histogram.percentile(99)).toBe(0);
  });

  it('merge equals recording everything in one', () => {
    const prng = new Prng(5);
    const [left, right, both] = [new Histogram(), new Histogram(), new Histogram()];
    for (let i = 0; i < 2000; i++) {
      const value = sample(prng);
      (i % 3 === 0 ? left : right).record(value);
      both.record(value);
    }
    left.merge(right);
    expect(left.count).toBe(both.count);
    for (const percent of [0, 5, 50, 99.9, 100]) {
      expect(left.percentile(percent)).toBe(both.percentile(percent));
    }
  });

  it('buckets are contiguous in value order and hold every observation', () => {
    const histogram = new Histogram();
    const values = [0, 255, 256, 257, 2 ** 31 - 1, 2 ** 31, 2 ** 40 + 5, 2 ** 53 - 1];
    for (const value of values) histogram.record(value);
    let last = 0;
    const seen: number[] = [];
    histogram.forEachBucket((lower, upper, count) => {
      expect(lower).toBeGreaterThanOrEqual(last);
      expect(upper).toBeGreaterThan(lower);
      last = upper;
      seen.push(...values.filter((value) => value >= lower && value < upper).slice(0, count));
    });
    expect(seen).toEqual(values);
  });
});

import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import {
  CHOOSER_DEFAULTS,
  type Chooser,
  Zipfian,
  makeChooser,
  zeta,
} from '../../src/bench/choosers.js';
import type { Distribution } from '../../src/bench/workloads.js';

const DRAWS = 200_000;

function frequencies(chooser: Chooser, records: number, draws = DRAWS): number[] {
  const prng = new Prng(7);
  const counts = new Array<number>(records).fill(0);
  for (let i = 0; i < draws; i++) {
    const record = chooser.next(prng);
    counts[record] = (counts[record] as number) + 1;
  }
  expect(counts.length, 'a draw fell outside').toBe(records);
  return counts.map((count) => count / draws);
}

describe('zeta', () => {
  it('is the plain sum, also where the formula takes over', () => {
    for (const theta of [0.2, 0.5, 0.99]) {
      let sum = 0;
      for (let i = 1; i <= 20_000; i++) sum += i ** -theta;
      expect(zeta(20_000, theta)).toBeCloseTo(sum, 8);
    }
    expect(zeta(3, 0.5)).toBeCloseTo(1 + 2 ** -0.5 + 3 ** -0.5, 12);
  });

  it("agrees with the constant in YCSB's scrambled zipfian", () => {
    expect(zeta(10_000_000_000, 0.99)).toBeCloseTo(26.469028201783, 8);
  });
});

describe('Zipfian', () => {
  it('rank frequencies follow 1 / rank^theta', () => {
    const records = 1000;
    const theta = 0.99;
    const found = frequencies(new Zipfian(records, theta), records);
    const total = zeta(records, theta);
    // The first two ranks are exact in Gray's method, the next ones approximate.
    expect(found[0]).toBeCloseTo(1 / total, 2);
    expect(found[1]).toBeCloseTo(2 ** -theta / total, 2);
    const share = (from: number, to: number): number =>
      found.slice(from, to).reduce((sum, value) => sum + value, 0);
    const expected = (from: number, to: number): number =>
      (zeta(to, theta) - zeta(from, theta)) / total;
    for (const [from, to] of [
      [2, 10],
      [10, 100],
      [100, 1000],
    ] as const) {
      expect(Math.abs(share(from, to) - expected(from, to)), `ranks ${from}-${to}`).toBeLessThan(
        0.02,
      );
    }
  });

  it('copes with one and two items', () => {
    expect(frequencies(new Zipfian(1, 0.99), 1, 100)).toEqual([1]);
    const [first = 0, second = 0] = frequencies(new Zipfian(2, 0.99), 2);
    expect(first).toBeGreaterThan(second);
    expect(second).toBeGreaterThan(0.2);
  });
});

describe('makeChooser', () => {
  it('zipfian: hot records are spread, the hottest gets about 3.8 %', () => {
    const found = frequencies(makeChooser('zipfian', 10_000, CHOOSER_DEFAULTS), 10_000);
    const ranked = found
      .map((share, record) => ({ share, record }))
      .sort((a, b) => b.share - a.share);
    expect(ranked[0]?.share).toBeGreaterThan(0.036);
    expect(ranked[0]?.share).toBeLessThan(0.04);
    const hottest = ranked.slice(0, 20).map(({ record }) => record);
    expect(Math.max(...hottest) - Math.min(...hottest)).toBeGreaterThan(5000);
  });

  it('uniform: every record about equally often', () => {
    for (const share of frequencies(makeChooser('uniform', 50, CHOOSER_DEFAULTS), 50)) {
      expect(Math.abs(share - 0.02)).toBeLessThan(0.003);
    }
  });

  it('latest: distance 0 is the most frequent, near ones dominate', () => {
    const found = frequencies(makeChooser('latest', 1000, CHOOSER_DEFAULTS), 1000);
    expect(found[0]).toBe(Math.max(...found));
    expect(found.slice(0, 100).reduce((sum, share) => sum + share, 0)).toBeGreaterThan(0.6);
  });

  it('hotspot: 80 % of the operations on the first 20 % of the records', () => {
    const found = frequencies(makeChooser('hotspot', 1000, CHOOSER_DEFAULTS), 1000);
    const hot = found.slice(0, 200).reduce((sum, share) => sum + share, 0);
    expect(hot).toBeCloseTo(0.8, 2);
    expect(found[999]).toBeGreaterThan(0);
  });

  it('sequential: in order, and again from the start', () => {
    const chooser = makeChooser('sequential', 3, CHOOSER_DEFAULTS);
    const prng = new Prng(1);
    expect([0, 1, 2, 3].map(() => chooser.next(prng))).toEqual([0, 1, 2, 0]);
  });

  it('same seed, same draws', () => {
    for (const name of ['zipfian', 'uniform', 'latest', 'hotspot'] as Distribution[]) {
      const draw = (): number[] => {
        const chooser = makeChooser(name, 999, CHOOSER_DEFAULTS);
        const prng = new Prng(3);
        return Array.from({ length: 50 }, () => chooser.next(prng));
      };
      expect(draw(), name).toEqual(draw());
    }
  });
});

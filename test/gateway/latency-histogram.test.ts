import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../src/gateway/latency-histogram.js';

describe('LatencyHistogram', () => {
  it('counts in powers of two, with the bounds that Redis tells', () => {
    const histogram = new LatencyHistogram();
    const bounds = [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056];
    for (const [i, bound] of bounds.entries()) {
      histogram.record((1.024 * 2 ** i) / 1000);
      expect(histogram.cumulative().at(-1)).toEqual([bound, i + 1]);
    }
    expect(histogram.calls).toBe(bounds.length);
  });

  it('takes what is shorter and longer than that, and leaves empty bounds out', () => {
    const histogram = new LatencyHistogram();
    for (const ms of [0, 0.0005, 0.00103, 60_000, 1e9]) histogram.record(ms);
    expect(histogram.cumulative()).toEqual([
      [1, 2],
      [2, 3],
      [1_082_130, 5],
    ]);
    histogram.reset();
    expect(histogram.cumulative()).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { closest } from '../../src/cli/did-you-mean.js';

describe('closest', () => {
  it('finds the name a letter or two away', () => {
    expect(closest('workdri', ['quiet', 'workdir', 'json'])).toBe('workdir');
    expect(closest('stat', ['start', 'stats', 'scan'])).toBe('start');
  });

  it('offers nothing when nothing is near', () => {
    expect(closest('zzzzzz', ['stats', 'scan'])).toBeUndefined();
    expect(closest('a', [])).toBeUndefined();
  });
});

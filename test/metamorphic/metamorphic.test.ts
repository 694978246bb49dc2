import { describe, expect, it } from 'vitest';
import { checkPrograms } from './check-programs.js';

describe('random programs', () => {
  it.each([1, 2, 3, 4, 5, 6])('repeat the history of the model, seed %i', async (seed) => {
    const failure = await checkPrograms({
      seed: seed * 100,
      programs: 1,
      operations: 300,
      options: 3,
      firstOption: 0,
      shrinkAttempts: 300,
    });
    expect(failure).toBeUndefined();
  });
});

/** The matrix that `npm run test:recovery` prints, one test a case. */
import { describe, expect, it } from 'vitest';
import { recoveryCases } from './matrix.js';

describe('opening a workdir comes to what the matrix says', () => {
  it.each(recoveryCases())('$name', async ({ verdict }) => {
    const { text, deviation } = await verdict();
    expect(deviation, text).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import { aborted } from '../../src/base/aborted.js';

describe('aborted', () => {
  it('rejects with the reason, whether it comes before or after', async () => {
    const reason = new Error('enough');
    const abort = new AbortController();
    const before = aborted(abort.signal);
    expect(await Promise.race([before, Promise.resolve('done')])).toBe('done');
    abort.abort(reason);
    await expect(before).rejects.toBe(reason);
    await expect(aborted(abort.signal)).rejects.toBe(reason);
  });
});

import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { aborted, unlessAborted } from '../../src/base/aborted.js';

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

describe('unlessAborted', () => {
  it('is what the work comes to, or the reason; no listener stays', async () => {
    const reason = new Error('enough');
    const abort = new AbortController();
    expect(await unlessAborted(Promise.resolve('done'), abort.signal)).toBe('done');
    const failed = unlessAborted(Promise.reject(new Error('broken')), abort.signal);
    await expect(failed).rejects.toThrow('broken');
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    const endless = unlessAborted(new Promise(() => undefined), abort.signal);
    abort.abort(reason);
    await expect(endless).rejects.toBe(reason);
    await expect(unlessAborted(Promise.resolve('late'), abort.signal)).rejects.toBe(reason);
  });
});

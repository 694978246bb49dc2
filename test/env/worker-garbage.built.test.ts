import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

const MODULE = new URL('../../dist/env/worker-garbage.js', import.meta.url).href;
const THREADS = 4;

/** Looks for the function of V8 again and again, while other threads do so. */
const SCRIPT = `
  import('${MODULE}').then(({ garbageCollection }) => {
    for (let i = 0; i < 150; i++) garbageCollection()();
  });
`;

describe('garbageCollection', () => {
  it('is never without the function of V8 because another thread has hidden it', async () => {
    const endings = Array.from({ length: THREADS }, () => {
      const worker = new Worker(SCRIPT, { eval: true });
      return new Promise<number>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('exit', resolve);
      });
    });
    expect(await Promise.all(endings)).toEqual(Array.from({ length: THREADS }, () => 0));
  });
});

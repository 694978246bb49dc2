/** A close that can not keep its promise says so: what was acknowledged is not durable when the manifest takes no more. */
import { expect, it } from 'vitest';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { openOn, SMALL } from '../crash/simulation.js';

it('a close after a failed sync of the manifest makes everything durable, or is refused', async () => {
  const fs = new MemFs();
  const { db } = await openOn(fs, SMALL);
  await db.put('a', '1');
  fs.injectFault({ op: 'sync', path: 'MANIFEST', errno: 'EIO' });
  await expect(db.sync()).rejects.toThrow();
  const hasClosed = await db.close().then(
    () => true,
    () => false,
  );
  const { db: after } = await openOn(fs.crashClone(LOSE_UNSYNCED), SMALL);
  expect(hasClosed && after.get('a') === undefined).toBe(false);
  await after.close();
});

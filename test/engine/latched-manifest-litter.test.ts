/** A database that takes no more edits leaves no file for each write that it refuses. */
import { expect, it } from 'vitest';
import { MemFs } from '../../src/env/mem-fs.js';
import { filesBelow, openOn, SMALL, WORKDIR } from '../crash/simulation.js';

it.each([
  ['.wal', 'b', 40_000],
  ['.vlog', 'v', 9000],
])('refused writes leave no %s files behind', async (ending, key, bytes) => {
  const fs = new MemFs();
  const { db } = await openOn(fs, SMALL);
  await db.put('b', Buffer.alloc(ending === '.wal' ? 40_000 : 4, '1'));
  fs.injectFault({ op: 'sync', path: 'MANIFEST', errno: 'EIO' });
  await expect(db.flush()).rejects.toThrow();
  const count = (): number =>
    filesBelow(fs, WORKDIR).filter((path) => path.endsWith(ending)).length;
  const before = count();
  let refused = 0;
  for (let i = 0; i < 50; i++) {
    await db.put(key, Buffer.alloc(bytes, String(i))).catch((error: unknown) => {
      expect(error).toMatchObject({ outcome: 'none' });
      refused++;
    });
  }
  expect(refused).toBeGreaterThan(40);
  expect(count() - before).toBeLessThan(3);
});

/** A compaction of which nobody knows whether its edit is durable: a close keeps the tables that it replaces. */
import { expect, it } from 'vitest';
import { MemFs } from '../../src/env/mem-fs.js';
import { openOn, SMALL } from '../crash/simulation.js';

// By the seed some of the edit reaches the disk.
it.each([1, 2, 3, 4])('its inputs outlive the close: %i', async (seed) => {
  const fs = new MemFs({ seed });
  const { db } = await openOn(fs, { ...SMALL, autoCompaction: false });
  for (let round = 0; round < 3; round++) {
    for (const key of ['a', 'b', 'c'])
      await db.put(key, Buffer.alloc(200, `${key}${round}`), { durability: 'disk' });
    await db.flush();
  }
  fs.syncMode = 'manual';
  const compacted = db.compact().catch((error: unknown) => error);
  for (let i = 0; i < 200 && fs.pendingSyncs.length === 0; i++)
    await new Promise((resolve) => setImmediate(resolve));
  expect(fs.pendingSyncs.map(({ path }) => path)).toEqual(['/db/MANIFEST-000001']);
  fs.pendingSyncs[0]?.fail('EIO');
  fs.syncMode = 'microtask';
  expect(await compacted).toBeInstanceOf(Error);
  await db.close().catch(() => undefined);
  // The edit has not reached the disk, what was removed has.
  const cut = fs.crashClone({
    choose: ({ kind, count }) => (kind === 'directory' ? count - 1 : 0),
  });
  const { db: after } = await openOn(cut, SMALL);
  expect([...after.scan()].map(({ key }) => Buffer.from(key).toString())).toEqual(['a', 'b', 'c']);
  await after.close();
});

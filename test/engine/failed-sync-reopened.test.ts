/**
 * A sync fails once, the database turns read-only, and is closed and opened again on the same machine, as the docs say. What is
 * acknowledged from then on has to survive a power loss, and what was there must not keep the database from opening. Values that
 * the failed sync of a value-log segment dropped are lost to everybody (docs/testing.md).
 */
import { describe, expect, it } from 'vitest';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { readContent } from '../crash/history.js';
import { openOn, SMALL } from '../crash/simulation.js';

describe.each(['MANIFEST', '.wal'])('a failed sync of %s', (path) => {
  it.each(['at once', 'after a flush', 'after a close'])(
    'is made good by the next open: %s',
    async (when) => {
      const fs = new MemFs({ seed: 1 });
      const first = await openOn(fs, SMALL);
      await first.db.put('a', 'old', { durability: 'disk' });
      await first.db.put('v', Buffer.alloc(9000, 'v'), { durability: 'disk' });
      await first.db.put('w', Buffer.alloc(9000, 'w'), { durability: 'os' });
      fs.injectFault({ op: 'sync', path, errno: 'EIO' });
      await first.db
        .put('x', Buffer.alloc(9000, 'x'), { durability: 'disk' })
        .catch(() => undefined);
      await first.db.flush().catch(() => undefined);
      await first.db.close().catch(() => undefined);
      const { db } = await openOn(fs, SMALL);
      const before = readContent(db);
      expect([...before.keys()]).toContain('w');
      await db.put('z', 'new', { durability: 'disk' });
      if (when === 'after a flush') await db.flush();
      if (when === 'after a close') await db.close();
      // All that was found was acknowledged once, and z behind it.
      const { db: after } = await openOn(fs.crashClone(LOSE_UNSYNCED), SMALL);
      expect([...readContent(after).keys()]).toEqual([...before.keys(), 'z']);
      await after.close();
    },
  );
});

/** One case per bug that the crash tests found, as small as it could be made. */
import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import { KEEP_UNSYNCED, LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { openOn } from './simulation.js';

describe('recovery', () => {
  it('opens when its own first edit rewrites the manifest, as after a power loss', async () => {
    const env = createSimEnv(1, undefined, { startJob });
    const db = await openDb(env, '/db', {});
    await db.put('a', '1');
    await db.sync();
    const after = env.fs.crashClone(KEEP_UNSYNCED);
    await db.close();
    const reopened = await openDb(createSimEnv(2, after, { startJob }), '/db', {});
    expect(Buffer.from(reopened.get('a') ?? '').toString()).toBe('1');
    await reopened.close();
    expect(after.list('/db').filter((name) => name.startsWith('MANIFEST-'))).toHaveLength(1);
  });
});

describe('close', () => {
  it('is found clean by the next open, also when its edit makes the manifest due for a rewrite', async () => {
    const env = createSimEnv(1, undefined, { startJob });
    for (let round = 0; round < 40; round++) {
      const { db } = await openOn(env.fs, { manifestRewriteBytes: 4096 });
      expect(db.recovery.wasCleanClose || db.recovery.isNew, `round ${round}`).toBe(true);
      await db.put('a', String(round));
      await db.close();
    }
  });
});

describe('a write with durability disk', () => {
  it.each([10, 5000])('is there after a power loss, %i bytes', async (bytes) => {
    const fs = new MemFs();
    const { db } = await openOn(fs, {});
    await db.put('a', Buffer.alloc(bytes, 'x'), { durability: 'disk' });
    const { db: after } = await openOn(fs.crashClone(LOSE_UNSYNCED), {});
    expect(after.get('a')).toHaveLength(bytes);
  });
});

describe('a power loss', () => {
  it('may leave the name of a value-log segment in the manifest without the file', async () => {
    const fs = new MemFs();
    const { db } = await openOn(fs, {});
    await db.put('a', 'inline');
    await db.put('b', Buffer.alloc(5000, 'x'));
    const crashed = fs.crashClone({
      choose: ({ kind, path, count }) =>
        kind === 'directory' && path.includes('vlog') ? 0 : count - 1,
    });
    const { db: after } = await openOn(crashed, {});
    expect(after.get('a')).toHaveLength(6);
    expect(after.get('b')).toBeUndefined();
    expect(after.recovery.walTornBytes).toBeGreaterThan(0);
    await after.close();
  });
});

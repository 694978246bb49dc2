import { describe, expect, it } from 'vitest';
import { openSim, text, TINY } from './db-fixture.js';

const LAZY = { ...TINY, autoCompaction: false };
const KEYS = Array.from({ length: 50 }, (_, i) => `key${i}`);

describe('flush and compaction', () => {
  it('leave one entry of an ordinary key that was overwritten', async () => {
    const { db } = await openSim(LAZY);
    for (let round = 0; round < 20; round++) {
      for (const key of KEYS) await db.put(key, `value${round}`);
      if (round % 5 === 4) await db.flush();
    }
    await db.compact();
    expect(db.stats().entries).toBe(KEYS.length);
    for (const key of KEYS) expect(text(db.get(key))).toBe('value19');
    await db.close();
  });

  it('leave nothing of keys that were deleted, one by one or as a range', async () => {
    const { db } = await openSim(LAZY);
    for (const key of KEYS) await db.put(key, 'value');
    await db.flush();
    for (const key of KEYS.slice(0, 25)) await db.del(key);
    await db.flush();
    await db.deleteRange('key', 'kez');
    await db.compact();
    expect(db.stats().entries).toBe(0);
    expect(db.stats().lsm.levels.every((level) => level.tables === 0)).toBe(true);
    await db.close();
  });

  it('leave nothing of what has expired', async () => {
    const { db, env } = await openSim(LAZY);
    for (const key of KEYS) await db.put(key, 'old');
    await db.flush();
    for (const key of KEYS) await db.put(key, 'value', { ttlMs: 1000 });
    env.clock.advance(1000);
    await db.compact();
    expect(db.stats().entries).toBe(0);
    await db.close();
  });

  it('keep what an open snapshot sees, and not longer', async () => {
    const { db } = await openSim(LAZY);
    for (const key of KEYS) await db.put(key, 'old');
    const snapshot = db.snapshot();
    for (const value of ['between', 'new']) for (const key of KEYS) await db.put(key, value);
    await db.compact();
    expect(db.stats().entries).toBe(2 * KEYS.length);
    for (const key of KEYS) expect(text(db.get(key, { snapshot }))).toBe('old');
    snapshot.close();
    await db.compact();
    expect(db.stats().entries).toBe(KEYS.length);
    await db.close();
  });

  it('keep every managed version and its deletes', async () => {
    const { db } = await openSim(LAZY);
    for (let version = 10; version <= 50; version += 10) {
      for (const key of KEYS) {
        if (version === 30) await db.del(key, { version });
        else await db.put(key, `v${version}`, { version });
      }
      await db.flush();
    }
    await db.compact();
    expect(db.stats().entries).toBe(5 * KEYS.length);
    for (const key of KEYS) {
      const read = (version: number): string | undefined => text(db.get(key, { version }));
      expect([5, 15, 25, 35, 45, 55].map(read)).toEqual([
        undefined,
        'v10',
        'v20',
        undefined,
        'v40',
        'v50',
      ]);
    }
    await db.close();
  });

  it('keep the newest of two writes of one managed version', async () => {
    const { db } = await openSim(LAZY);
    await db.put('key', 'first', { version: 10 });
    await db.flush();
    await db.put('key', 'second', { version: 10 });
    await db.compact();
    expect(text(db.get('key', { version: 10 }))).toBe('second');
    expect(db.stats().entries).toBe(1);
    await db.close();
  });
});

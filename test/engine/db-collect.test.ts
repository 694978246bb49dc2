import { describe, expect, it } from 'vitest';
import { openSim, TINY } from './db-fixture.js';

describe('Db.collectValueLog', () => {
  it('keeps a segment that a compaction has just written, while the edit that names it waits', async () => {
    const { db, env } = await openSim({ ...TINY, valueThreshold: 0, autoCompaction: false });
    const value = (i: number): Buffer => Buffer.alloc(10_000, `${i} `);
    for (let i = 0; i < 20; i++) await db.put(`key${i}`, value(i));
    await db.flush();
    for (let i = 0; i < 20; i += 2) await db.put(`key${i}`, value(i));
    await db.compact();

    env.fs.syncMode = 'manual';
    const first = db.collectValueLog({ ratio: 0.05 });
    const isWaiting = (): boolean =>
      env.fs.pendingSyncs.some(({ path }) => path.includes('MANIFEST'));
    while (!isWaiting()) await env.clock.nextTurn();
    const second = db.collectValueLog({ ratio: 0.05 });
    for (let turn = 0; turn < 4; turn++) await env.clock.nextTurn();
    env.fs.syncMode = 'microtask';
    env.fs.completeSyncs();
    await Promise.all([first, second]);

    expect(db.stats().value_log.gc.segments_removed).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) {
      expect(Buffer.from(db.get(`key${i}`) ?? '').equals(value(i))).toBe(true);
    }
    await db.close();
  });
});

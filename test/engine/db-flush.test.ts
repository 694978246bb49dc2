import { describe, expect, it } from 'vitest';
import { openSim, TINY } from './db-fixture.js';

const CROWDED = { ...TINY, l0CompactionTrigger: 1, l0SlowdownTrigger: 2, l0StopTrigger: 3 };

describe('Db.flush', () => {
  it('goes on while L0 is full', async () => {
    // Compaction stands still: the lane moves only when the test says so.
    const { db, env } = await openSim(CROWDED, {
      policy: {
        pause: (lane) => (lane === 'compaction' ? 'manual' : 'microtask'),
        steps: () => Infinity,
      },
    });
    for (let i = 0; i < 5; i++) {
      await db.put('key', `value${i}`);
      await db.flush();
    }
    expect(db.stats().lsm.levels[0]?.tables).toBeGreaterThanOrEqual(3);
    while (env.executor.advance('compaction', Infinity)) await env.clock.nextTurn();
    await db.close();
  });

  it('and writes go on without automatic compaction, however full L0 is', async () => {
    const { db } = await openSim({ ...CROWDED, autoCompaction: false });
    const value = Buffer.alloc(1000);
    for (let i = 0; i < 300; i++) await db.put(`key${i}`, value);
    await db.flush();
    expect(db.stats().lsm.levels[0]?.tables).toBeGreaterThan(3);
    await db.compact();
    expect(db.stats().lsm.levels[0]?.tables).toBe(0);
    await db.close();
  });
});

describe('Db.compact', () => {
  it('comes to its end while writes go on', async () => {
    // No compaction ends before a flush has put another table into L0.
    const policy = {
      pause: (lane: string) =>
        lane === 'compaction' ? ('manual' as const) : ('microtask' as const),
      steps: () => Infinity,
    };
    const { db, env } = await openSim({ ...TINY, l0StopTrigger: 100 }, { policy });
    const value = Buffer.alloc(1000);
    for (let i = 0; i < 100; i++) await db.put(`key${i}`, value);
    let isDone = false;
    const compacted = db.compact().then(() => (isDone = true));
    for (let round = 0; round < 50 && !isDone; round++) {
      for (let i = 0; i < 20; i++) await db.put(`key${i}`, value);
      await db.flush();
      env.executor.advance('compaction', Infinity);
      await env.clock.nextTurn();
    }
    expect(isDone).toBe(true);
    await compacted;
    expect(db.stats().lsm.levels[0]?.tables).toBeGreaterThan(0);
    while (env.executor.advance('compaction', Infinity)) await env.clock.nextTurn();
    await db.close();
  });
});

describe('Db.put', () => {
  it.each(['leveled', 'tiered', 'hybrid'] as const)(
    'is never stopped for good by L0, policy %s',
    async (compactionPolicy) => {
      const { db, env } = await openSim({ ...CROWDED, l0CompactionTrigger: 2, compactionPolicy });
      const value = Buffer.alloc(1000);
      // A base level that outweighs L0 by far.
      for (let i = 0; i < 1000; i++) await db.put(`key${i}`, value);
      await db.compact();
      for (let i = 0; i < 200; i++) {
        let isDone = false;
        void db.put(`key${i}`, value).then(() => (isDone = true));
        for (let turn = 0; turn < 1000 && !isDone; turn++) await env.clock.run(100);
        expect(isDone).toBe(true);
      }
      await db.close();
    },
  );
});

import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import { RUN_MANUALLY } from '../../src/env/inline-executor.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { openSim, text, TINY, WORKDIR } from './db-fixture.js';

describe('Db.put', () => {
  it('keeps a copy of key and value while it waits for room', async () => {
    const { db } = await openSim({ ...TINY, memtableCount: 2 });
    const written: Promise<void>[] = [];
    for (let i = 0; i < 400; i++) {
      const key = Buffer.from(`key${i}`);
      const value = Buffer.alloc(1000, `v${i} `);
      written.push(db.put(key, value));
      key.fill(0xdb);
      value.fill(0xdb);
    }
    await Promise.all(written);
    for (let i = 0; i < 400; i++) {
      expect(text(db.get(`key${i}`))).toBe(Buffer.alloc(1000, `v${i} `).toString());
    }
    expect(db.stats().write.stall_count).toBeGreaterThan(0);
    await db.close();
  });
});

describe('Db.sync', () => {
  it('is right about a log that is written to and sealed while it is synced', async () => {
    const { db, env } = await openSim(
      { ...TINY, valueThreshold: 100_000 },
      { policy: RUN_MANUALLY },
    );
    env.fs.syncMode = 'manual';
    await db.put('first', '1');
    const synced = db.sync();
    while (env.fs.pendingSyncs.length === 0) await env.clock.nextTurn();
    const written = [1, 2, 3].map((i) => db.put(`key${i}`, Buffer.alloc(30_000, `${i}`)));
    env.fs.syncMode = 'microtask';
    env.fs.completeSyncs();
    await Promise.all([synced, ...written]);
    await db.put('last', '1', { durability: 'disk' });
    const after = createSimEnv(2, env.fs.crashClone(LOSE_UNSYNCED), { startJob });
    const reopened = await openDb(after, WORKDIR, TINY);
    expect([...reopened.scan()].map(({ key }) => text(key))).toEqual([
      'first',
      'key1',
      'key2',
      'key3',
      'last',
    ]);
    await reopened.close();
    env.executor.abandon();
  });
});

describe('a batch', () => {
  it('is refused when its values together are too large, wherever they would go', async () => {
    const { db, env } = await openSim();
    const value = new Uint8Array(400 * 1024 * 1024);
    const batch = Array.from({ length: 3 }, (_, i) => ({
      type: 'put' as const,
      key: `k${i}`,
      value,
    }));
    await expect(db.batch(batch)).rejects.toThrow(RangeError);
    expect(env.fs.list(WORKDIR)).not.toContain('vlog');
    await db.close();
  });
});

describe('an empty batch', () => {
  it('with disk durability makes what was written before survive a power loss; else does nothing', async () => {
    for (const durability of ['os', 'disk'] as const) {
      const { db, env } = await openSim({ ...TINY, valueThreshold: 50 });
      await db.batch([
        { type: 'put', key: 'small', value: '1' },
        { type: 'put', key: 'separated', value: 'x'.repeat(100) },
      ]);
      await db.batch([], { durability });
      const after = createSimEnv(2, env.fs.crashClone(LOSE_UNSYNCED), { startJob });
      const reopened = await openDb(after, WORKDIR, TINY);
      const kept = durability === 'disk' ? ['separated', 'small'] : [];
      expect([...reopened.scan()].map(({ key }) => text(key))).toEqual(kept);
      await reopened.close();
      await db.close();
    }
  });
});

describe('slowdown', () => {
  it('holds the acknowledgement back by a sleep, which keeps the process alive', async () => {
    const { db, env } = await openSim(
      {
        ...TINY,
        l0CompactionTrigger: 1,
        l0SlowdownTrigger: 2,
        l0StopTrigger: 1000,
        valueThreshold: 100_000,
      },
      {
        policy: {
          pause: (lane) => (lane === 'compaction' ? 'manual' : 'microtask'),
          steps: () => Infinity,
        },
      },
    );
    // The first table moves down at once; the second waits for its compaction, the third behind it.
    for (const value of ['one', 'two', 'three']) {
      await db.put('first', value);
      await db.flush();
    }
    let isDone = false;
    const slow = db.put('big', Buffer.alloc(50_000)).then(() => {
      isDone = true;
    });
    for (let i = 0; i < 20; i++) await env.clock.nextTurn();
    expect(isDone).toBe(false);
    expect(db.get('big')?.length).toBe(50_000);
    env.clock.advance(10);
    await slow;
    expect(db.stats().write.delayed_ms).toBeGreaterThan(0);
    while (env.executor.advance('compaction', Infinity)) await env.clock.nextTurn();
    await db.close();
  });
});

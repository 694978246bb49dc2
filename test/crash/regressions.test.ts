/** One case per bug that the crash tests found, as small as it could be made. */
import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import { KEEP_UNSYNCED, LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { readContent } from './history.js';
import { openOn, SMALL, WORKDIR } from './simulation.js';

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

describe('a sync of several log segments', () => {
  it('passes over one that was flushed while an older one was synced', async () => {
    const fs = new MemFs();
    const { db } = await openOn(fs, { ...SMALL, memtableCount: 6, autoCompaction: false });
    const sync = (part: string): void => {
      for (const one of [...fs.pendingSyncs]) if (one.path.includes(part)) one.complete();
    };
    fs.syncMode = 'manual';
    // Two sealed segments, whose flushes wait for the manifest, and the active one.
    for (const key of ['b1', 'b2', 'b3']) await db.put(key, Buffer.alloc(40_000, key));
    const [first] = fs.list(WORKDIR).filter((name) => name.endsWith('.wal'));
    const durable = db.put('b4', 'x', { durability: 'disk' });
    for (let turn = 0; turn < 40; turn++) {
      sync('MANIFEST');
      await new Promise(setImmediate);
    }
    expect(fs.pendingSyncs.map((one) => one.path)).toEqual([fs.join(WORKDIR, first ?? '')]);
    fs.syncMode = 'microtask';
    fs.completeSyncs();
    await durable;
    expect(fs.list(WORKDIR).filter((name) => name.endsWith('.wal'))).toHaveLength(1);
    await db.close();
  });
});

describe('a log segment that is filled and sealed while it is synced', () => {
  it('is synced again', async () => {
    const fs = new MemFs();
    const { db } = await openOn(fs, { ...SMALL, memtableCount: 6, autoCompaction: false });
    fs.syncMode = 'manual';
    const first = db.put('a', '1', { durability: 'disk' });
    await new Promise(setImmediate);
    expect(fs.pendingSyncs).toHaveLength(1);
    const behind = ['b1', 'b2', 'b3'].map((key) => db.put(key, Buffer.alloc(40_000, key)));
    await new Promise(setImmediate);
    const last = db.put('c', '2', { durability: 'disk' });
    let isDone = false;
    const all = Promise.all([first, last, ...behind]).finally(() => (isDone = true));
    while (!isDone) {
      fs.completeSyncs();
      await new Promise(setImmediate);
    }
    await all;
    const crashed = fs.crashClone(LOSE_UNSYNCED);
    crashed.syncMode = 'microtask';
    const { db: after } = await openOn(crashed, SMALL);
    expect(readContent(after).size).toBe(5);
  });
});

describe('value-log collection', () => {
  it('takes no segment for empty whose table is on its way to the disk', async () => {
    const fs = new MemFs();
    const { db } = await openOn(fs, { ...SMALL, autoCompaction: false });
    for (const key of ['v0', 'v1', 'v2', 'v3', 'v4', 'v0', 'v1']) {
      await db.put(key, Buffer.alloc(20_000, key));
    }
    await db.compact();
    fs.syncMode = 'manual';
    let isDone = false;
    const collected = db.collectValueLog({ ratio: 0.1 }).finally(() => (isDone = true));
    const verdicts = new Set<string>();
    while (!isDone) {
      const report = await db.collectValueLog({ ratio: 0.1, dryRun: true });
      for (const { bucket, verdict } of report) if (bucket > 0) verdicts.add(verdict);
      fs.completeSyncs();
      await new Promise(setImmediate);
    }
    await collected;
    expect([...verdicts]).toEqual(['keep']);
    fs.syncMode = 'microtask';
    await db.close();
  });
});

describe('a log segment without entries', () => {
  it('is removed by the open that finds it', async () => {
    const fs = new MemFs();
    const { db } = await openOn(fs, {});
    await db.put('a', '1');
    // Each life is killed right after its open: its own log holds nothing.
    let disk = fs;
    for (let life = 0; life < 4; life++) {
      disk = disk.killClone();
      await openOn(disk, { autoCompaction: false });
    }
    expect(disk.list(WORKDIR).filter((name) => name.endsWith('.wal')).length).toBeLessThan(4);
  });
});

describe('a manifest that has lost its end', () => {
  it.each(['closed', 'killed'] as const)('is refused, the workdir was %s', async (ending) => {
    const fs = new MemFs();
    // Its first life leaves a version without tables: the files of the second look like orphans of it.
    const { db } = await openOn(fs, {});
    await db.close();
    const path = fs.join(WORKDIR, 'MANIFEST-000001');
    const before = fs.stat(path)?.bytes ?? 0;
    const { db: second } = await openOn(fs, {});
    await second.put('a', '1');
    await second.flush();
    if (ending === 'closed') await second.close();
    const disk = fs.killClone();
    const file = disk.open(path, 'update');
    file.truncate(before);
    file.close();
    await expect(openOn(disk, {})).rejects.toThrow('MANIFEST-000001');
    expect(disk.list(WORKDIR).filter((name) => name.endsWith('.sst'))).toHaveLength(1);
  });
});

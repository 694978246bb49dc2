/** What is synced in which order, and what a power loss between may leave: values, logs, and directories. */
import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { RUN_MANUALLY } from '../../src/env/inline-executor.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { type OpenedDb, openSim, text, TINY, WORKDIR } from './db-fixture.js';

const SEPARATED: OpenOptions = { valueThreshold: 100 };

function value(fill: string, bytes = 600): Buffer {
  return Buffer.alloc(bytes, fill);
}

async function openOn(fs: MemFs, options: OpenOptions = {}, workdir = WORKDIR): Promise<OpenedDb> {
  fs.syncMode = 'microtask';
  const env = createSimEnv(2, fs, { startJob });
  return { db: await openDb(env, workdir, options), env };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}

/** Lets the pending syncs of the files with `part` in their names succeed. */
async function completeSyncs(fs: MemFs, part: string): Promise<void> {
  for (const sync of [...fs.pendingSyncs]) if (sync.path.includes(part)) sync.complete();
  await turns();
}

/** All is kept but the unsynced part of the value log. */
function withoutUnsyncedValues(fs: MemFs): MemFs {
  return fs.crashClone({
    choose: ({ path, count }) => (path.endsWith('.vlog') ? 0 : count - 1),
  });
}

describe('a record whose value is not durable is not called durable', () => {
  it('not by the record behind it', async () => {
    const { db, env } = await openSim(SEPARATED);
    const { fs } = env;
    await db.put('k', value('o'), { durability: 'disk' });
    fs.syncMode = 'manual';
    const durable = db.put('x', value('x'), { durability: 'disk' });
    await turns();
    expect(fs.pendingSyncs.map(({ path }) => path)).toEqual([expect.stringContaining('.vlog')]);
    void db.put('k', value('n'));
    await turns();
    await completeSyncs(fs, '.vlog');
    // It takes the record of the second write along, whose value came too late for the sync before.
    await completeSyncs(fs, '.wal');
    await durable;
    void db.put('z', '1');
    await turns();
    const again = await openOn(withoutUnsyncedValues(fs), SEPARATED);
    expect(text(again.db.get('x'))).toBe('x'.repeat(600));
    expect(text(again.db.get('k'))).toBe('o'.repeat(600));
  });

  it('nor while the name of the segment with its value is not', async () => {
    const { db, env } = await openSim(SEPARATED);
    const { fs } = env;
    await db.put('a', '1', { durability: 'disk' });
    fs.syncMode = 'manual';
    void db.put('x', value('x'), { durability: 'disk' });
    await turns();
    await completeSyncs(fs, '.vlog');
    await completeSyncs(fs, '.wal');
    void db.put('z', '1');
    await turns();
    const crashed = fs.crashClone({
      choose: ({ path, count }) => (path.includes('MANIFEST') ? 0 : count - 1),
    });
    const again = await openOn(crashed, SEPARATED);
    expect(text(again.db.get('a'))).toBe('1');
    expect(again.db.get('x')).toBeUndefined();
  });

  it('nor by sealing its log', async () => {
    const options: OpenOptions = {
      ...TINY,
      ...SEPARATED,
      memtableCount: 6,
      autoCompaction: false,
      valuePolicies: [{ prefix: 'b', strategy: 'inline' }],
    };
    const { db, env } = await openSim(options, { policy: RUN_MANUALLY });
    const { fs } = env;
    await db.put('k', value('o'), { durability: 'disk' });
    fs.syncMode = 'manual';
    const durable = db.put('x', value('x'), { durability: 'disk' });
    await turns();
    void db.put('k', value('n'));
    await turns();
    void db.put('b1', value('1', 60_000));
    void db.put('b2', value('2', 60_000));
    await turns();
    await completeSyncs(fs, '.vlog');
    for (let i = 0; i < 4; i++) {
      await completeSyncs(fs, '.wal');
      await completeSyncs(fs, 'MANIFEST');
    }
    await durable;
    const again = await openOn(withoutUnsyncedValues(fs), options);
    expect(text(again.db.get('x'))).toBe('x'.repeat(600));
    expect(text(again.db.get('k'))).toBe('o'.repeat(600));
  });
});

describe('while a power loss is recovered', () => {
  it.each(['read', 'open'] as const)(
    'a value that could not be %s is not taken for a lost one',
    async (op) => {
      const { db, env } = await openSim();
      await db.put('a', value('x', 5000), { durability: 'disk' });
      const crashed = env.fs.crashClone(LOSE_UNSYNCED);
      const fault = crashed.injectFault({ op, path: '.vlog', errno: 'EIO' });
      await expect(openOn(crashed)).rejects.toMatchObject({ code: 'NOKV_IO' });
      expect(fault.hits).toBe(1);
      fault.cancel();
      const again = await openOn(crashed);
      expect(again.db.get('a')).toHaveLength(5000);
    },
  );

  it('the value of a refused write is not taken for that of the write in its place', async () => {
    const { db, env } = await openSim(SEPARATED);
    await db.put('seed', value('s'), { durability: 'disk' });
    const fault = env.fs.injectFault({ op: 'write', path: '.wal', errno: 'ENOSPC' });
    await expect(db.put('kA', value('A'))).rejects.toMatchObject({ outcome: 'none' });
    fault.cancel();
    await db.put('kB', value('B'));
    const crashed = env.fs.crashClone({
      choose: ({ kind, path, count }) =>
        kind === 'sector' && path.endsWith('.vlog') ? 1 : count - 1,
    });
    const again = await openOn(crashed, SEPARATED);
    expect(again.db.get('kB')).toBeUndefined();
    expect(text(again.db.get('seed'))).toBe('s'.repeat(600));
  });

  it('a torn record does not hide that the value before it was durable', async () => {
    const options: OpenOptions = { valueThreshold: 3000 };
    const { db, env } = await openSim(options);
    await db.put('k5', value('5', 5000), { durability: 'disk' });
    await db.put('k6', value('6', 2500));
    await db.put('k7', '7');
    const crashed = env.fs.crashClone({
      choose: ({ kind, path, count, sector }) =>
        kind === 'sector' && path.endsWith('.wal') && sector === 2 ? 0 : count - 1,
    });
    const bucket = `${WORKDIR}/vlog/bucket-000`;
    const [name] = crashed.list(bucket) as [string];
    crashed.rot(`${bucket}/${name}`, 1000, 1);
    await expect(openOn(crashed, options)).rejects.toMatchObject({ code: 'NOKV_CORRUPTION' });
  });
});

describe('the name of the workdir is durable with what was written', () => {
  it('and those of the parents that were made for it', async () => {
    const env = createSimEnv(1, undefined, { startJob });
    const db = await openDb(env, '/new/sub/db', {});
    await db.put('a', '1', { durability: 'disk' });
    const again = await openOn(env.fs.crashClone(LOSE_UNSYNCED), {}, '/new/sub/db');
    expect(text(again.db.get('a'))).toBe('1');
  });

  it.each([WORKDIR, '/new/sub/db'])(
    'when an open was killed that had just made it: %s',
    async (workdir) => {
      const env = createSimEnv(1, undefined, { startJob });
      env.fs.makeDirectory(workdir);
      const { db, env: second } = await openOn(env.fs.killClone(), {}, workdir);
      await db.put('a', '1', { durability: 'disk' });
      const again = await openOn(second.fs.crashClone(LOSE_UNSYNCED), {}, workdir);
      expect(text(again.db.get('a'))).toBe('1');
    },
  );
});

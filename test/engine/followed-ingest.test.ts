/** What a follower shows is a moment of the database, also when tables are ingested while it looks. */
import { describe, expect, it } from 'vitest';
import { type Db, openDb } from '../../src/engine/db.js';
import { TableWriter } from '../../src/engine/external/table-writer.js';
import { startJob } from '../../src/engine/jobs.js';
import { RUN_MANUALLY, type StepPolicy } from '../../src/env/inline-executor.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';
import { openSim, rowsOf, TINY, WORKDIR } from './db-fixture.js';

const NO_FLUSH: StepPolicy = {
  pause: (lane) => (lane === 'flush' ? 'manual' : 'microtask'),
  steps: () => Infinity,
};

async function ingest(db: Db, env: SimEnv, key: string): Promise<void> {
  const writer = new TableWriter(env, '/in', {});
  writer.put(key, '1');
  await db.ingest((await writer.finish()).map(({ file }) => file));
}

function keysOf(db: Db): string[] {
  return rowsOf(db.scan({ keysOnly: true }));
}

/** A disk that is another one from the moment when a log is opened, once `arm` was called. */
function movingDisk(before: MemFs): { fs: MemFs; arm(now: MemFs, after: MemFs): void } {
  let now = before;
  let next: MemFs | undefined;
  const fs = new Proxy(before, {
    get: (_target, name) => {
      const member: unknown = Reflect.get(now, name, now);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        if (name === 'open' && String(args[0]).endsWith('.wal')) now = next ?? now;
        return (Reflect.get(now, name, now) as (...args: unknown[]) => unknown).apply(now, args);
      };
    },
  });
  return {
    fs,
    arm(current, after) {
      now = current;
      next = after;
    },
  };
}

describe('a follower', () => {
  it('shows no write without the ingest before it, which came between its looks at manifest and log', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    const disk = movingDisk(env.fs.clone());
    const simEnv = createSimEnv(9, disk.fs, { startJob, clock: env.clock });
    const readerEnv = { ...simEnv, host: env.host, fs: disk.fs };
    const reader = await openDb(readerEnv, WORKDIR, { ...TINY, readOnly: true });
    await db.put('b', '2');
    const now = env.fs.clone();
    await ingest(db, env, 'm');
    await db.put('z', 'after the ingest');
    disk.arm(now, env.fs.clone());
    reader.refresh();
    expect(keysOf(reader)).toEqual(['a=', 'b=', 'm=', 'z=']);
  });

  it('that may not read all logs at once shows no ingest without the writes before it', async () => {
    const options = {
      ...TINY,
      valueThreshold: 1024 * 1024,
      memtableCount: 8,
      autoCompaction: false,
    };
    const { db, env } = await openSim(options, { policy: NO_FLUSH });
    const readerEnv = {
      ...createSimEnv(9, env.fs, { startJob, clock: env.clock }),
      host: env.host,
    };
    const narrow = { ...options, memtableCount: 2, readOnly: true };
    const reader = await openDb(readerEnv, WORKDIR, narrow);
    for (const key of ['b1', 'b2', 'b3', 'b4', 'b5']) await db.put(key, Buffer.alloc(40_000, key));
    await ingest(db, env, 'z');
    const last = env.fs
      .list(WORKDIR)
      .filter((name) => name.endsWith('.wal'))
      .at(-1) as string;
    // A second look at the logs would fail: what the first one showed would stay.
    const fault = env.fs.injectFault({ op: 'open', path: last, nth: 2, errno: 'EMFILE' });
    reader.refresh();
    fault.cancel();
    expect(keysOf(reader)).toEqual(['b1=', 'b2=', 'b3=', 'b4=', 'b5=', 'z=']);
  });

  it('of a workdir that lost its power does not show later the log that it has dropped', async () => {
    const options = {
      ...TINY,
      valueThreshold: 1024 * 1024,
      memtableCount: 6,
      autoCompaction: false,
    };
    const { db, env } = await openSim(options, { policy: RUN_MANUALLY });
    await db.put('a', '1');
    await db.put('b1', Buffer.alloc(40_000, '1'));
    await db.put('b2', Buffer.alloc(40_000, '2')); // in a log of its own
    const [first] = env.fs.list(WORKDIR).filter((name) => name.endsWith('.wal')) as [string];
    const crashed = env.fs.crashClone({
      choose: ({ kind, path, count, sector }) =>
        kind === 'sector' && path.endsWith(first) && (sector as number) > 10 ? 0 : count - 1,
    });
    const reader = await openDb(createSimEnv(2, crashed, { startJob }), WORKDIR, {
      readOnly: true,
    });
    expect(keysOf(reader)).toEqual(['a=']);
    expect(reader.refresh()).toBe(false);
    expect(keysOf(reader)).toEqual(['a=']);
  });
});

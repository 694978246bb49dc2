import { describe, expect, it } from 'vitest';
import type { Env, FsFile, OpenMode } from '../../../src/base/env.js';
import { Prng } from '../../../src/base/prng.js';
import { type Db, openDb } from '../../../src/engine/db.js';
import { startJob } from '../../../src/engine/jobs.js';
import type { OpenOptions } from '../../../src/engine/options.js';
import { RUN_MANUALLY } from '../../../src/env/inline-executor.js';
import { createSimEnv, type SimEnv } from '../../../src/env/sim-env.js';
import { openSim, rowsOf, text, TINY, WORKDIR } from '../db-fixture.js';
import { diskOf } from './disk-state.js';

const SEEDS = [1, 2, 3, 4];

/** Another process that looks at the same disk. */
function readerEnv(env: SimEnv): SimEnv {
  return { ...createSimEnv(9, env.fs, { startJob, clock: env.clock }), host: env.host };
}

/** The same, with the bytes counted that it reads of logs. */
function countingReads(env: SimEnv, files = /\.wal$/): { readonly env: Env; readBytes: number } {
  const reader = readerEnv(env);
  const open = (path: string, mode: OpenMode): FsFile => {
    const file = reader.fs.open(path, mode);
    if (!files.test(path)) return file;
    const read: FsFile['read'] = (target, start, length, position) => {
      const count = file.read(target, start, length, position);
      counted.readBytes += count;
      return count;
    };
    return new Proxy(file, {
      get: (target, name) => {
        if (name === 'read') return read;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
  };
  const fs = new Proxy(reader.fs, {
    get: (target, name) => {
      if (name === 'open') return open;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
  const counted = { env: { ...reader, fs }, readBytes: 0 };
  return counted;
}

function openReader(env: SimEnv): Promise<Db> {
  return openDb(readerEnv(env), WORKDIR, { readOnly: true });
}

function removeFiles({ fs }: SimEnv, directory = WORKDIR): void {
  for (const name of fs.list(directory)) {
    const path = `${directory}/${name}`;
    if (fs.stat(path)?.isDirectory === true) removeFiles({ fs } as SimEnv, path);
    else fs.remove(path);
  }
}

describe('a read-only open', () => {
  it('reads what a live writer has acknowledged, without lock and without a trace', async () => {
    const { db, env } = await openSim(TINY);
    await db.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'b', value: 'x'.repeat(5000) },
    ]);
    const before = diskOf(env.fs, WORKDIR);
    const reader = await openReader(env);
    expect(text(reader.get('a'))).toBe('1');
    expect(reader.get('b')).toHaveLength(5000);
    await expect(reader.put('a', '2')).rejects.toMatchObject({ code: 'NOKV_READ_ONLY' });
    await reader.close();
    expect(diskOf(env.fs, WORKDIR)).toEqual(before);
    await db.close();
  });

  it('does not create a workdir that is missing', async () => {
    const env = createSimEnv(1, undefined, { startJob });
    await expect(openReader(env)).rejects.toMatchObject({ code: 'NOKV_NOT_FOUND' });
    expect(env.fs.stat(WORKDIR)).toBeUndefined();
  });

  it('names a table that is missing, and damage in a log', async () => {
    const { db, env } = await openSim(TINY);
    for (let i = 0; i < 100; i++) await db.put(`key${i}`, 'x'.repeat(100));
    await db.flush();
    await db.put('later', '1');
    await db.close();
    const withoutTable = env.fs.killClone();
    const table = withoutTable.list(WORKDIR).find((name) => name.endsWith('.sst')) ?? '';
    withoutTable.remove(`${WORKDIR}/${table}`);
    await expect(openReader(createSimEnv(2, withoutTable))).rejects.toMatchObject({
      code: 'NOKV_CORRUPTION',
      details: { file: `${WORKDIR}/${table}`, what: 'file is missing' },
    });
    const withDamage = env.fs.killClone();
    const log = withDamage.list(WORKDIR).find((name) => name.endsWith('.wal')) ?? '';
    const file = withDamage.open(`${WORKDIR}/${log}`, 'update');
    file.write(Uint8Array.of(0xff), 0, 1, 150);
    file.close();
    await expect(openReader(createSimEnv(2, withDamage))).rejects.toMatchObject({
      code: 'NOKV_CORRUPTION',
      details: { file: `${WORKDIR}/${log}` },
    });
  });
});

describe('refresh', () => {
  it('says whether there was anything new', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    const reader = await openReader(env);
    expect(reader.refresh()).toBe(false);
    await db.put('a', '2');
    expect(text(reader.get('a'))).toBe('1');
    expect(reader.refresh()).toBe(true);
    expect(text(reader.get('a'))).toBe('2');
    expect(() => db.refresh()).toThrow('open for writing');
    await reader.close();
    await db.close();
  });

  it('reads what was added to a log, not the log again', async () => {
    const { db, env } = await openSim({ ...TINY, memtableBytes: 1024 * 1024 });
    for (let i = 0; i < 500; i++) await db.put(`old${i}`, 'x'.repeat(1000));
    const counted = countingReads(env);
    const reader = await openDb(counted.env, WORKDIR, { readOnly: true });
    for (let i = 0; i < 20; i++) {
      await db.put(`new${i}`, 'y'.repeat(1000));
      if (i === 10) await db.del('old7');
      if (i === 12) await db.deleteRange('old1', 'old2');
      counted.readBytes = 0;
      expect(reader.refresh()).toBe(true);
      expect(counted.readBytes).toBeLessThan(20_000);
      expect(text(reader.get(`new${i}`))).toBe('y'.repeat(1000));
      expect(reader.get(`new${i + 1}`)).toBeUndefined();
    }
    expect(rowsOf(reader.scan())).toEqual(rowsOf(db.scan()));
    await reader.close();
    await db.close();
  });

  it('reads on in a log that outgrows its arena', async () => {
    const { db, env } = await openSim({ ...TINY, memtableBytes: 1024 * 1024 });
    const counted = countingReads(env);
    await db.put('first', '1');
    const reader = await openDb(counted.env, WORKDIR, { readOnly: true, memtableBytes: 65_536 });
    for (let i = 0; i < 300; i++) {
      await db.put(`k${i}`, 'z'.repeat(1000));
      expect(reader.refresh()).toBe(true);
      expect(reader.get(`k${i}`)).toHaveLength(1000);
    }
    // About a hundred growths by a half would be the log a hundred times: it is read again a few times only.
    expect(counted.readBytes).toBeLessThan(8 * 300 * 1000);
    await reader.close();
    await db.close();
  });

  it('reads what was added to the manifest, not the manifest again', async () => {
    const { db, env } = await openSim(TINY);
    for (let i = 0; i < 30; i++) {
      await db.put(`old${i}`, 'x'.repeat(1000));
      await db.flush();
    }
    const counted = countingReads(env, /MANIFEST/);
    const reader = await openDb(counted.env, WORKDIR, { readOnly: true });
    for (let i = 0; i < 20; i++) {
      await db.put(`new${i}`, 'y');
      await db.flush();
      counted.readBytes = 0;
      expect(reader.refresh()).toBe(true);
      expect(counted.readBytes).toBeGreaterThan(0);
      expect(counted.readBytes).toBeLessThan(4000);
      expect(text(reader.get(`new${i}`))).toBe('y');
    }
    expect(rowsOf(reader.scan())).toEqual(rowsOf(db.scan()));
    await reader.close();
    await db.close();
  });

  it('has no memory for a memtable of its own', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    const reader = await openDb(readerEnv(env), WORKDIR, { ...TINY, readOnly: true });
    expect(reader.stats().memtable.arena_bytes).toBe(db.stats().memtable.arena_bytes);
    await reader.close();
    await db.close();
  });

  it('needs one memtable more than there are, when all logs are others than before', async () => {
    const { db, env } = await openSim(TINY, { policy: RUN_MANUALLY });
    const row = 'x'.repeat(1000);
    let written = 0;
    /** Lets time pass until it is over, and jobs go on if they may. */
    const drive = async (call: Promise<unknown>, hasJobs: boolean): Promise<void> => {
      let isOver = false;
      const over = call.finally(() => (isOver = true));
      for (let i = 0; !isOver; i++) {
        expect(i, 'turns until the call is over').toBeLessThan(2000);
        if (hasJobs) for (const lane of ['flush', 'compaction']) env.executor.advance(lane, 100);
        await env.clock.run(1);
      }
      await over;
    };
    /** As many memtables as the writer may have; none is flushed. */
    const fill = async (): Promise<void> => {
      while (db.stats().memtable.count < 4) await drive(db.put(`k${written++}`, row), false);
    };
    await fill();
    const reader = await openDb(readerEnv(env), WORKDIR, { ...TINY, readOnly: true });
    const arenaBytes = db.stats().memtable.arena_bytes / 4;
    for (let round = 0; round < 3; round++) {
      await drive(db.flush(), true);
      await fill();
      expect(reader.refresh()).toBe(true);
      expect(text(reader.get(`k${written - 1}`))).toBe(row);
      expect(rowsOf(reader.scan())).toEqual(rowsOf(db.scan()));
      expect(reader.refresh()).toBe(false);
      expect(reader.stats().memtable.arena_bytes).toBeLessThanOrEqual(5 * arenaBytes);
    }
    await reader.close();
    await drive(db.close(), true);
  });

  it('reads a log anew that was cut back', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('kept', '1');
    const log = env.fs.list(WORKDIR).find((name) => name.endsWith('.wal')) ?? '';
    const path = `${WORKDIR}/${log}`;
    const bytes = env.fs.stat(path)?.bytes ?? 0;
    await db.put('cut', '1');
    const reader = await openReader(env);
    await db.put('cut', '2');
    expect(reader.refresh()).toBe(true);
    expect(text(reader.get('cut'))).toBe('2');
    const file = env.fs.open(path, 'update');
    file.truncate(bytes);
    file.close();
    expect(reader.refresh()).toBe(true);
    expect(reader.get('cut')).toBeUndefined();
    expect(text(reader.get('kept'))).toBe('1');
    await reader.close();
  });

  it('takes over a database that was begun anew in its place, with files of the same names and lengths', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    const reader = await openReader(env);
    await db.close();
    removeFiles(env);
    const next = await openDb(
      { ...createSimEnv(2, env.fs, { startJob }), host: env.host },
      WORKDIR,
    );
    await next.put('a', '2');
    await next.put('b', '3');
    expect(reader.refresh()).toBe(true);
    expect(rowsOf(reader.scan())).toEqual(['a=2', 'b=3']);
    await reader.close();
    await next.close();
  });

  /** The workdir is removed and begun anew by another process, which writes `rows` and flushes when asked to. */
  async function beginAnew(
    env: SimEnv,
    rows: readonly string[],
    options: OpenOptions = {},
    isFlushed = false,
  ): Promise<Db> {
    removeFiles(env);
    const db = await openDb(
      createSimEnv(2, env.fs, { startJob, clock: env.clock }),
      WORKDIR,
      options,
    );
    for (const row of rows) await db.put(row, `new ${row}`);
    if (isFlushed) await db.flush();
    return db;
  }

  it('sees a database that was begun anew with the same lengths, though nothing has grown', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', 'old a');
    const reader = await openReader(env);
    await db.close();
    const files = env.fs.list(WORKDIR).join();
    const next = await beginAnew(env, ['a'], TINY);
    expect(reader.refresh()).toBe(true);
    expect(rowsOf(reader.scan())).toEqual(['a=new a']);
    expect(reader.refresh()).toBe(false);
    await reader.close();
    await next.close();
    expect(env.fs.list(WORKDIR).join()).toBe(files);
  });

  it('takes no log of another database for one that it knows, when only the manifest grew', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', 'old a');
    const reader = await openReader(env);
    await db.close();
    const next = await beginAnew(env, ['a'], TINY);
    await next.put('b', 'x'.repeat(2000)); // to the value log: another edit
    expect(reader.refresh()).toBe(true);
    expect(text(reader.get('a'))).toBe('new a');
    await reader.close();
    await next.close();
  });

  it.each(['tables', 'value log'])(
    'refuses a database with other %s of the same numbers, and still serves the old one',
    async (kind) => {
      const options = { ...TINY, valueThreshold: kind === 'tables' ? 1000 : 3 };
      const { db, env } = await openSim(options);
      for (const key of ['a', 'b']) await db.put(key, `old ${key}`);
      if (kind === 'tables') await db.flush();
      const reader = await openReader(env);
      await db.close();
      const next = await beginAnew(env, ['b', 'c'], options, kind === 'tables');
      for (let i = 0; i < 2; i++) {
        expect(() => reader.refresh()).toThrow(
          expect.objectContaining({ code: 'NOKV_CHANGED', retryable: false }),
        );
        expect(rowsOf(reader.scan())).toEqual(['a=old a', 'b=old b']);
      }
      await reader.close();
      const again = await openReader(env);
      expect(rowsOf(again.scan())).toEqual(['b=new b', 'c=new c']);
      await again.close();
      await next.close();
    },
  );

  it('refuses one whose numbers are those of tables that only an open scan still reads', async () => {
    const { db, env } = await openSim(TINY);
    for (const key of ['a', 'b']) await db.put(key, `old ${key}`);
    await db.flush();
    const reader = await openReader(env);
    const scan = reader.scan();
    expect(scan.take(1)).toHaveLength(1);
    await db.put('c', 'x');
    await db.compact();
    expect(reader.refresh()).toBe(true);
    await db.close();
    const next = await beginAnew(env, ['b', 'c'], TINY, true);
    expect(() => reader.refresh()).toThrow('another database');
    expect(rowsOf(scan)).toEqual(['b=old b']);
    // Nothing is left that could be mixed up.
    expect(reader.refresh()).toBe(true);
    expect(rowsOf(reader.scan())).toEqual(['b=new b', 'c=new c']);
    await reader.close();
    await next.close();
  });

  it('reads a log anew that a copy of the workdir, put in its place, went on with otherwise', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('kept', '1');
    await db.put('cut', '1');
    const reader = await openReader(env);
    const other = await openSim(TINY, { policy: RUN_MANUALLY });
    await other.db.put('kept', '1');
    await other.db.put('cut', '2');
    void other.db.flush(); // begins another log; the job does not run
    for (const name of other.env.fs.list(WORKDIR)) {
      const bytes = other.env.fs.readFile(`${WORKDIR}/${name}`);
      const path = `${WORKDIR}/${name}`;
      if (env.fs.stat(path) !== undefined) env.fs.remove(path);
      const file = env.fs.open(path, 'create');
      file.write(bytes, 0, bytes.length, 0);
      file.close();
    }
    const snapshot = reader.snapshot();
    const transaction = reader.begin({ readOnly: true });
    expect(reader.refresh()).toBe(true);
    expect(rowsOf(reader.scan())).toEqual(['cut=2', 'kept=1']);
    // The same number stands for two writes; the row of the later one is cached.
    expect(text(reader.get('cut'))).toBe('2');
    expect(text(reader.get('cut', { snapshot }))).toBe('1');
    expect(reader.has('late', { snapshot })).toBe(false);
    expect(text(transaction.get('cut'))).toBe('1');
    expect(rowsOf(reader.scan({ snapshot }))).toEqual(['cut=1', 'kept=1']);
    transaction.rollback();
    snapshot.close();
    await reader.close();
  });

  it('leaves snapshots and open scans where they are', async () => {
    const { db, env } = await openSim({ ...TINY, valueThreshold: 500 });
    const put = (round: number): Promise<void[]> =>
      Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          db.put(`k${i}`, `${round}`.repeat(i % 7 === 0 ? 900 : 50)),
        ),
      );
    await put(1);
    await db.flush();
    const reader = await openReader(env);
    const snapshot = reader.snapshot();
    const expected = rowsOf(reader.scan());
    const scan = reader.scan();
    const first = scan.take(10);
    for (let round = 2; round < 6; round++) {
      await put(round);
      await db.compact();
      await db.collectValueLog({ ratio: 0.1 });
      expect(reader.refresh()).toBe(true);
    }
    expect(text(reader.get('k1'))).toBe('5'.repeat(50));
    expect(rowsOf(reader.scan({ snapshot }))).toEqual(expected);
    expect(text(reader.get('k0', { snapshot }))).toBe('1'.repeat(900));
    expect(rowsOf([...first, ...scan])).toEqual(expected);
    snapshot.close();
    await reader.close();
    await db.close();
  });

  it.each(SEEDS)('follows flushes, compactions and collections, seed %i', async (seed) => {
    const prng = new Prng(seed);
    const { db, env } = await openSim({ ...TINY, valueThreshold: 300, manifestRewriteBytes: 4096 });
    const reader = await openReader(env);
    const model = new Map<string, string>();
    for (let step = 0; step < 150; step++) {
      for (let i = 0; i < 20; i++) {
        const key = `k${String(prng.u32() % 300).padStart(3, '0')}`;
        if (prng.u32() % 5 === 0) {
          await db.del(key);
          model.delete(key);
        } else {
          const value = `${seed}-${step}-${i}`.repeat(1 + (prng.u32() % 80));
          await db.put(key, value);
          model.set(key, value);
        }
      }
      if (step % 50 === 49) await db.compact();
      if (step % 3 !== 0) continue;
      expect(reader.refresh(), `seed ${seed} step ${step}`).toBe(true);
      const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => `${k}=${v}`);
      expect(rowsOf(reader.scan()), `seed ${seed} step ${step}`).toEqual(expected);
    }
    await reader.close();
    await db.close();
  });
});

/** Ingest and export through the database: what is seen, when, in which order, and what is refused. */
import { describe, expect, it } from 'vitest';
import { type Db } from '../../../src/engine/db.js';
import type { BuiltTable } from '../../../src/engine/external/built-table.js';
import { TableWriter, type TableWriterOptions } from '../../../src/engine/external/table-writer.js';
import { INGEST_LANE } from '../../../src/engine/external/ingest.js';
import type { Env } from '../../../src/base/env.js';
import { openDb } from '../../../src/engine/db.js';
import { SYSTEM_FAMILY } from '../../../src/engine/requests.js';
import { RUN_MANUALLY } from '../../../src/env/inline-executor.js';
import { openSim, reopen, rowsOf, text, TINY, WORKDIR, killAndReopen } from '../db-fixture.js';

/** Builds `key=value` rows; a key without a value is a delete, `a..b` a range delete. */
export async function build(
  env: Env,
  directory: string,
  rows: readonly string[],
  options: TableWriterOptions = {},
): Promise<BuiltTable[]> {
  const writer = new TableWriter(env, directory, options);
  for (const row of rows) {
    const [key = '', value] = row.split('=');
    const [start = '', end] = key.split('..');
    if (end !== undefined) writer.deleteRange(start, end);
    else if (value === undefined) writer.del(key);
    else writer.put(key, value);
  }
  return writer.finish();
}

const files = (tables: readonly BuiltTable[]): string[] => tables.map(({ file }) => file);
const all = (db: Db): string[] => rowsOf(db.scan());

describe('Db.ingest', () => {
  it('makes all rows of all tables visible, durably, above what was there', async () => {
    const opened = await openSim(TINY);
    const { db, env } = opened;
    await db.put('b', 'old');
    await db.put('d', 'stays');
    const tables = await build(env, '/in', ['a=1', 'b=2', 'c=3']);
    expect(tables).toMatchObject([{ file: '/in/table-000001.sst', entries: 3 }]);
    const result = await db.ingest(files(tables));
    expect(result.tables).toMatchObject([{ entries: 3, level: 0 }]);
    expect(all(db)).toEqual(['a=1', 'b=2', 'c=3', 'd=stays']);
    expect(text(db.get('b'))).toBe('2');
    await db.put('b', 'newer');
    expect(text(db.get('b'))).toBe('newer');
    const again = await killAndReopen(opened, TINY);
    expect(all(again.db)).toEqual(['a=1', 'b=newer', 'c=3', 'd=stays']);
    await again.db.compact();
    expect(all(again.db)).toEqual(['a=1', 'b=newer', 'c=3', 'd=stays']);
    await again.db.close();
  });

  it('is not seen by snapshots and scans from before, whatever compaction does', async () => {
    const { db, env } = await openSim(TINY);
    await db.batch([
      { type: 'put', key: 'a', value: 'old' },
      { type: 'put', key: 'b', value: 'old' },
    ]);
    const snapshot = db.snapshot();
    const scan = db.scan();
    await db.ingest(files(await build(env, '/in', ['a=new', 'b', 'c=new'])));
    expect(all(db)).toEqual(['a=new', 'c=new']);
    await db.compact();
    expect(rowsOf(db.scan({ snapshot }))).toEqual(['a=old', 'b=old']);
    expect(text(db.get('a', { snapshot }))).toBe('old');
    expect(rowsOf(scan)).toEqual(['a=old', 'b=old']);
    snapshot.close();
    await db.compact();
    expect(all(db)).toEqual(['a=new', 'c=new']);
    await db.close();
  });

  it('takes cached rows out', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', 'old');
    expect(text(db.get('a'))).toBe('old');
    expect(text(db.get('a'))).toBe('old');
    await db.ingest(files(await build(env, '/in', ['a=new'])));
    expect(text(db.get('a'))).toBe('new');
    await db.close();
  });

  it('applies range deletes of a table to what was there before only', async () => {
    const { db, env } = await openSim(TINY);
    for (const key of ['a', 'b', 'c', 'd', 'e']) await db.put(key, 'old');
    await db.ingest(files(await build(env, '/in', ['b..e', 'c=new'])));
    expect(all(db)).toEqual(['a=old', 'c=new', 'e=old']);
    await db.put('d', 'newer');
    await db.compact();
    expect(all(db)).toEqual(['a=old', 'c=new', 'd=newer', 'e=old']);
    await db.close();
  });

  it('chooses the deepest level with nothing overlapping in it or above', async () => {
    const { db, env } = await openSim({ ...TINY, autoCompaction: false });
    const level = async (name: string, rows: string[]): Promise<number | undefined> =>
      (await db.ingest(files(await build(env, '/in', rows, { name })))).tables[0]?.level;
    expect(await level('one', ['a=1', 'm=1'])).toBe(6);
    expect(await level('two', ['b=2', 'c=2'])).toBe(5);
    expect(await level('three', ['a=3', 'z=3'])).toBe(4);
    expect(await level('four', ['zz=4'])).toBe(6);
    await db.put('x', 'memory');
    expect(await level('five', ['w=5', 'y=5'])).toBe(0);
    expect(all(db)).toEqual(['a=3', 'b=2', 'c=2', 'm=1', 'w=5', 'x=memory', 'y=5', 'z=3', 'zz=4']);
    await db.compact();
    expect(all(db)).toEqual(['a=3', 'b=2', 'c=2', 'm=1', 'w=5', 'x=memory', 'y=5', 'z=3', 'zz=4']);
    await db.close();
  });

  it('keeps explicit versions, and numbers apart from them', async () => {
    const { db, env } = await openSim(TINY);
    const writer = new TableWriter(env, '/in');
    for (let version = 40; version >= 1; version--) writer.put('k', `v${version}`, { version });
    const tables = await writer.finish();
    await db.put('other', '1');
    await db.ingest(files(tables));
    for (const version of [1, 2, 3, 17, 40]) {
      expect(text(db.get('k', { version }))).toBe(`v${version}`);
    }
    expect([...db.versions('k')].map((one) => one.version)).toEqual(
      Array.from({ length: 40 }, (_, i) => 40 - i),
    );
    await db.compact();
    expect(text(db.get('k', { version: 3 }))).toBe('v3');
    await db.close();
  });

  it('refuses what is missing, empty, foreign, damaged, newer, overlapping or doubled, and changes nothing', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    await db.flush();
    const [one] = files(await build(env, '/in', ['a=1', 'c=1'], { name: 'one' }));
    const [two] = files(await build(env, '/in', ['b=1', 'd=1'], { name: 'two' }));
    const write = (path: string, bytes: Uint8Array): string => {
      const file = env.fs.open(path, 'create');
      file.write(bytes, 0, bytes.length, 0);
      file.close();
      return path;
    };
    const sound = env.fs.readFile(one as string);
    const damaged = sound.slice();
    damaged[3] = (damaged[3] as number) ^ 1;
    const own = env.fs.list(WORKDIR).find((name) => name.endsWith('.sst')) as string;
    const foreign = write('/in/foreign.sst', env.fs.readFile(`${WORKDIR}/${own}`));
    const hidden = new TableWriter(env, '/in', { name: 'hidden' });
    hidden.put('import/default/0/-', 'x', { columnFamily: SYSTEM_FAMILY });
    const [system] = files(await hidden.finish());
    const before = env.fs.list(WORKDIR);
    const seq = db.stats();
    const cases: [string[], string, object][] = [
      [['/in/none.sst'], 'NOKV_NOT_FOUND', { file: '/in/none.sst', offset: 0 }],
      [['/in'], 'NOKV_INVALID', { file: '/in' }],
      [
        [write('/in/empty.sst', new Uint8Array(0))],
        'NOKV_CORRUPTION',
        { file: '/in/empty.sst', offset: 0 },
      ],
      [[write('/in/cut.sst', sound.slice(0, -1))], 'NOKV_CORRUPTION', { file: '/in/cut.sst' }],
      [[write('/in/bad.sst', damaged)], 'NOKV_CORRUPTION', { file: '/in/bad.sst', offset: 0 }],
      [[foreign], 'NOKV_INVALID', { file: foreign }],
      [[system as string], 'NOKV_INVALID', { file: system }],
      [[`${WORKDIR}/${own}`], 'NOKV_INVALID', { file: `${WORKDIR}/${own}` }],
      [[one as string, two as string], 'NOKV_INVALID', { file: two, other: one }],
      [[one as string, one as string], 'NOKV_INVALID', { file: one, other: one }],
    ];
    for (const [paths, code, details] of cases) {
      for (const move of [false, true]) {
        const error: unknown = await db.ingest(paths, { move }).catch((caught: unknown) => caught);
        expect(error, paths.join()).toMatchObject({ code, details });
      }
    }
    expect(env.fs.list(WORKDIR)).toEqual(before);
    expect(db.stats().lsm).toEqual(seq.lsm);
    expect(env.fs.readFile(one as string)).toEqual(sound);
    await db.close();
  });

  it('with move takes the file itself and removes its old name', async () => {
    const { db, env } = await openSim(TINY);
    const paths = files(await build(env, '/in', ['a=1']));
    expect((await db.ingest(paths, { move: true })).leftBehind).toEqual([]);
    expect(env.fs.list('/in')).toEqual([]);
    expect(all(db)).toEqual(['a=1']);
    await db.close();
  });

  it('refuses a table of its own workdir, by any path, and leaves it where it is', async () => {
    const { db, env } = await openSim(TINY);
    const { tables } = await db.ingest(files(await build(env, '/in', ['a=1'])));
    const name = `${String(tables[0]?.fileNumber).padStart(5, '0')}.sst`;
    for (const path of [`${WORKDIR}/${name}`, `/in/..${WORKDIR}/${name}`]) {
      await expect(db.ingest([path], { move: true })).rejects.toMatchObject({
        code: 'NOKV_INVALID',
        details: { file: path },
      });
    }
    expect(env.fs.list(WORKDIR).filter((one) => one.endsWith('.sst'))).toEqual([name]);
    expect(all(db)).toEqual(['a=1']);
    // The file that it came from is another matter.
    await db.ingest(['/in/table-000001.sst'], { move: true });
    await db.close();
  });

  it('keeps writes in flight in their order', async () => {
    const { db, env } = await openSim(TINY);
    const paths = files(await build(env, '/in', ['k=ingested']));
    const before = db.put('k', 'before');
    const ingest = db.ingest(paths);
    const during = db.put('k', 'during');
    await Promise.all([before, ingest, during]);
    expect(text(db.get('k'))).toBe('ingested');
    const last = db.ingest(files(await build(env, '/in', ['k=second'], { name: 'second' })));
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 200; i++) {
      writes.push(db.put('k', `after-${i}`));
      await env.clock.nextTurn();
    }
    await Promise.all([last, ...writes]);
    expect(text(db.get('k'))).toBe('after-199');
    await db.close();
  });

  it('lets writes wait while its edit is on its way to the disk, and they win', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('k', 'before');
    const paths = files(await build(env, '/in', ['k=ingested', 'l=ingested']));
    let during: Promise<void> | undefined;
    let isDone = false;
    let seen: (string | undefined)[] = [];
    env.fs.onOperation = ({ op, path }, when) => {
      if (when !== 'after' || op !== 'write' || during !== undefined) return;
      const isEdit = path.includes('MANIFEST') && text(env.fs.readFile(path))?.includes('"ingest"');
      if (isEdit !== true) return;
      during = db.put('k', 'during').then(() => {
        isDone = true;
      });
      seen = [text(db.get('k')), text(db.get('l')), String(isDone)];
    };
    await db.ingest(paths);
    env.fs.onOperation = undefined;
    expect(seen).toEqual(['before', undefined, 'false']);
    await during;
    expect(all(db)).toEqual(['k=during', 'l=ingested']);
    await db.close();
  });

  it('lets writes go on after a flush that it needs has failed, and can be repeated', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', 'before');
    await db.put('z', 'before');
    const paths = files(await build(env, '/in', ['k=ingested']));
    // The flush that it needs fails for want of space.
    env.fs.injectFault({
      op: 'create',
      path: (path) => path.startsWith(WORKDIR) && path.endsWith('.sst'),
      nth: 2,
      errno: 'ENOSPC',
    });
    await db.put('k', 'before');
    await expect(db.ingest(paths)).rejects.toMatchObject({ code: 'NOKV_NO_SPACE' });
    await db.put('k', 'later');
    expect(text(db.get('k'))).toBe('later');
    env.clock.advance(1000); // the flush is tried again
    await db.settle();
    await db.ingest(paths);
    expect(text(db.get('k'))).toBe('ingested');
    await db.close();
  });

  it('conflicts with transactions that wrote or read in a range of its tables', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    const transaction = db.begin();
    expect(text(transaction.get('b'))).toBeUndefined();
    transaction.put('z', '1');
    const outside = db.begin();
    outside.put('y', '1');
    await db.ingest(files(await build(env, '/in', ['a=2', 'c=2'])));
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'NOKV_CONFLICT' });
    await outside.commit();
    const later = db.begin();
    expect(text(later.get('a'))).toBe('2');
    later.put('a', '3');
    await later.commit();
    await db.close();
  });

  it('is seen by a follower after its next refresh', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    const follower = await openDb(env, WORKDIR, { readOnly: true });
    expect(all(follower)).toEqual(['a=1']);
    const snapshot = follower.snapshot();
    await db.ingest(files(await build(env, '/in', ['a=2', 'b=2'])));
    follower.refresh();
    expect(all(follower)).toEqual(['a=2', 'b=2']);
    expect(rowsOf(follower.scan({ snapshot }))).toEqual(['a=1']);
    await expect(follower.ingest(['/in/table-000001.sst'])).rejects.toMatchObject({
      code: 'NOKV_READ_ONLY',
    });
    await follower.close();
    await db.close();
  });

  it('is refused when the database closes meanwhile, and leaves no file', async () => {
    const opened = await openSim(TINY);
    const { db, env } = opened;
    const paths = files(await build(env, '/in', ['a=1']));
    const ingest = db.ingest(paths);
    const closing = db.close();
    await expect(ingest).rejects.toMatchObject({ code: 'NOKV_CLOSED' });
    await closing;
    expect(env.fs.list(WORKDIR).filter((name) => name.endsWith('.sst'))).toEqual([]);
    expect(INGEST_LANE).toBe('ingest');
    const again = await reopen(opened, TINY);
    expect(all(again.db)).toEqual([]);
    await again.db.close();
  });

  it('is ended by a signal at any step of its job, and leaves no file', async () => {
    const reason = new Error('enough');
    let isWhole = false;
    for (let steps = 0; !isWhole; steps++) {
      const { db, env } = await openSim(TINY, { policy: RUN_MANUALLY });
      const tables = await build(env, '/in', ['a=1', 'b=2']);
      const more = await build(env, '/in', ['c=3'], { name: 'more' });
      const paths = files([...tables, ...more]);
      const abort = new AbortController();
      const ingest = db.ingest(paths, { signal: abort.signal });
      for (let i = 0; i < steps; i++) isWhole = !env.executor.advance(INGEST_LANE);
      abort.abort(reason);
      while (env.executor.advance(INGEST_LANE)) continue;
      await expect(ingest, `after ${steps} steps`).rejects.toBe(reason);
      expect(all(db)).toEqual([]);
      expect(env.fs.list(WORKDIR).filter((name) => name.endsWith('.sst'))).toEqual([]);
      expect(paths.every((path) => env.fs.stat(path) !== undefined)).toBe(true);
      await db.close();
    }
  });

  it('takes no notice of a signal that comes later, and does not begin after one', async () => {
    const { db, env } = await openSim(TINY);
    const paths = files(await build(env, '/in', ['a=1']));
    const abort = new AbortController();
    await db.ingest(paths, { signal: abort.signal });
    abort.abort();
    expect(all(db)).toEqual(['a=1']);
    await expect(db.ingest(paths, { signal: abort.signal })).rejects.toThrow(/aborted/);
    await expect(db.ingest(paths, { signal: {} as AbortSignal })).rejects.toThrow(TypeError);
    await db.close();
  });
});

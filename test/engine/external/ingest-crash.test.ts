/**
 * An ingest of several tables on the simulated disk: cut by a kill or a power cut before every operation, and met by a
 * failing call at every operation. All of it has happened or nothing, and the sources are not lost with it.
 */
import { describe, expect, it } from 'vitest';
import { IoError } from '../../../src/base/errors.js';
import { type Db, openDb } from '../../../src/engine/db.js';
import { TableWriter } from '../../../src/engine/external/table-writer.js';
import { startJob } from '../../../src/engine/jobs.js';
import { KEEP_UNSYNCED, LOSE_UNSYNCED } from '../../../src/env/mem-crash.js';
import { MemFs } from '../../../src/env/mem-fs.js';
import { createSimEnv, type SimEnv } from '../../../src/env/sim-env.js';
import { filesBelow, namedFiles } from '../../crash/simulation.js';
import { rowsOf, TINY, WORKDIR } from '../db-fixture.js';

const BEFORE = ['a=old', 'b=old', 'm=old', 'y=old'];
const AFTER = ['a=new', 'm=new', 'n=new', 'y=old', 'z=new'];
const OPTIONS = { ...TINY, durability: 'disk' } as const;

interface Machine {
  readonly db: Db;
  readonly env: SimEnv;
  readonly paths: string[];
}

async function openOn(fs: MemFs, seed = 1): Promise<{ db: Db; env: SimEnv }> {
  const env = createSimEnv(seed, fs, { startJob });
  return { db: await openDb(env, WORKDIR, OPTIONS), env };
}

/** Old rows in a table and in the memtable; two tables to be ingested. */
async function prepare(): Promise<Machine> {
  const { db, env } = await openOn(new MemFs());
  await db.put('a', 'old');
  await db.put('y', 'old');
  await db.flush();
  await db.put('b', 'old');
  await db.put('m', 'old');
  const writer = new TableWriter(env, '/in', { tableBytes: 4096 });
  writer.put('a', 'new');
  writer.del('b');
  const first = await writer.finish();
  const second = new TableWriter(env, '/in', { name: 'second' });
  second.deleteRange('l', 'o');
  second.put('m', 'new');
  second.put('n', 'new');
  second.put('z', 'new');
  const tables = [...first, ...(await second.finish())];
  env.fs.syncAll();
  return { db, env, paths: tables.map(({ file }) => file) };
}

const contents = (fs: MemFs, paths: readonly string[]): (string | undefined)[] =>
  paths.map((path) =>
    fs.stat(path) === undefined ? undefined : Buffer.from(fs.readFile(path)).toString('latin1'),
  );

/** Opens what a crash left: whole or nothing, no stray file, and the ingest can be repeated from what is left. */
async function check(
  fs: MemFs,
  paths: readonly string[],
  sources: readonly (string | undefined)[],
  mustBeThere: boolean,
  what: string,
): Promise<'before' | 'after'> {
  const { db } = await openOn(fs, 7);
  const rows = rowsOf(db.scan());
  const isAfter = rows.length === AFTER.length;
  expect(rows, what).toEqual(isAfter ? AFTER : BEFORE);
  if (mustBeThere) expect(isAfter, what).toBe(true);
  const left = contents(fs, paths);
  if (isAfter) left.forEach((one, i) => expect([undefined, sources[i]], what).toContain(one));
  else {
    expect(left, what).toEqual(sources);
    await db.ingest(paths, { move: true });
    expect(rowsOf(db.scan()), what).toEqual(AFTER);
  }
  await db.close();
  expect(
    filesBelow(fs, WORKDIR)
      .filter((path) => path.endsWith('.sst'))
      .sort(),
    what,
  ).toEqual(namedFiles(fs).filter((path) => path.endsWith('.sst')));
  return isAfter ? 'after' : 'before';
}

describe.each([{ move: false }, { move: true }])('an ingest with %o', (options) => {
  it('is whole or nothing after a kill or a power cut before every operation', async () => {
    const { db, env, paths } = await prepare();
    const sources = contents(env.fs, paths);
    const copies: { fs: MemFs; what: string }[] = [];
    const ops = new Set<string>();
    let seed = 1;
    const take = (what: string): void => {
      copies.push({ fs: env.fs.killClone(), what: `kill ${what}` });
      copies.push({ fs: env.fs.crashClone(LOSE_UNSYNCED), what: `power cut, all lost, ${what}` });
      copies.push({ fs: env.fs.crashClone(KEEP_UNSYNCED), what: `power cut, all kept, ${what}` });
      for (let i = 0; i < 3; i++) {
        seed++;
        const cut = env.fs.crashClone({ seed, tearPercent: 30 });
        copies.push({ fs: cut, what: `power cut, seed ${seed}, ${what}` });
      }
    };
    env.fs.onOperation = (operation, when) => {
      if (when !== 'before') return;
      ops.add(operation.op);
      take(`before ${operation.index} ${operation.op} ${operation.path}`);
    };
    await db.ingest(paths, options);
    env.fs.onOperation = undefined;
    const promised = copies.length;
    take('after the ingest');
    const ends = new Set<string>();
    for (const [i, { fs, what }] of copies.entries()) {
      ends.add(await check(fs, paths, sources, i >= promised, what));
    }
    expect([...ends].sort((a, b) => (a < b ? -1 : 1))).toEqual(['after', 'before']);
    expect(ops.has(options.move ? 'link' : 'create')).toBe(true);
    expect(copies.length).toBeGreaterThan(60);
    await db.close();
  });

  it.each(['before', 'after'] as const)(
    'has happened or leaves everything as it was when a call fails %s its effect',
    async (moment) => {
      let failures = 0;
      for (let at = 1; ; at++) {
        const { db, env, paths } = await prepare();
        const sources = contents(env.fs, paths);
        const start = env.fs.operationCount;
        let failed = '';
        env.fs.onOperation = (operation, when) => {
          if (when !== moment || operation.index !== start + at) return;
          failed = `${operation.op} ${operation.path}`;
          throw new IoError({ op: operation.op, path: operation.path, errno: 'EIO' });
        };
        const outcome = await db.ingest(paths, options).then(
          () => 'done',
          (error: unknown) => error,
        );
        env.fs.onOperation = undefined;
        const what = `call ${at}: ${failed}`;
        if (failed === '') {
          expect(outcome).toBe('done');
          await db.close();
          break;
        }
        failures++;
        const rows = rowsOf(db.scan());
        expect(rows, what).toEqual(outcome === 'done' ? AFTER : BEFORE);
        if (outcome !== 'done') {
          expect(outcome, what).toMatchObject({
            name: expect.stringMatching(/IoError|ReadOnlyError/),
          });
          expect(contents(env.fs, paths), what).toEqual(sources);
        }
        await db.close().catch(() => undefined);
        await check(env.fs.killClone(), paths, sources, outcome === 'done', what);
      }
      expect(failures).toBeGreaterThan(10);
    },
  );

  it('goes on with writes after a failure that was not of a sync', async () => {
    const { db, env, paths } = await prepare();
    env.fs.injectFault({ op: options.move ? 'link' : 'create', path: '.sst', errno: 'ENOSPC' });
    await expect(db.ingest(paths, options)).rejects.toMatchObject({ code: 'NOKV_NO_SPACE' });
    await db.put('c', 'later');
    await db.ingest(paths, options);
    expect(rowsOf(db.scan())).toEqual(['a=new', 'c=later', 'm=new', 'n=new', 'y=old', 'z=new']);
    await db.close();
  });
});

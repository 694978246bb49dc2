import { describe, expect, it } from 'vitest';
import { NokvError } from '../../src/base/errors.js';
import { FrugalFs } from '../../src/engine/frugal-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { killAndReopen, openSim, type OpenedDb, reopen, rowsOf, text, TINY } from './db-fixture.js';

const MANY = { ...TINY, autoCompaction: false, valueThreshold: 500 };

/** 30 tables, each with rows of its own and one of all, and value-log segments. */
async function withManyTables(): Promise<OpenedDb> {
  const opened = await openSim(MANY);
  for (let i = 0; i < 30; i++) {
    await opened.db.put(`k${i}`, `v${i}`);
    await opened.db.put(`large${i}`, `${i % 10}`.repeat(600));
    await opened.db.put('same', `${i}`);
    await opened.db.flush();
  }
  return opened;
}

function expectRows({ db }: OpenedDb): void {
  for (let i = 0; i < 30; i++) {
    expect(text(db.get(`k${i}`))).toBe(`v${i}`);
    expect(text(db.get(`large${i}`))).toBe(`${i % 10}`.repeat(600));
  }
  expect(text(db.get('same'))).toBe('29');
  expect(rowsOf(db.scan({ prefix: 'k' }))).toHaveLength(30);
}

describe('a database with more tables than the process may open files', () => {
  it('reads, flushes and compacts when the limit is reached', async () => {
    const opened = await withManyTables();
    const { db, env } = opened;
    const scan = db.scan();
    const first = scan.take(5);
    // A compaction has as many inputs as there are tables.
    env.fs.setOpenFilesMax(env.fs.openFiles + 10);
    for (let i = 0; i < 5; i++) await db.put(`late${i}`, 'x'.repeat(1000));
    await db.flush();
    expectRows(opened);
    await db.compact();
    expect(db.stats().lsm.levels[0]?.tables).toBe(0);
    expectRows(opened);
    expect([...first, ...scan]).toHaveLength(61);
    await db.close();
    expect(env.fs.openFiles).toBe(0);
  });

  it.each([reopen, killAndReopen])('opens, and becomes smaller', async (openAgain) => {
    const opened = await withManyTables();
    await opened.db.put('late', '1');
    if (openAgain === reopen) await opened.db.close();
    const limit = openAgain === reopen ? 20 : 0;
    if (limit > 0) opened.env.fs.setOpenFilesMax(limit);
    const again = await openAgain(opened, MANY);
    again.env.fs.setOpenFilesMax(40);
    expectRows(again);
    expect(text(again.db.get('late'))).toBe('1');
    await again.db.compact();
    expectRows(again);
    await again.db.close();
    expect(again.env.fs.openFiles).toBe(0);
  });
});

describe('FrugalFs', () => {
  it('gives descriptors back for a thread that found none to begin with, and runs the job once more', async () => {
    const { fs } = createSimEnv(1);
    fs.open('/a', 'create').close();
    const frugal = new FrugalFs(fs);
    const lent = frugal.lend('/a');
    const stopped = new NokvError('NOKV_IO', 'stopped', { details: { op: 'job' } });
    let runs = 0;
    const run = (): Promise<number> => {
      runs++;
      return fs.openFiles > 0 ? Promise.reject(stopped) : Promise.resolve(runs);
    };
    expect(await frugal.runJob(run)).toBe(2);
    const other = fs.open('/a', 'read');
    await expect(frugal.runJob(run)).rejects.toBe(stopped);
    expect(runs).toBe(3);
    other.close();
    lent.close();
  });

  it('says so when a descriptor is wanted and none is lent, and lets nobody read a closed file', () => {
    const { fs } = createSimEnv(1);
    const file = fs.open('/a', 'create');
    file.write(Uint8Array.of(7), 0, 1, 0);
    file.close();
    const frugal = new FrugalFs(fs);
    const lent = frugal.lend('/a');
    expect(lent.size()).toBe(1);
    fs.setOpenFilesMax(1);
    const other = frugal.open('/a', 'read');
    expect(() => lent.size()).toThrow('EMFILE');
    expect(() => frugal.open('/a', 'read')).toThrow('EMFILE');
    other.close();
    const target = new Uint8Array(1);
    expect(lent.read(target, 0, 1, 0)).toBe(1);
    expect(target[0]).toBe(7);
    lent.close();
    expect(() => lent.read(target, 0, 1, 0)).toThrow('EBADF');
    expect(() => lent.write(target, 0, 1, 0)).toThrow('EBADF');
    expect(fs.openFiles).toBe(0);
  });
});

/** Exports: what they hold, and that an ingest of them gives the same contents. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import type { Db } from '../../../src/engine/db.js';
import { openSim, rowsOf, text, TINY } from '../db-fixture.js';

/** Everything stored, without the numbers of ordinary writes, which an ingest gives anew: their order stays. */
function stored(db: Db): string[] {
  return [...db.storedEntries()].map(({ family, key, kind, version, seq, expiresAt, value }) => {
    const name = version === seq ? 'ordinary' : `version ${version}`;
    return `${family} ${text(key)} ${kind} ${name} ${expiresAt} ${text(value)}`;
  });
}

async function copyInto(db: Db, allVersions: boolean, tableBytes = 4096): Promise<Db> {
  const { db: copy, env } = await openSim(TINY);
  for (const columnFamily of ['default', 'lock', 'write'] as const) {
    const tables = await db.exportTables({ columnFamily }, '/out', { allVersions, tableBytes });
    // Each database has a disk of its own.
    for (const { file } of tables) {
      const bytes = diskOf(db).readFile(file);
      env.fs.makeDirectory('/in');
      const target = env.fs.open(file.replace('/out', '/in'), 'create');
      target.write(bytes, 0, bytes.length, 0);
      target.close();
    }
    await copy.ingest(tables.map(({ file }) => file.replace('/out', '/in')));
  }
  return copy;
}

const disks = new WeakMap<Db, Awaited<ReturnType<typeof openSim>>['env']['fs']>();

function diskOf(db: Db): Awaited<ReturnType<typeof openSim>>['env']['fs'] {
  const disk = disks.get(db);
  if (disk === undefined) throw new Error('unknown database');
  return disk;
}

async function openKnown(): Promise<Db> {
  const { db, env } = await openSim(TINY);
  disks.set(db, env.fs);
  return db;
}

describe('Db.exportTables', () => {
  it('with all versions holds every entry: versions, deletes, expiry, families, values of the value log', async () => {
    const db = await openKnown();
    const snapshots = [];
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 30; i++) {
        if ((i + round) % 7 === 0) await db.del(`key-${i}`);
        else await db.put(`key-${i}`, `${round}`.repeat(i % 5 === 0 ? 4000 : 10));
      }
      snapshots.push(db.snapshot());
    }
    await db.put('expires', 'later', { ttlMs: 1_000_000 });
    for (const version of [7, 3, 16_382, 16_381, 2]) {
      await db.put('m', `v${version}`, { version, columnFamily: 'write' });
    }
    await db.del('m', { version: 5, columnFamily: 'write' });
    await db.put('l', 'locked', { columnFamily: 'lock' });
    const copy = await copyInto(db, true);
    expect(stored(copy)).toEqual(stored(db));
    expect(rowsOf(copy.scan())).toEqual(rowsOf(db.scan()));
    await copy.close();
    await db.close();
  });

  it('keeps range deletes in their places among the versions', async () => {
    const random = new Prng(7);
    for (let seed = 0; seed < 10; seed++) {
      const db = await openKnown();
      const snapshots = [];
      for (let i = 0; i < 60; i++) {
        const key = `k${10 + random.below(40)}`;
        if (random.chance(1, 6)) await db.deleteRange(key, `k${60 + random.below(10)}`);
        else await db.put(key, `value ${i} ${'x'.repeat(random.below(300))}`);
        if (random.chance(1, 5)) snapshots.push(db.snapshot());
        if (random.chance(1, 10)) await db.flush();
      }
      const copy = await copyInto(db, true);
      expect(rowsOf(copy.scan()), `seed ${seed}`).toEqual(rowsOf(db.scan()));
      expect(stored(copy), `seed ${seed}`).toEqual(stored(db));
      await copy.compact();
      expect(rowsOf(copy.scan()), `seed ${seed}, compacted`).toEqual(rowsOf(db.scan()));
      await copy.close();
      await db.close();
    }
  });

  it('holds what a scan shows, as of a snapshot and of a range, and cuts tables at their size', async () => {
    const db = await openKnown();
    for (let i = 100; i < 400; i++) await db.put(`k${i}`, `${i}`.repeat(20));
    await db.deleteRange('k150', 'k160');
    const snapshot = db.snapshot();
    const expected = rowsOf(db.scan({ snapshot, gte: 'k120', lt: 'k350' }));
    for (let i = 100; i < 400; i++) await db.del(`k${i}`);
    const range = { gte: 'k120', lt: 'k350' };
    const tables = await db.exportTables(range, '/out', { snapshot, tableBytes: 4096 });
    expect(tables.length).toBeGreaterThan(3);
    expect(text(tables[0]?.first)).toBe('k120');
    expect(text(tables.at(-1)?.last)).toBe('k349');
    expect(tables.reduce((sum, { entries }) => sum + entries, 0)).toBe(expected.length);
    await db.ingest(tables.map(({ file }) => file));
    expect(rowsOf(db.scan())).toEqual(expected);
    snapshot.close();
    await db.close();
  });

  it('writes nothing for an empty range, and removes what it wrote when it fails', async () => {
    const db = await openKnown();
    const fs = diskOf(db);
    for (let i = 100; i < 400; i++) await db.put(`k${i}`, 'x'.repeat(200));
    expect(await db.exportTables({ gte: 'z' }, '/out')).toEqual([]);
    expect(await db.exportTables({ gte: 'z', lt: 'a' }, '/out')).toEqual([]);
    expect(fs.stat('/out')).toBeUndefined();
    fs.injectFault({ op: 'sync', path: '-000003.sst', errno: 'EIO' });
    await expect(db.exportTables({}, '/out', { tableBytes: 4096 })).rejects.toMatchObject({
      code: 'NOKV_IO',
    });
    expect(fs.list('/out')).toEqual([]);
    await expect(db.exportTables({}, '/out', { tableBytes: 1 })).rejects.toMatchObject({
      code: 'NOKV_INVALID',
    });
    await expect(
      db.exportTables({}, '/out', {
        onProgress: () => {
          throw new Error('enough');
        },
      }),
    ).resolves.toHaveLength(1);
    await db.close();
    await expect(db.exportTables({}, '/out')).rejects.toMatchObject({ code: 'NOKV_CLOSED' });
  });

  it('refuses a key with ordinary and managed writes, and a range delete of the other kind over a row', async () => {
    const db = await openKnown();
    await db.put('both', 'ordinary');
    await db.put('both', 'managed', { version: 1000 });
    await expect(db.exportTables({}, '/out', { allVersions: true })).rejects.toMatchObject({
      code: 'NOKV_INVALID',
      details: { key: 'both' },
    });
    await db.exportTables({}, '/out');
    await db.deleteRange('c', 'd');
    await db.put('cc', 'managed', { version: 2000 });
    await expect(
      db.exportTables({ prefix: 'c' }, '/more', { allVersions: true }),
    ).rejects.toMatchObject({ code: 'NOKV_INVALID', details: { key: 'cc' } });
    await db.close();
  });
});

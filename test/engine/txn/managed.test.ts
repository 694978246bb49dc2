import { beforeEach, describe, expect, it } from 'vitest';
import type { ConflictError } from '../../../src/base/errors.js';
import type { Db } from '../../../src/engine/db.js';
import type { VersionsOptions } from '../../../src/engine/txn/versions.js';
import type { SimEnv } from '../../../src/env/sim-env.js';
import { openSim, rowsOf, text, TINY } from '../db-fixture.js';

let db: Db;
let env: SimEnv;

beforeEach(async () => {
  ({ db, env } = await openSim(TINY));
  return () => db.close();
});

/** `version kind value` of every version. */
function historyOf(key: string, options: VersionsOptions = {}): string[] {
  return Array.from(db.versions(key, options), ({ version, kind, value }) =>
    [version, kind, ...(value === undefined ? [] : [text(value)])].join(' '),
  );
}

describe('managed versions', () => {
  it('are given by the commit, and by a put or del of its own', async () => {
    const txn = db.begin();
    txn.put('a', '1');
    txn.put('b', '1', { version: 7 });
    txn.del('c');
    txn.deleteRange('x', 'y');
    await txn.commit({ version: 20 });
    expect([...db.versions('a')]).toMatchObject([{ version: 20, kind: 'put' }]);
    expect(historyOf('b')).toEqual(['7 put 1']);
    expect(historyOf('c')).toEqual(['20 del']);
    expect(historyOf('xx')).toEqual(['20 delRange']);
    expect(db.get('a', { version: 19 })).toBeUndefined();
  });

  it('readVersion shows what was there then, own writes on top', async () => {
    for (const version of [10, 20, 30]) {
      await db.put('k', `v${version}`, { version });
      await db.put(`k${version}`, 'x', { version });
    }
    const txn = db.begin({ readVersion: 20 });
    expect(text(txn.get('k'))).toBe('v20');
    expect(txn.has('k30')).toBe(false);
    txn.put('own', 'mine');
    txn.deleteRange('k1', 'k2');
    expect(rowsOf(txn.scan())).toEqual(['k=v20', 'k20=x', 'own=mine']);
    txn.rollback();
  });

  it('a version above readVersion of a key that is written or read is a conflict, whenever it came', async () => {
    await db.put('k', 'v10', { version: 10 });
    await db.put('k', 'v30', { version: 30 });
    await db.put('r', 'v10', { version: 10 });
    const cases = [
      { at: 20, does: 'write', fails: true },
      { at: 20, does: 'read', fails: true },
      { at: 20, does: 'scan', fails: true },
      { at: 20, does: 'deleteRange', fails: true },
      { at: 20, does: 'nothing', fails: false },
      { at: 30, does: 'write', fails: false },
      { at: 50, does: 'scan', fails: false },
    ];
    for (const one of cases) {
      const txn = db.begin({ readVersion: one.at });
      if (one.does === 'write') txn.put('k', 'mine');
      if (one.does === 'read') txn.get('k');
      if (one.does === 'scan') rowsOf(txn.scan({ prefix: 'k' }));
      if (one.does === 'deleteRange') txn.deleteRange('j', 'l');
      txn.put(`z${cases.indexOf(one)}`, 'mine');
      const outcome = txn.commit({ version: one.at + 1 }).then(
        () => 'fine',
        (error: unknown) => (error as ConflictError).details['reason'],
      );
      expect([one.at, one.does, await outcome]).toEqual([
        one.at,
        one.does,
        one.fails ? 'version' : 'fine',
      ]);
    }
  });

  it('a write must be above the readVersion', async () => {
    const txn = db.begin({ readVersion: 20 });
    expect(() => txn.put('k', '1', { version: 20 })).toThrow(RangeError);
    txn.put('k', '1');
    await expect(txn.commit({ version: 20 })).rejects.toThrow(RangeError);
    await txn.commit({ version: 21 });
    expect(historyOf('k')).toEqual(['21 put 1']);
  });
});

describe('Db.versions', () => {
  it('lists all versions newest first, deletes included, through flushes and compactions', async () => {
    const large = 'x'.repeat(5000);
    await db.put('k', 'one', { version: 10 });
    await db.put('k', large, { version: 30, ttlMs: 1 });
    await db.flush();
    await db.put('k', 'two', { version: 20 });
    await db.put('kk', 'other', { version: 25 });
    await db.del('k', { version: 40 });
    await db.deleteRange('a', 'z', { version: 15 });
    const all = ['40 del', `30 put ${large}`, '20 put two', '15 delRange', '10 put one'];
    expect(historyOf('k')).toEqual(all);
    await db.flush();
    expect(historyOf('k')).toEqual(all);
    env.clock.advance(1);
    await db.compact();
    expect(historyOf('k')).toEqual(['40 del', '30 del', '20 put two', '15 delRange', '10 put one']);
  });

  it('can be cut: since a version, to a number of them, at a snapshot, by family', async () => {
    for (const version of [10, 20, 30]) await db.put('k', `v${version}`, { version });
    const snapshot = db.snapshot();
    await db.put('k', 'v40', { version: 40 });
    await db.put('k', 'lock', { version: 5, columnFamily: 'lock' });
    expect(historyOf('k', { since: 20 })).toEqual(['40 put v40', '30 put v30']);
    expect(historyOf('k', { limit: 1 })).toEqual(['40 put v40']);
    expect(historyOf('k', { limit: 0 })).toEqual([]);
    expect(historyOf('k', { snapshot, since: 10 })).toEqual(['30 put v30', '20 put v20']);
    expect(historyOf('k', { columnFamily: 'lock' })).toEqual(['5 put lock']);
    expect(historyOf('absent')).toEqual([]);
    snapshot.close();
    expect(() => historyOf('k', { since: -1 })).toThrow(RangeError);
    expect(() => historyOf('k', { after: 1 } as object)).toThrow(TypeError);
    expect(() => historyOf('')).toThrow(RangeError);
  });

  it('lets go when it is not read to its end', async () => {
    await db.put('k', '1', { version: 1 });
    await db.put('k', '2', { version: 3 });
    for (const one of db.versions('k')) {
      expect(one.version).toBe(3);
      break;
    }
    expect(db.stats().readers.scans).toBe(0);
  });
});

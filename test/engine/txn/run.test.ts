/** Db.transaction and update: what they resolve and reject with, whatever becomes of their transaction. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ConflictError } from '../../../src/base/errors.js';
import type { Db } from '../../../src/engine/db.js';
import type { Durability } from '../../../src/engine/options.js';
import type { SimEnv } from '../../../src/env/sim-env.js';
import { openSim, text, TINY } from '../db-fixture.js';

let db: Db;
let env: SimEnv;

beforeEach(async () => {
  ({ db, env } = await openSim({ ...TINY, transactionTimeoutMs: 1000 }));
  return () => db.close();
});

const get = (key: string): string | undefined => text(db.get(key));

describe('a run', () => {
  it('rejects when its transaction expired while the function ran, by either limit', async () => {
    for (const options of [{}, { timeoutMs: 100 }]) {
      const run = db.transaction(async (txn) => {
        txn.put('k', '1');
        env.clock.advance(options.timeoutMs ?? 1000);
        await Promise.resolve();
        return 'done';
      }, options);
      await expect(run).rejects.toMatchObject({ code: 'NOKV_TXN_EXPIRED' });
    }
    const update = db.update((txn) => {
      txn.put('k', '1');
      env.clock.advance(1000);
    });
    await expect(update).rejects.toMatchObject({ code: 'NOKV_TXN_EXPIRED' });
    expect(get('k')).toBeUndefined();
  });

  it('rejects when the database was closed while the function ran', async () => {
    const run = db.transaction(async (txn) => {
      txn.put('k', '1');
      await db.close();
      return 'done';
    });
    await expect(run).rejects.toMatchObject({ code: 'NOKV_TXN_DONE', details: { end: 'closed' } });
  });

  it('resolves when the function rolled it back, by a call or by its scope', async () => {
    const rolledBack = await db.transaction((txn) => {
      txn.put('k', '1');
      txn.rollback();
      return 'mine';
    });
    const disposed = await db.transaction((txn) => {
      txn.put('k', '1');
      txn[Symbol.dispose]();
      return 'mine';
    });
    expect([rolledBack, disposed, get('k')]).toEqual(['mine', 'mine', undefined]);
  });

  it('waits for a commit that the function began and left', async () => {
    const synced: string[] = [];
    const run = db.transaction((txn) => {
      txn.put('k', '1');
      txn.onCommit(() => synced.push('committed'));
      void txn.commit({ durability: 'disk' });
      return 'done';
    });
    expect(await run).toBe('done');
    expect([synced, get('k')]).toEqual([['committed'], '1']);
  });

  it.each([
    ['awaits', (commit: Promise<void>) => commit],
    ['leaves', (_commit: Promise<void>) => undefined],
    ['catches', (commit: Promise<void>) => commit.catch(() => undefined)],
    // It has failed long before the function is at its end.
    ['leaves for long', (_commit: Promise<void>) => db.sync()],
  ])('repeats after a conflict of a commit that the function %s', async (_how, then) => {
    let attempts = 0;
    const run = db.transaction(async (txn) => {
      txn.put('k', 'mine');
      if (attempts++ === 0) await db.put('k', 'other');
      await then(txn.commit());
      return attempts;
    });
    expect([await run, get('k'), db.stats().txns_conflicts]).toEqual([2, 'mine', 1]);
  });

  it('rejects with what a commit of the function failed with', async () => {
    env.fs.injectFault({ op: 'write', errno: 'ENOSPC' });
    const full = db.transaction(async (txn) => {
      txn.put('k', '1');
      await txn.commit().catch(() => undefined);
    });
    await expect(full).rejects.toMatchObject({ code: 'NOKV_NO_SPACE' });
    const lost = db.update(async (txn) => {
      txn.put('k', 'mine');
      await db.put('k', 'other');
      void txn.commit();
    });
    await expect(lost).rejects.toThrow(ConflictError);
    expect([get('k'), db.stats().txns_active]).toEqual(['other', 0]);
  });

  it('that throws beside a commit that it left rejects with that when the commit has ended', async () => {
    const run = db.transaction((txn) => {
      txn.put('k', '1');
      void txn.commit({ durability: 'disk' });
      throw new Error('mine');
    });
    const outcome = run.catch((error: unknown) => [
      String(error),
      get('k'),
      db.stats().txns_active,
    ]);
    expect(await outcome).toEqual(['Error: mine', '1', 0]);
  });

  it('does not repeat for a conflict of another transaction that the function throws', async () => {
    let attempts = 0;
    const run = db.transaction(async (txn) => {
      attempts++;
      txn.put('mine', '1');
      const other = db.begin();
      other.put('k', '1');
      await db.put('k', '2');
      await other.commit();
    });
    await expect(run).rejects.toThrow(ConflictError);
    expect([attempts, get('mine'), db.stats().txns_active]).toEqual([1, undefined, 0]);
  });

  it('refuses a wrong durability before it begins', async () => {
    let calls = 0;
    const options = { durability: 'fsync' as Durability };
    for (const run of [db.transaction(() => calls++, options), db.update(() => calls++, options)]) {
      await expect(run).rejects.toThrow('durability must be os or disk, not fsync');
    }
    const { txns_active, txns_started } = db.stats();
    expect([calls, txns_active, txns_started]).toEqual([0, 0, 0]);
  });
});

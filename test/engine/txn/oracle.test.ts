/** Commits that meet a full memory, a full disk, a failed sync. */
import { describe, expect, it } from 'vitest';
import { hasCode } from '../../../src/base/errors.js';
import type { Db } from '../../../src/engine/db.js';
import type { OpenOptions } from '../../../src/engine/options.js';
import type { RollbackReason } from '../../../src/engine/txn/transaction.js';
import { openSim, text, TINY } from '../db-fixture.js';

describe('a commit', () => {
  it('that waits for room is validated when it has got it', async () => {
    const { db } = await openSim({ ...TINY, memtableCount: 2, valueThreshold: 100_000 });
    const [loser, winner] = [db.begin(), db.begin()];
    loser.put('k', 'loser');
    winner.put('other', 'winner');
    const written = Array.from({ length: 400 }, (_, i) => db.put(`fill${i}`, Buffer.alloc(1000)));
    written.push(db.put('k', 'first'));
    expect(db.stats().write.queue_depth).toBeGreaterThan(0);
    const outcomes = await Promise.allSettled([loser.commit(), winner.commit(), ...written]);
    expect(outcomes.map(({ status }) => status).slice(0, 3)).toEqual([
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect([text(db.get('k')), text(db.get('other'))]).toEqual(['first', 'winner']);
    expect(db.stats()).toMatchObject({ txns_active: 0, txns_conflicts: 1 });
    await db.close();
  });

  it('that meets a full disk leaves nothing, and the next one may succeed', async () => {
    const { db, env } = await openSim(TINY);
    const txn = db.begin();
    txn.put('k', 'lost');
    const reasons: RollbackReason[] = [];
    txn.onRollback((reason) => reasons.push(reason));
    env.fs.injectFault({ op: 'write', errno: 'ENOSPC' });
    await expect(txn.commit()).rejects.toMatchObject({ code: 'NOKV_NO_SPACE', outcome: 'none' });
    expect(reasons.map(({ end, error }) => [end, hasCode(error, 'NOKV_NO_SPACE')])).toEqual([
      ['failed', true],
    ]);
    expect(txn.commitSeq).toBe(0);
    await db.update((again) => again.put('k', 'there'));
    expect(text(db.get('k'))).toBe('there');
    expect(db.stats().readers.snapshots).toBe(0);
    await db.close();
  });

  it('whose sync fails has an unknown outcome, and later ones are refused', async () => {
    const { db, env } = await openSim(TINY);
    const txn = db.begin();
    const other = db.begin();
    txn.put('k', '1');
    other.put('o', '1');
    const reasons: RollbackReason[] = [];
    txn.onRollback((reason) => reasons.push(reason));
    env.fs.injectFault({ op: 'sync', errno: 'EIO' });
    await expect(txn.commit({ durability: 'disk' })).rejects.toMatchObject({ outcome: 'unknown' });
    expect(reasons).toHaveLength(1);
    expect(other.get('k')).toBeUndefined();
    await expect(other.commit()).rejects.toMatchObject({ code: 'NOKV_READ_ONLY' });
    expect(db.view((view) => view.get('k'))).toBeUndefined();
    expect(db.stats().txns_active).toBe(0);
    await db.close().catch(() => undefined);
  });
});

describe('a commit without writes', () => {
  const syncs = async (
    options: OpenOptions,
    commit: (db: Db) => Promise<unknown>,
  ): Promise<number> => {
    const { db } = await openSim({ ...TINY, ...options });
    await db.put('k', '1', { durability: 'os' });
    const before = db.stats().write.sync_count;
    await commit(db);
    const count = db.stats().write.sync_count - before;
    await db.close();
    return count;
  };

  it('makes durable what was acknowledged before when it is asked to, as an empty batch does', async () => {
    expect(await syncs({}, (db) => db.batch([], { durability: 'disk' }))).toBe(1);
    expect(await syncs({}, (db) => db.begin().commit({ durability: 'disk' }))).toBe(1);
    expect(await syncs({}, (db) => db.update(() => 1, { durability: 'disk' }))).toBe(1);
  });

  it('syncs nothing by the default of the database, nor when it is read-only', async () => {
    expect(await syncs({ durability: 'disk' }, (db) => db.begin().commit())).toBe(0);
    expect(await syncs({ durability: 'disk' }, (db) => db.update(() => 1))).toBe(0);
    const commit = (db: Db): Promise<void> =>
      db.begin({ readOnly: true }).commit({ durability: 'disk' });
    expect(await syncs({}, commit)).toBe(0);
  });
});

describe('the noting of writes', () => {
  it('ends with the last transaction that may write, and needs none that only reads', async () => {
    const { db } = await openSim(TINY);
    const view = db.begin({ readOnly: true });
    const unchecked = db.begin({ detectConflicts: false });
    await db.put('a', '1');
    expect(db.stats().txn.history_entries).toBe(0);
    const [one, two] = [db.begin(), db.begin()];
    await db.put('a', '2');
    await db.put('b', '2');
    expect(db.stats().txn.history_entries).toBe(2);
    one.rollback();
    await db.put('c', '3');
    expect(db.stats().txn.history_entries).toBe(3);
    two.rollback();
    await db.put('d', '4');
    expect(db.stats().txn.history_entries).toBe(0);
    view.rollback();
    unchecked.rollback();
    await db.close();
  });
});

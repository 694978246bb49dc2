import { beforeEach, describe, expect, it } from 'vitest';
import { ConflictError, hasCode, NokvError } from '../../../src/base/errors.js';
import type { Db } from '../../../src/engine/db.js';
import type { Isolation, RollbackReason } from '../../../src/engine/txn/transaction.js';
import type { SimEnv } from '../../../src/env/sim-env.js';
import { openSim, rowsOf, text, TINY } from '../db-fixture.js';

let db: Db;
let env: SimEnv;

beforeEach(async () => {
  ({ db, env } = await openSim(TINY));
  return () => db.close();
});

const get = (key: string): string | undefined => text(db.get(key));

async function conflictOf(work: Promise<unknown>): Promise<ConflictError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConflictError);
  return error as ConflictError;
}

/** What a call is refused with. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    return error instanceof NokvError ? error.code : String(error);
  }
  return undefined;
}

describe('a transaction', () => {
  it('reads its snapshot and its own writes; others see them after the commit only', async () => {
    await db.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'b', value: '1' },
    ]);
    const txn = db.begin({ isolation: 'snapshot' });
    await db.put('a', '2');
    await db.put('c', '2');
    txn.put('b', '3');
    txn.put('d', '3');
    expect(txn.getMany(['a', 'b', 'c', 'd']).map(text)).toEqual(['1', '3', undefined, '3']);
    expect(['a', 'c', 'd'].map((key) => txn.has(key))).toEqual([true, false, true]);
    expect(rowsOf(txn.scan())).toEqual(['a=1', 'b=3', 'd=3']);
    expect(rowsOf(db.scan())).toEqual(['a=2', 'b=1', 'c=2']);
    await txn.commit();
    expect(rowsOf(db.scan())).toEqual(['a=2', 'b=3', 'c=2', 'd=3']);
    expect(txn.commitSeq).toBeGreaterThan(0);
  });

  it('hides what it deletes, point and range, from its reads, and writes above a range delete stand', async () => {
    for (const key of ['a', 'b', 'c', 'd', 'e']) await db.put(key, '1');
    const txn = db.begin();
    txn.put('bb', 'gone');
    txn.deleteRange('b', 'd');
    txn.put('c', '2');
    txn.del('e');
    expect(rowsOf(txn.scan())).toEqual(['a=1', 'c=2', 'd=1']);
    expect(rowsOf(txn.scan({ reverse: true }))).toEqual(['d=1', 'c=2', 'a=1']);
    expect(['a', 'b', 'bb', 'c', 'e'].map((key) => text(txn.get(key)))).toEqual([
      '1',
      undefined,
      undefined,
      '2',
      undefined,
    ]);
    expect(txn.has('b')).toBe(false);
    await txn.commit();
    expect(rowsOf(db.scan())).toEqual(['a=1', 'c=2', 'd=1']);
  });

  it('has iterators that turn round over its own writes, and scans that keep what was there', async () => {
    for (const key of ['b', 'd', 'f']) await db.put(key, '1');
    const txn = db.begin();
    txn.put('a', '2');
    txn.put('d', '2');
    txn.put('g', '2');
    txn.del('f');
    const iterator = txn.iterator();
    txn.put('c', 'later');
    const seen: string[] = [];
    const note = (isValid: boolean): void => {
      seen.push(isValid ? `${text(iterator.key)}${text(iterator.value)}` : '-');
    };
    note(iterator.seek('b'));
    note(iterator.next());
    note(iterator.prev());
    note(iterator.prev());
    note(iterator.next());
    note(iterator.next());
    note(iterator.next());
    note(iterator.next());
    note(iterator.seekForPrev('f'));
    note(iterator.last());
    note(iterator.first());
    note(iterator.prev());
    expect(seen.join(' ')).toBe('b1 d2 b1 a2 b1 d2 g2 - d2 g2 a2 -');
    iterator.close();
    expect(rowsOf(txn.scan({ gt: 'a', lt: 'g' }))).toEqual(['b=1', 'c=later', 'd=2']);
    expect(rowsOf(txn.scan({ limit: 2, keysOnly: true, reverse: true }))).toEqual(['g=', 'd=']);
    txn.rollback();
  });

  it('goes back to a savepoint: writes, deletes and range deletes; again and again', () => {
    const txn = db.begin();
    txn.put('a', '1');
    txn.put('b', '1');
    const first = txn.savepoint();
    txn.put('a', '2');
    txn.del('b');
    const second = txn.savepoint();
    txn.deleteRange('a', 'z');
    txn.put('c', '3');
    expect(rowsOf(txn.scan())).toEqual(['c=3']);
    txn.rollbackTo(second);
    expect(rowsOf(txn.scan())).toEqual(['a=2']);
    txn.rollbackTo(first);
    expect(rowsOf(txn.scan())).toEqual(['a=1', 'b=1']);
    expect(codeOf(() => txn.rollbackTo(second))).toBe('NOKV_INVALID');
    expect(codeOf(() => txn.rollbackTo({ id: 1 }))).toBe('NOKV_INVALID');
    txn.put('a', '4');
    txn.rollbackTo(first);
    expect(text(txn.get('a'))).toBe('1');
    txn.rollback();
  });

  it('writes column families, large values and expiring ones', async () => {
    const large = 'x'.repeat(5000);
    const txn = db.begin();
    txn.put('k', large);
    txn.put('k', 'lock', { columnFamily: 'lock' });
    txn.put('t', 'soon gone', { ttlMs: 1000 });
    txn.put('u', 'gone', { expiresAt: 1 });
    expect(text(txn.get('k', { columnFamily: 'lock' }))).toBe('lock');
    expect(txn.get('u')).toBeUndefined();
    expect(rowsOf(txn.scan({ gte: 't' }))).toEqual(['t=soon gone']);
    await txn.commit({ durability: 'disk' });
    expect([get('k'), get('t'), get('u')]).toEqual([large, 'soon gone', undefined]);
    expect(text(db.get('k', { columnFamily: 'lock' }))).toBe('lock');
    env.clock.advance(1000);
    expect(get('t')).toBeUndefined();
  });

  it('owns copies of what it was given, and gives copies away', async () => {
    const key = Buffer.from('key');
    const value = Buffer.from('value');
    const txn = db.begin();
    txn.put(key, value);
    key.fill(0);
    value.fill(0);
    txn.get('key')?.fill(0);
    for (const row of txn.scan()) row.value.fill(0);
    await txn.commit();
    expect(get('key')).toBe('value');
  });

  it('refuses every call once it is over, its scans and iterators included', async () => {
    await db.put('a', '1');
    const txn = db.begin();
    const scan = txn.scan();
    const iterator = txn.iterator();
    txn.put('b', '1');
    await txn.commit();
    const calls = [
      () => txn.get('a'),
      () => txn.getMany(['a']),
      () => txn.has('a'),
      () => txn.put('a', '1'),
      () => txn.del('a'),
      () => txn.deleteRange('a', 'b'),
      () => txn.scan(),
      () => txn.iterator(),
      () => txn.savepoint(),
      () => txn.rollbackTo({ id: 1 }),
      () => txn.onCommit(() => undefined),
      () => scan.next(),
      () => iterator.first(),
    ];
    expect(calls.map(codeOf)).toEqual(calls.map(() => 'NOKV_TXN_DONE'));
    await expect(txn.commit()).rejects.toMatchObject({ code: 'NOKV_TXN_DONE' });
    txn.rollback();
    expect(get('b')).toBe('1');
    expect(db.stats().readers).toMatchObject({ snapshots: 0, scans: 0 });
  });

  it('refuses names that it does not know, and reads of another view', () => {
    const txn = db.begin();
    const bad = { snapshot: 1, durability: 'disk', ttl: 5 } as object;
    expect(() => txn.get('a', bad)).toThrow(TypeError);
    expect(() => txn.put('a', '1', bad)).toThrow(TypeError);
    expect(() => txn.scan(bad)).toThrow(TypeError);
    expect(() => db.begin({ isolated: true } as object)).toThrow(TypeError);
    expect(() => db.begin({ isolation: 'none' as Isolation })).toThrow(RangeError);
    expect(codeOf(() => db.begin({ timeoutMs: -1 }))).toBe('NOKV_INVALID');
    txn.rollback();
    expect(db.stats().txns_active).toBe(0);
  });

  it('survives a wrong argument of commit and of put', async () => {
    const txn = db.begin();
    txn.put('a', '1');
    expect(() => txn.put('', '2')).toThrow(RangeError);
    await expect(txn.commit({ version: -1 })).rejects.toThrow(RangeError);
    await txn.commit();
    expect(get('a')).toBe('1');
  });

  it('that reads only refuses writes, sees one moment, and never conflicts', async () => {
    await db.put('a', '1');
    const txn = db.begin({ readOnly: true });
    expect(text(txn.get('a'))).toBe('1');
    await db.put('a', '2');
    expect(text(txn.get('a'))).toBe('1');
    expect(codeOf(() => txn.put('a', '3'))).toBe('NOKV_READ_ONLY');
    await txn.commit();
    expect(db.stats().txns_conflicts).toBe(0);
  });
});

describe('conflicts', () => {
  const OTHER_WRITES: readonly [string, () => Promise<void>][] = [
    ['put', () => db.put('k', 'other')],
    ['del', () => db.del('k')],
    ['batch', () => db.batch([{ type: 'put', key: 'k', value: 'other' }])],
    ['deleteRange', () => db.deleteRange('a', 'z')],
    [
      'transaction',
      async () => {
        const other = db.begin();
        other.put('k', 'other');
        await other.commit();
      },
    ],
  ];

  it.each(OTHER_WRITES)('the first committer wins against a %s', async (_name, write) => {
    for (const isolation of ['snapshot', 'serializable'] as const) {
      const txn = db.begin({ isolation });
      txn.put('k', 'mine');
      await write();
      const error = await conflictOf(txn.commit());
      expect(error.details).toMatchObject({ reason: 'write' });
      expect(error.retryable).toBe(true);
      expect(get('k')).not.toBe('mine');
    }
    expect(db.stats().txns_conflicts).toBe(2);
  });

  it.each(OTHER_WRITES)('a %s of a key that was read, or found absent', async (_name, write) => {
    for (const isolation of ['snapshot', 'serializable'] as const) {
      const txn = db.begin({ isolation });
      txn.get('k');
      txn.put('zz', 'mine');
      await write();
      if (isolation === 'serializable') {
        expect((await conflictOf(txn.commit())).details).toMatchObject({ reason: 'read' });
      } else {
        await txn.commit();
      }
    }
  });

  it('name the key, and the two moments', async () => {
    const txn = db.begin();
    txn.put('key', '1');
    txn.put(Uint8Array.of(1, 255), '1');
    await db.put('key', '2');
    const first = await conflictOf(txn.commit());
    expect(first.details).toEqual({ reason: 'write', key: 'key', startTs: 0, conflictTs: 1 });
    const again = db.begin();
    again.put(Uint8Array.of(1, 255), '1');
    await db.put(Uint8Array.of(1, 255), '2');
    expect((await conflictOf(again.commit())).details).toMatchObject({ key: '0x01ff' });
  });

  it('a range is what was looked at: rows that appear, change or go in it, and no more', async () => {
    const looks: readonly [string, (txn: ReturnType<Db['begin']>) => void, string, string][] = [
      ['a scan to its end', (txn) => rowsOf(txn.scan({ prefix: 'r' })), 'rzz', 's'],
      ['a scan with a limit', (txn) => rowsOf(txn.scan({ prefix: 'r', limit: 2 })), 'r15', 'r25'],
      ['a reverse scan', (txn) => txn.scan({ prefix: 'r', reverse: true }).take(2), 'r45', 'r35'],
      ['a seek', (txn) => txn.iterator().seek('r25'), 'r27', 'r24'],
      ['a seek before', (txn) => txn.iterator().seekForPrev('r25'), 'r22', 'r18'],
      ['a seek beyond the end', (txn) => txn.iterator().seek('t'), 'zzz', 's'],
    ];
    for (const key of ['r10', 'r20', 'r30', 'r40', 'r50']) await db.put(key, '1');
    for (const [name, look, inside, outside] of looks) {
      const txn = db.begin();
      look(txn);
      txn.put('Z', '1');
      await db.put(outside, 'x');
      await txn.commit();
      await db.del(outside);
      const other = db.begin();
      look(other);
      other.put('Z', '1');
      await db.put(inside, 'x');
      const error = await conflictOf(other.commit().then(() => expect.fail(name)));
      expect([name, error.details['reason'], error.details['key']]).toEqual([
        name,
        'range',
        inside,
      ]);
      await db.del(inside);
    }
  });

  it('write skew is refused when serializable, and allowed in a snapshot', async () => {
    for (const isolation of ['snapshot', 'serializable'] as const) {
      await db.put('x', '1');
      await db.put('y', '1');
      const one = db.begin({ isolation });
      const two = db.begin({ isolation });
      for (const txn of [one, two]) txn.getMany(['x', 'y']);
      one.put('x', '0');
      two.put('y', '0');
      await one.commit();
      if (isolation === 'serializable') await conflictOf(two.commit());
      else await two.commit();
    }
  });

  it('are found against writes that were under way when it began', async () => {
    await db.put('k', '0');
    for (const durability of ['os', 'disk'] as const) {
      const written = db.put('k', 'other', { durability });
      const txn = db.begin();
      expect(text(txn.get('k'))).not.toBe('other');
      txn.put('k', 'mine');
      const commit = txn.commit();
      await conflictOf(commit);
      await written;
      expect(get('k')).toBe('other');
      await db.put('k', '0');
    }
  });

  it('are found against a commit that waits for its sync', async () => {
    const one = db.begin();
    one.put('k', '1');
    const first = one.commit({ durability: 'disk' });
    const two = db.begin();
    expect(two.get('k')).toBeUndefined();
    two.put('k', '2');
    await conflictOf(two.commit());
    await first;
    expect(get('k')).toBe('1');
  });

  it('two commits in one turn: the first wins', async () => {
    const [one, two] = [db.begin(), db.begin()];
    for (const txn of [one, two]) txn.put('k', String(txn.get('k') ?? 0));
    const outcomes = await Promise.allSettled([one.commit(), two.commit()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('can be left to the caller', async () => {
    const txn = db.begin({ detectConflicts: false });
    txn.get('k');
    txn.put('k', 'mine');
    await db.put('k', 'other');
    await txn.commit();
    expect(get('k')).toBe('mine');
  });

  it('an own write that was read is no read of the database', async () => {
    const txn = db.begin();
    txn.put('k', '1');
    txn.rollbackTo(txn.savepoint());
    txn.get('k');
    const point = txn.savepoint();
    txn.put('other', '1');
    txn.get('other');
    txn.rollbackTo(point);
    await db.put('other', '2');
    await txn.commit();
    expect(get('k')).toBe('1');
  });

  it('a transaction that needs more history than is kept is refused, others are not', async () => {
    await db.close();
    ({ db, env } = await openSim({ ...TINY, transactionHistoryBytes: 64 * 1024 }));
    const old = db.begin();
    old.put('mine', '1');
    for (let i = 0; i < 40; i++) {
      await db.batch(
        Array.from({ length: 100 }, (_, k) => ({
          type: 'put' as const,
          key: `key${i}-${k}`,
          value: '',
        })),
      );
    }
    const { txn } = db.stats();
    expect(txn.history_bytes).toBeLessThan(64 * 1024);
    expect(txn.history_floor_seq).toBeGreaterThan(0);
    const young = db.begin();
    young.put('young', '1');
    await young.commit();
    expect((await conflictOf(old.commit())).details).toMatchObject({
      reason: 'history',
      key: null,
    });
    expect(db.stats().txn).toMatchObject({ history_entries: 0, history_floor_seq: 0 });
  });
});

describe('the end of a transaction', () => {
  it('calls back exactly once, whatever the end', async () => {
    const calls: string[] = [];
    const watch = (name: string, txn: ReturnType<Db['begin']>): typeof txn => {
      txn.onCommit((seq) => calls.push(`${name} committed ${seq > 0}`));
      txn.onRollback(({ end, error }: RollbackReason) =>
        calls.push(`${name} ${end} ${hasCode(error, 'NOKV_CONFLICT')}`),
      );
      return txn;
    };
    const good = watch('good', db.begin());
    good.put('k', '1');
    const bad = watch('bad', db.begin());
    bad.put('k', '2');
    await good.commit();
    await conflictOf(bad.commit());
    const empty = watch('empty', db.begin());
    await empty.commit();
    watch('dropped', db.begin()).rollback();
    watch('slow', db.begin({ timeoutMs: 10 }));
    env.clock.advance(10);
    watch('left', db.begin());
    await db.close();
    expect(calls).toEqual([
      'good committed true',
      'bad failed true',
      'empty committed false',
      'dropped rolled back false',
      'slow expired false',
      'left closed false',
    ]);
  });

  it('a callback that throws is logged and changes nothing', async () => {
    const txn = db.begin();
    txn.put('k', '1');
    let called = false;
    txn.onCommit(() => {
      throw new Error('mine');
    });
    txn.onCommit(() => {
      called = true;
    });
    await txn.commit();
    expect([called, get('k')]).toEqual([true, '1']);
    expect(env.log.of('transaction callback failed')).toHaveLength(1);
  });

  it('comes by itself after its time, and the snapshot is let go', async () => {
    await db.close();
    ({ db, env } = await openSim({ ...TINY, transactionTimeoutMs: 1000 }));
    const txn = db.begin();
    const patient = db.begin({ timeoutMs: 0, readOnly: true });
    txn.put('k', '1');
    env.clock.advance(999);
    expect(txn.isOpen).toBe(true);
    expect(db.stats().txn.oldest_age_ms).toBe(999);
    env.clock.advance(1);
    expect(codeOf(() => txn.get('k'))).toBe('NOKV_TXN_EXPIRED');
    await expect(txn.commit()).rejects.toMatchObject({ code: 'NOKV_TXN_EXPIRED' });
    expect(patient.isOpen).toBe(true);
    const { txns_active, txns_started, txn: figures, readers } = db.stats();
    expect([txns_active, txns_started, figures.expired, figures.active_read_only]).toEqual([
      1, 2, 1, 1,
    ]);
    expect(readers.snapshots).toBe(1);
  });

  it('keeps what it sees through flushes and compactions, and not longer', async () => {
    await db.put('k', 'old');
    const txn = db.begin();
    for (let i = 0; i < 5; i++) await db.put('k', `new${i}`);
    await db.compact();
    expect(text(txn.get('k'))).toBe('old');
    expect(db.stats().entries).toBe(2);
    txn.rollback();
    await db.compact();
    expect(db.stats().entries).toBe(1);
  });

  it('closing the database ends it; one that is being committed is finished', async () => {
    const open = db.begin();
    const committing = db.begin();
    open.put('a', '1');
    committing.put('b', '1');
    const commit = committing.commit({ durability: 'disk' });
    await db.close();
    await commit;
    expect(codeOf(() => open.get('a'))).toBe('NOKV_TXN_DONE');
    expect(codeOf(() => db.begin())).toBe('NOKV_CLOSED');
    expect(codeOf(() => db.view(() => 1))).toBe('NOKV_CLOSED');
    await expect(db.update(() => 1)).rejects.toMatchObject({ code: 'NOKV_CLOSED' });
  });

  it('a database that is open read-only has transactions that read', async () => {
    await db.put('a', '1');
    const reader = (await openSim({ readOnly: true }, { clock: env.clock }).catch(() => undefined))
      ?.db;
    expect(reader).toBeUndefined();
    await db.close();
    const { openDb } = await import('../../../src/engine/db.js');
    db = await openDb(env, '/db', { readOnly: true });
    expect(db.view((txn) => text(txn.get('a')))).toBe('1');
    expect(codeOf(() => db.begin())).toBe('NOKV_READ_ONLY');
  });
});

describe('Db.transaction, update and view', () => {
  it('transaction runs again after a conflict, and gives the result', async () => {
    await db.put('n', '0');
    let attempts = 0;
    const increment = (): Promise<number> =>
      db.transaction((txn) => {
        attempts++;
        const next = Number(text(txn.get('n'))) + 1;
        txn.put('n', String(next));
        return next;
      });
    const both = Promise.all([increment(), increment()]);
    expect(await both).toEqual([1, 2]);
    expect([attempts, get('n')]).toEqual([3, '2']);
  });

  it('transaction gives up after its retries, backing off in between', async () => {
    let attempts = 0;
    const run = db.transaction(
      async (txn) => {
        attempts++;
        txn.put('k', 'mine');
        await db.put('k', 'other');
      },
      { retries: 3 },
    );
    const outcome = conflictOf(run);
    for (let i = 0; i < 50 && attempts < 4; i++) {
      await env.clock.nextTurn();
      env.clock.advance(200);
    }
    await outcome;
    expect(attempts).toBe(4);
    await expect(db.transaction(() => 1, { retries: -1 })).rejects.toThrow(RangeError);
  });

  it('what the function throws rolls back, and is not repeated', async () => {
    let attempts = 0;
    const run = db.transaction((txn) => {
      attempts++;
      txn.put('k', '1');
      throw new Error('mine');
    });
    await expect(run).rejects.toThrow('mine');
    expect([attempts, get('k'), db.stats().txns_active]).toEqual([1, undefined, 0]);
  });

  it('update has one attempt; view gives what the function gives and ends with it', async () => {
    const run = db.update(async (txn) => {
      txn.put('k', 'mine');
      await db.put('k', 'other');
    });
    await conflictOf(run);
    await db.update((txn) => txn.put('k', 'mine'), { durability: 'disk' });
    expect(db.view((txn) => text(txn.get('k')))).toBe('mine');
    expect(await db.view(async (txn) => Promise.resolve(text(txn.get('k'))))).toBe('mine');
    expect(() =>
      db.view(() => {
        throw new Error('mine');
      }),
    ).toThrow('mine');
    expect(db.stats().txns_active).toBe(0);
  });

  it('a function may end its transaction itself', async () => {
    await db.transaction((txn) => {
      txn.put('k', '1');
      txn.rollback();
    });
    expect(get('k')).toBeUndefined();
  });
});

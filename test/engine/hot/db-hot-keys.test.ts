/** Hot keys of a database: what its stats say of them, and the limit on writes of one key. */
import { describe, expect, it } from 'vitest';
import { BusyError } from '../../../src/base/errors.js';
import type { Db } from '../../../src/engine/db.js';
import { SYSTEM_FAMILY } from '../../../src/engine/requests.js';
import { statsLines } from '../../../src/cli/stats-text.js';
import { prometheusText } from '../../../src/server/prometheus.js';
import { openSim, reopen, text, TINY } from '../db-fixture.js';

const EVERY = { ...TINY, hotKeySampling: 1, hotKeyWindowMs: 8000 };

const hot = (db: Db, kind: 'write' | 'read'): string[] =>
  db.stats().hot[`${kind}_keys`].map(({ key, count }) => `${key}=${count}`);

/** The error that a write is refused with. */
async function refusalOf(write: Promise<void>): Promise<BusyError> {
  const error: unknown = await write.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BusyError);
  return error as BusyError;
}

describe('Db.stats().hot', () => {
  it('has the hot keys of reads and of writes apart, with their rates', async () => {
    const { db, env } = await openSim(EVERY);
    for (let i = 0; i < 5; i++) await db.put('written', String(i));
    await db.batch([
      { type: 'put', key: 'written', value: '' },
      { type: 'del', key: 'gone', columnFamily: 'lock' },
      { type: 'deleteRange', start: 'a', end: 'b' },
    ]);
    await db.transaction((transaction) => {
      transaction.get('read');
      transaction.put('written', '');
    });
    db.getMany(['read', 'read', 'absent']);
    expect(hot(db, 'write')).toEqual(['written=7', 'gone=1']);
    expect(hot(db, 'read')).toEqual(['read=3', 'absent=1']);
    env.clock.advance(3000);
    const [written, gone] = db.stats().hot.write_keys;
    expect(written?.per_second).toBeCloseTo(7 / 3, 1);
    expect(gone?.column_family).toBe('lock');
    env.clock.advance(8000);
    expect([...hot(db, 'write'), ...hot(db, 'read')]).toEqual([]);
    const { write_ring: ring } = db.stats().hot;
    expect(ring).toMatchObject({ touches: 8, nodes: 2, window_slots: 8, clamps: 0 });
    expect(ring?.last_decay_unix).toBeGreaterThan(0);
    await db.close();
  });

  it('finds the hot keys of a skewed load with the sampling that is the default', async () => {
    const { db } = await openSim({ memtableBytes: 4 * 1024 * 1024 });
    for (let i = 0; i < 20_000; i++) {
      const write = db.put(i % 4 === 0 ? 'hot' : `cold${i}`, '');
      db.get(i % 5 === 0 ? 'popular' : `cold${i}`);
      if (i % 100 === 99) await write;
    }
    const { write_keys: writes, read_keys: reads } = db.stats().hot;
    expect([writes[0]?.key, reads[0]?.key]).toEqual(['hot', 'popular']);
    for (const [found, exact] of [
      [writes[0], 5000],
      [reads[0], 4000],
    ] as const) {
      expect(Math.abs((found?.count ?? 0) - exact)).toBeLessThanOrEqual(found?.error ?? 0);
    }
    // Nothing is known of the cold ones.
    expect([writes.length, reads.length]).toEqual([1, 1]);
    await db.close();
  });

  it('is empty when hot keys are off, and has reads only in a database that is read-only', async () => {
    const off = await openSim({ hotKeySampling: 0 });
    await off.db.put('k', '');
    off.db.get('k');
    expect(off.db.stats().hot).toEqual({
      write_keys: [],
      write_ring: null,
      read_keys: [],
      read_ring: null,
    });
    await off.db.close();
    const readOnly = await reopen(off, { readOnly: true, hotKeySampling: 1 });
    readOnly.db.get('k');
    expect(hot(readOnly.db, 'read')).toEqual(['k=1']);
    expect(readOnly.db.stats().hot.write_ring).toBeNull();
    await readOnly.db.close();
  });

  it('does not show bookkeeping of the engine', async () => {
    const { db } = await openSim(EVERY);
    await db.put('position', '1', { columnFamily: SYSTEM_FAMILY });
    expect(hot(db, 'write')).toEqual([]);
    await db.close();
  });

  it('is shown by the stats command, and counted for Prometheus', async () => {
    const { db } = await openSim({ ...EVERY, hotKeyWriteLimit: 2 });
    await db.put('k\n"', '1', { columnFamily: 'write' });
    await db.put('k\n"', '2', { columnFamily: 'write' });
    await refusalOf(db.put('k\n"', '3', { columnFamily: 'write' }));
    db.get('plain');
    const stats = db.stats();
    const lines = statsLines(stats);
    const from = lines.findIndex((line) => line.startsWith('hot writes'));
    expect(lines.slice(from, from + 6)).toEqual([
      'hot writes  2 touched, 1 of 1,024 counters, window 8.0 s, 1 in 1, 1 refused',
      'WriteHotKeys:',
      '- key="0x6b0a22" family=write count=2 error=0 rate=2.0/s',
      'hot reads   1 touched, 1 of 1,024 counters, window 8.0 s, 1 in 1',
      'ReadHotKeys:',
      '- key="plain" count=1 error=0 rate=1.0/s',
    ]);
    const text = prometheusText(stats);
    expect(text).toContain(
      '# TYPE nokv_hot_write_ring_touches counter\nnokv_hot_write_ring_touches 2\n',
    );
    expect(text).toContain(
      '# TYPE nokv_write_hot_key_limited counter\nnokv_write_hot_key_limited 1\n',
    );
    await db.close();
  });
});

describe('hotKeyWriteLimit', () => {
  const LIMITED = { ...TINY, hotKeySampling: 0, hotKeyWriteLimit: 3, hotKeyWindowMs: 8000 };

  it('refuses the write over it, writes nothing, and lets it pass when the window has moved on', async () => {
    const { db, env } = await openSim(LIMITED);
    env.clock.advance(1000 - (env.clock.monotonicMs() % 1000));
    for (const value of ['1', '2', '3']) await db.put('k', value);
    const error = await refusalOf(db.put('k', '4'));
    expect(error).toMatchObject({ code: 'NOKV_BUSY', retryable: true, outcome: 'none' });
    expect(error.details).toEqual({ queue: 'hot key', limit: 3, backoffMs: 8000, key: 'k' });
    await refusalOf(db.del('k'));
    expect(text(db.get('k'))).toBe('3');
    expect(db.stats().write).toMatchObject({ hot_key_limited: 2, entries_total: 3 });
    expect(db.stats().hot.write_ring?.clamps).toBe(2);
    await db.put('other', '1');
    await db.put('k', 'of another family', { columnFamily: 'lock' });
    env.clock.advance(7999);
    await refusalOf(db.put('k', '4'));
    env.clock.advance(1);
    await db.put('k', '4');
    expect(text(db.get('k'))).toBe('4');
    await db.close();
  });

  it('refuses a batch and a transaction as a whole', async () => {
    const { db } = await openSim(LIMITED);
    for (const value of ['1', '2', '3']) await db.put('k', value);
    const batch = db.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'del', key: 'k' },
    ]);
    expect((await refusalOf(batch)).details['key']).toBe('k');
    const transaction = db.begin();
    transaction.put('b', '1');
    transaction.put('k', '4');
    expect((await refusalOf(transaction.commit())).details['key']).toBe('k');
    expect(transaction.isOpen).toBe(false);
    expect(db.getMany(['a', 'b', 'k']).map(text)).toEqual([undefined, undefined, '3']);
    expect(db.stats().txn.failed).toBe(1);
    // A range delete is of no key, and passes.
    await db.deleteRange('a', 'z');
    expect(db.get('k')).toBeUndefined();
    await db.close();
  });

  it('holds for writes that waited for room, too', async () => {
    const { db } = await openSim({ ...LIMITED, hotKeyWriteLimit: 40, memtableCount: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 400 }, (_, i) => db.put('k', `${'v'.repeat(1500)}${i}`)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(40);
    expect(db.stats().write.hot_key_limited).toBe(360);
    expect(text(db.get('k'))?.slice(1500)).toBe('39');
    await db.close();
  });

  it('never refuses a key below it, whatever else is written', async () => {
    const { db } = await openSim({ ...LIMITED, hotKeyNodes: 64 });
    for (let i = 0; i < 20_000; i++) {
      const write = db.put(`k${i % 7000}`, '');
      if (i % 64 === 63) await write;
    }
    expect(db.stats().write.hot_key_limited).toBe(0);
    await db.close();
  });
});

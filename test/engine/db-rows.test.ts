/** The row cache behind `get`: whatever is cached, a read sees what a read without a cache would. */
import { describe, expect, it } from 'vitest';
import { openSim, reopen, text, TINY } from './db-fixture.js';

const value = (letter: string): string => letter.repeat(200);

describe('Db.get with rows cached', () => {
  it('answers the second read of a row from the cache, after flush and compaction too', async () => {
    const { db } = await openSim(TINY);
    await db.put('k', value('a'));
    db.get('k');
    await db.compact();
    const { hits } = db.stats().cache.rows;
    expect(text(db.get('k'))).toBe(value('a'));
    expect(db.stats().cache.rows.hits).toBe(hits + 1);
    await db.close();
  });

  it('sees an overwrite, a delete, a batch and a range delete at once', async () => {
    const { db } = await openSim(TINY);
    for (const key of ['a', 'b', 'c', 'd']) await db.put(key, value('1'));
    await db.flush();
    const read = (): (string | undefined)[] =>
      db.getMany(['a', 'b', 'c', 'd']).map((found) => text(found)?.[0]);
    expect(read()).toEqual(['1', '1', '1', '1']);
    await db.put('a', value('2'));
    expect(read()).toEqual(['2', '1', '1', '1']);
    await db.del('b');
    expect(read()).toEqual(['2', undefined, '1', '1']);
    await db.batch([
      { type: 'put', key: 'b', value: value('3') },
      { type: 'put', key: 'c', value: value('3') },
    ]);
    expect(read()).toEqual(['2', '3', '3', '1']);
    await db.deleteRange('b', 'd');
    expect(read()).toEqual(['2', undefined, undefined, '1']);
    await db.compact();
    expect(read()).toEqual(['2', undefined, undefined, '1']);
    await db.close();
  });

  it('follows overwrites of the same and of another length, of another lifetime and of an older version', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('k', value('1'), { ttlMs: 1000 });
    db.get('k');
    await db.put('k', value('2'));
    expect(text(db.get('k'))).toBe(value('2'));
    env.clock.advance(2000);
    expect(text(db.get('k'))).toBe(value('2'));
    await db.put('k', value('3'), { version: 1 });
    expect(text(db.get('k'))).toBe(value('2'));
    await db.put('k', 'short');
    expect(text(db.get('k'))).toBe('short');
    await db.close();
  });

  it('fills memory that is prepared meanwhile, and loses no row to it', async () => {
    const { db, env } = await openSim({ cacheBytes: 40 * 1024 * 1024 });
    const rowOf = (i: number): Uint8Array => new Uint8Array(100_000).fill(i);
    for (let i = 0; i < 200; i++) await db.put(`k${i}`, rowOf(i));
    await db.flush();
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 200; i++) {
        expect(Buffer.compare(db.get(`k${i}`) as Uint8Array, rowOf(i))).toBe(0);
        if (i % 7 === 0) await env.clock.nextTurn();
      }
    }
    expect(env.memory.prepared).toBeGreaterThan(5);
    expect(db.stats().cache.rows.hits).toBe(200);
    await db.close();
  });

  it('does not keep the old row when it is read while its successor waits for its sync', async () => {
    const { db } = await openSim(TINY);
    await db.put('k', value('1'));
    await db.flush();
    const written = db.put('k', value('2'), { durability: 'disk' });
    await Promise.resolve();
    expect(text(db.get('k'))?.[0]).toBe('1');
    await written;
    expect(text(db.get('k'))?.[0]).toBe('2');
    await db.close();
  });

  it('keeps snapshots and versions apart from the newest row', async () => {
    const { db } = await openSim(TINY);
    await db.put('k', value('1'));
    const snapshot = db.snapshot();
    await db.put('k', value('2'));
    await db.put('m', value('5'), { version: 5 });
    await db.put('m', value('9'), { version: 9 });
    for (let i = 0; i < 2; i++) {
      expect(text(db.get('k'))?.[0]).toBe('2');
      expect(text(db.get('k', { snapshot }))?.[0]).toBe('1');
      expect(text(db.get('m'))?.[0]).toBe('9');
      expect(text(db.get('m', { version: 7 }))?.[0]).toBe('5');
      expect(db.get('m', { version: 4 })).toBeUndefined();
    }
    snapshot.close();
    await db.close();
  });

  it('lets a cached row expire in time', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('k', value('1'), { ttlMs: 1000 });
    expect(text(db.get('k'))?.[0]).toBe('1');
    expect(db.stats().cache.rows.rows).toBe(1);
    env.clock.advance(1000);
    expect(db.get('k')).toBeUndefined();
    await db.close();
  });

  it('serves separated values, and drops none of them by collecting the value log', async () => {
    const { db } = await openSim({ ...TINY, valueThreshold: 100 });
    for (let i = 0; i < 40; i++) await db.put(`k${i}`, value('1'));
    for (let i = 0; i < 40; i++) db.get(`k${i}`);
    for (let i = 0; i < 38; i++) await db.put(`k${i}`, value('2'));
    await db.compact();
    await db.collectValueLog({ ratio: 0.1 });
    for (let i = 0; i < 40; i++) expect(text(db.get(`k${i}`))?.[0]).toBe(i < 38 ? '2' : '1');
    await db.close();
  });

  it('hands out copies: writing to a value changes no later read', async () => {
    const opened = await openSim(TINY);
    await opened.db.put('k', value('1'));
    await opened.db.close();
    const { db } = await reopen(opened, TINY);
    for (let i = 0; i < 3; i++) {
      const found = db.get('k') as Uint8Array;
      expect(text(found)).toBe(value('1'));
      found.fill(0);
      for (const row of db.scan()) {
        expect(text(row.value)).toBe(value('1'));
        row.value.fill(0);
      }
    }
    await db.close();
  });
});

import { describe, expect, it } from 'vitest';
import { hasCode } from '../../src/base/errors.js';
import { openSim, rowsOf, text, TINY } from './db-fixture.js';

async function openLetters() {
  const opened = await openSim(TINY);
  for (const key of ['b', 'd', 'f', 'h']) await opened.db.put(key, key.toUpperCase());
  return opened;
}

describe('DbIterator', () => {
  it('seeks to the row at or behind a key, and at or before it', async () => {
    const { db } = await openLetters();
    const iterator = db.iterator();
    expect(iterator.valid).toBe(false);
    expect(iterator.seek('c')).toBe(true);
    expect([text(iterator.key), text(iterator.value)]).toEqual(['d', 'D']);
    expect(iterator.seekForPrev('g')).toBe(true);
    expect(text(iterator.key)).toBe('f');
    expect(iterator.seekForPrev('f') && text(iterator.key)).toBe('f');
    expect(iterator.prev() && text(iterator.key)).toBe('d');
    expect(iterator.next() && text(iterator.key)).toBe('f');
    expect(iterator.last() && text(iterator.key)).toBe('h');
    expect(iterator.first() && text(iterator.key)).toBe('b');
    iterator.close();
    await db.close();
  });

  it('clamps a seek into its bounds, and stays invalid past the far one', async () => {
    const { db } = await openLetters();
    const iterator = db.iterator({ gte: 'd', lt: 'h' });
    expect(iterator.seek('a') && text(iterator.key)).toBe('d');
    expect(iterator.seekForPrev('z') && text(iterator.key)).toBe('f');
    expect(iterator.seek('g')).toBe(false);
    expect(iterator.next()).toBe(false);
    expect(iterator.prev()).toBe(false);
    expect(() => iterator.key).toThrow(RangeError);
    expect(iterator.seekForPrev('c')).toBe(false);
    expect(iterator.seek('e') && text(iterator.key)).toBe('f');
    iterator.close();
    await db.close();
  });

  it('sees one moment while writes, flush and compaction go on', async () => {
    const { db } = await openLetters();
    const iterator = db.iterator();
    expect(iterator.seek('d')).toBe(true);
    await db.put('e', 'new');
    await db.del('f');
    await db.compact();
    expect(iterator.next() && text(iterator.value)).toBe('F');
    iterator.close();
    expect(rowsOf(db.scan())).toEqual(['b=B', 'd=D', 'e=new', 'h=H']);
    await db.close();
  });

  it('refuses to go on when it, or the database, is closed', async () => {
    const { db } = await openLetters();
    const closed = db.iterator();
    closed.close();
    closed.close();
    const open = db.iterator();
    open.first();
    await db.close();
    for (const iterator of [closed, open]) {
      expect(iterator.valid).toBe(false);
      let error: unknown;
      try {
        iterator.first();
      } catch (caught) {
        error = caught;
      }
      expect(hasCode(error, 'NOKV_CLOSED')).toBe(true);
    }
  });
});

describe('Db.storedEntries', () => {
  it('tells every version and delete of every family, newest first per key', async () => {
    const { db } = await openSim({ ...TINY, valueThreshold: 100 });
    await db.put('k', 'one');
    await db.flush();
    await db.put('k', 'x'.repeat(200));
    await db.del('k');
    await db.put('k', 'locked', { columnFamily: 'lock' });
    const told = Array.from(db.storedEntries(), (entry) => [
      entry.family,
      text(entry.key),
      entry.seq,
      entry.kind,
      entry.value?.length,
      entry.isSeparated,
    ]);
    expect(told).toEqual([
      [0x10, 'k', 3, 'del', undefined, false],
      [0x10, 'k', 2, 'put', 200, true],
      [0x10, 'k', 1, 'put', 3, false],
      [0x20, 'k', 4, 'put', 6, false],
    ]);
    await db.close();
  });
});

describe('valuePolicies', () => {
  it('place values by family and prefix, the first rule that matches, then the threshold', async () => {
    const { db } = await openSim({
      ...TINY,
      valueThreshold: 1000,
      valuePolicies: [
        { columnFamily: 'lock', strategy: 'inline' },
        { prefix: 'big/', strategy: 'offload' },
        { prefix: 'mid/', strategy: 'threshold', threshold: 10 },
      ],
    });
    await db.put('big/1', 'v');
    await db.put('mid/1', 'short');
    await db.put('mid/2', 'longer than ten');
    await db.put('other', 'x'.repeat(999));
    await db.put('other2', 'x'.repeat(1000));
    await db.put('big/2', 'x'.repeat(2000), { columnFamily: 'lock' });
    const separated = Array.from(db.storedEntries(), (entry) => [
      text(entry.key),
      entry.isSeparated,
    ]);
    expect(separated).toEqual([
      ['big/1', true],
      ['mid/1', false],
      ['mid/2', true],
      ['other', false],
      ['other2', true],
      ['big/2', false],
    ]);
    await db.close();
  });
});

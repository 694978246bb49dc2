import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { TableCache } from '../../../src/engine/cache/table-cache.js';
import { encodeKey, FAMILY_DEFAULT } from '../../../src/engine/key.js';
import { build, entryOf, openBuilt, put, randomEntries } from '../sst/table-model.js';

const built = build(randomEntries(new Prng(1), 500, 1, 20));

describe('TableCache', () => {
  it('keeps indexes within the budget, dropping those not used since they were last looked at', () => {
    const one = openBuilt(built);
    one.mayContain(1);
    const bytes = one.indexBytes;
    const cache = new TableCache(3 * bytes);
    const readers = Array.from({ length: 6 }, () => openBuilt(built));
    for (const reader of readers) cache.add(reader);
    const hot = readers[0];
    for (let round = 0; round < 20; round++) {
      for (const reader of readers.slice(1)) {
        reader.mayContain(round);
        hot?.mayContain(round);
        expect(cache.stats().indexBytes).toBeLessThanOrEqual(3 * bytes);
        expect(readers.reduce((sum, r) => sum + r.indexBytes, 0)).toBe(cache.stats().indexBytes);
      }
    }
    const { indexLoads, indexDrops, tables } = cache.stats();
    expect(tables).toBe(6);
    expect(indexLoads - indexDrops).toBe(3);
    // Five cold tables share two places; the hot one is loaded a few times at most.
    expect(indexLoads).toBeLessThan(20 * 5 + 10);
  });

  it('keeps one index however small the budget, and counts one loaded before', () => {
    const cache = new TableCache(1);
    const a = openBuilt(built, new BlockCache(0));
    const b = openBuilt(built, new BlockCache(0));
    a.mayContain(1);
    cache.add(a);
    cache.add(b);
    expect(cache.stats().indexBytes).toBe(a.indexBytes);
    b.mayContain(1);
    expect(a.indexBytes).toBe(0);
    expect(b.indexBytes).toBeGreaterThan(0);
    cache.remove(b);
    cache.remove(b);
    expect(cache.stats()).toMatchObject({ tables: 1, indexBytes: 0 });
    b.mayContain(1);
    expect(cache.stats().indexBytes).toBe(0);
    a.mayContain(1);
    a.close();
    expect(cache.stats().indexBytes).toBe(0);
  });
});

describe('TableCache, the memory of dropped indexes', () => {
  const KIB = 1024;
  /** Enough blocks for an index of more than 64 KiB. */
  const entries = Array.from({ length: 6000 }, (_, i) =>
    put(encodeKey(FAMILY_DEFAULT, `key ${String(i).padStart(6, '0')}`), i + 1, new Uint8Array(150)),
  );
  const large = build(entries, { blockBytes: 256 });

  it('goes to the next one, when no cursor needs it any more', () => {
    const cache = new TableCache(1024 * KIB);
    const [a, b] = [openBuilt(large), openBuilt(large)];
    cache.add(a);
    cache.add(b);
    const cursor = a.newCursor();
    cursor.first();
    const { indexBytes } = cache.stats();
    expect(indexBytes).toBeGreaterThan(64 * KIB);
    a.dropIndex();
    expect(cache.stats()).toMatchObject({ indexBytes: 0, freeBytes: 0 });
    b.mayContain(1);
    for (const entry of entries) {
      expect(entryOf(cursor)?.seq).toBe(entry.seq);
      cursor.next();
    }
    cursor.close();
    cursor.close();
    expect(cache.stats()).toMatchObject({ indexBytes, freeBytes: indexBytes });
    // What the buffer held before must not shine through.
    const again = a.newCursor();
    expect(cache.stats()).toMatchObject({ indexBytes: 2 * indexBytes, freeBytes: 0 });
    again.seek(entries[777]?.key as Uint8Array, 0, entries[777]?.key.length as number);
    for (const entry of entries.slice(777)) {
      expect(entryOf(again)?.seq).toBe(entry.seq);
      again.next();
    }
    expect(again.valid).toBe(false);
  });

  it('is found again by what needs a little less, not by what needs more or far less', () => {
    const cache = new TableCache(1024 * KIB);
    const memory = cache.takeMemory(150 * KIB);
    cache.giveMemory(memory);
    expect(cache.takeMemory(100 * KIB)).toBe(memory);
    cache.giveMemory(memory);
    expect(cache.takeMemory(70 * KIB)).not.toBe(memory);
    cache.giveMemory(memory);
    expect(cache.takeMemory(167 * KIB)).not.toBe(memory);
    // It has made room.
    expect(cache.stats().freeBytes).toBe(0);
    cache.giveMemory(cache.takeMemory(10 * KIB));
    expect(cache.stats().freeBytes).toBe(0);
  });

  it('stays within the budget, together with the loaded ones', () => {
    const bytes = 128 * KIB;
    const cache = new TableCache(5 * bytes);
    const readers = Array.from({ length: 12 }, () => openBuilt(large));
    for (const reader of readers) cache.add(reader);
    for (let round = 0; round < 50; round++) {
      readers[(round * 7) % 12]?.mayContain(round);
      if (round % 3 === 0) readers[(round * 5) % 12]?.dropIndex();
      const { indexBytes, freeBytes } = cache.stats();
      expect(indexBytes + freeBytes).toBeLessThanOrEqual(5 * bytes);
    }
    for (let i = 0; i < 20; i++) cache.giveMemory(new ArrayBuffer(bytes));
    const { indexBytes, freeBytes } = cache.stats();
    expect(indexBytes + freeBytes).toBeLessThanOrEqual(5 * bytes);
  });
});

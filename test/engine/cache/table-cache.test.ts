import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { TableCache } from '../../../src/engine/cache/table-cache.js';
import { build, openBuilt, randomEntries } from '../sst/table-model.js';

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

import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { BlockOwner } from '../../../src/engine/cache/block-owner.js';
import { FAMILY_DEFAULT, KeyBuffer } from '../../../src/engine/key.js';
import { LookupResult } from '../../../src/engine/sst/lookup-result.js';

const MIB = 1 << 20;

function owner(cache: BlockCache, blocks: number, levelClass = 1, isDense = false): BlockOwner {
  const result = new BlockOwner(levelClass, isDense);
  cache.attach(result, blocks);
  return result;
}

/** Reads a block through the cache as a table does; true for a hit. */
function read(cache: BlockCache, table: BlockOwner, block: number, length: number): boolean {
  const slot = table.slots[block] as number;
  if (slot >= 0) {
    cache.touch(slot, table.levelClass);
    return true;
  }
  cache.countMiss(table.levelClass);
  const made = cache.reserve(table, block, length);
  if (made >= 0) fill(cache, made, table.id * 1000 + block);
  return false;
}

function fill(cache: BlockCache, slot: number, pattern: number): void {
  const start = cache.startOf(slot);
  cache.bytesOf(slot).fill(pattern & 0xff, start, start + cache.lengthOf(slot));
}

function hasPattern(cache: BlockCache, slot: number, pattern: number): boolean {
  const start = cache.startOf(slot);
  const bytes = cache.bytesOf(slot).subarray(start, start + cache.lengthOf(slot));
  return bytes.every((byte) => byte === (pattern & 0xff));
}

const rowKey = new KeyBuffer();
const found = new LookupResult();

/** The cached value of row `row`, or undefined. */
function readRow(cache: BlockCache, row: number): Uint8Array | undefined {
  rowKey.encode(FAMILY_DEFAULT, `row ${row}`);
  if (!cache.rows.get(rowKey, found)) return undefined;
  return found.bytes.subarray(found.start, found.start + found.length);
}

/** After a miss of `readRow`. */
function keepRow(cache: BlockCache, row: number, length: number): void {
  cache.rows.put(rowKey, new LookupResult(), new Uint8Array(length).fill(row), 0, length);
}

function isPattern(bytes: Uint8Array, pattern: number): boolean {
  return bytes.every((byte) => byte === (pattern & 0xff));
}

/** Index below `count` with a skew near that of YCSB: the first ones are hot. */
function skewed(random: Prng, count: number): number {
  return Math.floor(count * random.fraction() ** 4);
}

describe('BlockCache', () => {
  it.each([1, 2, 3, 4])(
    'keeps contents apart and its counts true under random use (seed %i)',
    (seed) => {
      const random = new Prng(seed);
      const cache = new BlockCache(2 * MIB);
      let tables = Array.from({ length: 4 }, () => owner(cache, 300));
      const lengths = new Map<string, number>();
      for (let i = 0; i < 6000; i++) {
        const t = random.below(tables.length);
        const table = tables[t] as BlockOwner;
        const action = random.below(200);
        if (action === 0) {
          cache.drop(table);
          tables = tables.map((old) => (old === table ? owner(cache, 300) : old));
        } else if (action < 40) {
          const row = random.below(600);
          const found = readRow(cache, row);
          if (found === undefined) keepRow(cache, row, 1 + random.below(4000));
          else expect(isPattern(found, row), `seed ${seed} step ${i}`).toBe(true);
        } else {
          const block = skewed(random, 300);
          const length = 1 + random.below(random.chance(1, 20) ? 60_000 : 9000);
          const slot = table.slots[block] as number;
          if (slot >= 0) {
            expect(cache.lengthOf(slot)).toBe(lengths.get(`${table.id}/${block}`));
            expect(hasPattern(cache, slot, table.id * 1000 + block), `seed ${seed} step ${i}`).toBe(
              true,
            );
          } else {
            lengths.set(`${table.id}/${block}`, length);
          }
          read(cache, table, block, length);
        }
      }
      let used = 0;
      for (const table of tables)
        for (const slot of table.slots) if (slot >= 0) used += cache.lengthOf(slot);
      const stats = cache.stats();
      expect(stats.usedBytes).toBe(used);
      expect(stats.memoryBytes).toBeLessThanOrEqual(2 * MIB);
      expect(stats.evictions).toBeGreaterThan(500);
      expect(cache.rows.stats().rows).toBeGreaterThan(0);
      for (const table of tables) cache.drop(table);
      expect(cache.stats().usedBytes).toBe(0);
    },
  );

  it.each([100_000, 1_000_000, 5_000_000, 20_000_000])(
    'holds a budget of %i bytes and uses most of it',
    (budget) => {
      const cache = new BlockCache(budget);
      const table = owner(cache, 40_000);
      for (let block = 0; block < 2 * Math.ceil(budget / 4000); block++)
        read(cache, table, block, 4200);
      const { memoryBytes, usedBytes } = cache.stats();
      expect(memoryBytes).toBeLessThanOrEqual(budget);
      expect(usedBytes).toBeLessThanOrEqual(memoryBytes);
      expect(usedBytes).toBeGreaterThan(budget * (budget < MIB ? 0.5 : 0.75));
    },
  );

  it('rejects everything at budget 0, and blocks over a quarter of a chunk', () => {
    const none = new BlockCache(0);
    expect(read(none, owner(none, 1), 0, 100)).toBe(false);
    expect(none.stats()).toMatchObject({ rejected: 1, memoryBytes: 0, inserts: 0 });
    const some = new BlockCache(32 * MIB);
    const table = owner(some, 2);
    read(some, table, 0, MIB / 4);
    read(some, table, 1, MIB / 4 + 1);
    expect([...table.slots].map((slot) => slot >= 0)).toEqual([true, false]);
  });

  it('keeps the hot set through a scan ten times its size', () => {
    const random = new Prng(5);
    const cache = new BlockCache(8 * MIB);
    const hot = owner(cache, 4000);
    const cold = owner(cache, 20_000);
    const hitRate = (): number => {
      let hits = 0;
      for (let i = 0; i < 20_000; i++) if (read(cache, hot, skewed(random, 4000), 4100)) hits++;
      return hits / 20_000;
    };
    hitRate();
    hitRate();
    const before = hitRate();
    for (let block = 0; block < 20_000; block++) read(cache, cold, block, 4100);
    let hits = 0;
    for (let i = 0; i < 1000; i++) if (read(cache, hot, skewed(random, 4000), 4100)) hits++;
    expect(before).toBeGreaterThan(0.75);
    expect(hits / 1000).toBeGreaterThan(before - 0.08);
  });

  it('keeps a block that comes back soon after it left unused, and one hit while it was young', () => {
    const cache = new BlockCache(8 * MIB);
    const table = owner(cache, 10_000);
    let scanned = 100;
    const scan = (count: number): void => {
      for (let i = 0; i < count; i++) read(cache, table, scanned++, 4100);
    };
    scan(2500);
    read(cache, table, 0, 4100);
    read(cache, table, 1, 4100);
    read(cache, table, 1, 4100);
    while ((table.slots[0] as number) >= 0) scan(1);
    expect(table.slots[1]).toBeGreaterThanOrEqual(0);
    read(cache, table, 0, 4100);
    scan(2500);
    expect([table.slots[0], table.slots[1]].every((slot) => (slot as number) >= 0)).toBe(true);
  });

  it('gives a skewed load nearly the hit rate of the best fixed set', () => {
    const random = new Prng(6);
    const cache = new BlockCache(8 * MIB);
    const table = owner(cache, 10_000);
    for (let i = 0; i < 60_000; i++) read(cache, table, skewed(random, 10_000), 4100);
    let hits = 0;
    for (let i = 0; i < 40_000; i++) if (read(cache, table, skewed(random, 10_000), 4100)) hits++;
    // About 1900 blocks fit; the first 1900 of 10,000 get (0.19) ** (1 / 4) = 66 % of the reads.
    expect(hits / 40_000).toBeGreaterThan(0.6);
  });

  it('moves chunks to another block size when the load changes', () => {
    const random = new Prng(7);
    const cache = new BlockCache(8 * MIB);
    const small = owner(cache, 10_000);
    const large = owner(cache, 300);
    for (let i = 0; i < 30_000; i++) read(cache, small, random.below(10_000), 2000);
    for (let i = 0; i < 30_000; i++) read(cache, large, random.below(150), 40_000);
    let hits = 0;
    for (let i = 0; i < 1000; i++) if (read(cache, large, random.below(150), 40_000)) hits++;
    expect(hits).toBeGreaterThan(900);
    expect(cache.stats().chunksMoved).toBeGreaterThan(3);
    expect(cache.stats().memoryBytes).toBeLessThanOrEqual(8 * MIB);
  });

  it('frees the slots of a dropped table, whose number is used again', () => {
    const cache = new BlockCache(2 * MIB);
    const first = owner(cache, 10);
    for (let block = 0; block < 10; block++) read(cache, first, block, 1000);
    const { id } = first;
    cache.drop(first);
    cache.drop(first);
    expect([...first.slots]).toEqual(new Array(10).fill(-1));
    expect(cache.stats().usedBytes).toBe(0);
    expect(owner(cache, 1).id).toBe(id);
  });

  it('counts hits and misses per level class', () => {
    const cache = new BlockCache(2 * MIB);
    const top = owner(cache, 2, 0);
    const deep = owner(cache, 2, 1);
    read(cache, top, 0, 10);
    read(cache, top, 0, 10);
    read(cache, top, 0, 10);
    read(cache, deep, 1, 10);
    read(cache, deep, 1, 10);
    expect(cache.stats()).toMatchObject({
      hitsL0: 2,
      missesL0: 1,
      hitsOther: 1,
      missesOther: 1,
      inserts: 2,
    });
  });

  it('takes a block for a point read when it is wanted again', () => {
    const cache = new BlockCache(2 * MIB);
    const table = owner(cache, 2);
    expect(cache.reserveAgain(table, 0, 4000)).toBe(-1);
    expect(cache.reserveAgain(table, 1, 4000)).toBe(-1);
    const slot = cache.reserveAgain(table, 0, 4000);
    expect(slot).toBeGreaterThanOrEqual(0);
    expect(table.slots[0]).toBe(slot);
    expect(cache.reserveAgain(owner(cache, 1, 1, true), 0, 4000)).toBeGreaterThanOrEqual(0);
  });

  it('gives memory of unused blocks to rows, and back to blocks when those are used', () => {
    const random = new Prng(8);
    const cache = new BlockCache(8 * MIB);
    const table = owner(cache, 10_000);
    for (let block = 0; block < 4000; block++) read(cache, table, block, 4100);
    for (let i = 0; i < 60_000; i++) {
      const row = random.below(5000);
      if (readRow(cache, row) === undefined) keepRow(cache, row, 1000);
    }
    expect(cache.rows.stats().bytes).toBeGreaterThan(4 * MIB);
    for (let i = 0; i < 60_000; i++) read(cache, table, random.below(1000), 4100);
    expect(cache.rows.stats().bytes).toBeLessThan(5 * MIB);
    expect(cache.stats().memoryBytes).toBeLessThanOrEqual(8 * MIB);
    for (let row = 0; row < 5000; row++) {
      const found = readRow(cache, row);
      if (found !== undefined) expect(isPattern(found, row)).toBe(true);
    }
  });

  it('keeps its hot rows though random point reads want blocks again now and then', () => {
    const random = new Prng(9);
    const cache = new BlockCache(8 * MIB);
    const table = owner(cache, 4000);
    for (let i = 0; i < 40_000; i++) {
      const row = random.below(12_000);
      if (readRow(cache, row) !== undefined) continue;
      cache.reserveAgain(table, row % 4000, 4100);
      keepRow(cache, row, 1000);
    }
    expect(cache.rows.stats().bytes).toBeGreaterThan(6 * MIB);
    expect(cache.stats().chunksMoved).toBeLessThan(40);
  });

  it('keeps the blocks of pointers to large values beside the values, which fill every other byte', () => {
    // 64 pointers a block, 4000 bytes a value: 31 times as many values in memory would save as many reads.
    const random = new Prng(10);
    const cache = new BlockCache(32 * MIB);
    const table = owner(cache, 400, 1, true);
    let misses = 0;
    let blockMisses = 0;
    const readRows = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const row = random.chance(1, 2) ? skewed(random, 3000) : random.below(25_600);
        if (readRow(cache, row) !== undefined) continue;
        misses++;
        const block = row >> 6;
        const slot = table.slots[block] as number;
        if (slot >= 0) {
          cache.touch(slot, 1);
        } else {
          blockMisses++;
          cache.reserveAgain(table, block, 4000);
        }
        keepRow(cache, row, 4000);
      }
    };
    readRows(60_000);
    misses = 0;
    blockMisses = 0;
    readRows(60_000);
    expect(misses).toBeGreaterThan(20_000);
    expect(blockMisses / misses).toBeLessThan(0.05);
    expect(cache.rows.stats().bytes).toBeGreaterThan(24 * MIB);
  });

  it('gives the memory of pointers that nobody reads any more to rows', () => {
    const random = new Prng(11);
    const cache = new BlockCache(8 * MIB);
    const table = owner(cache, 4000, 1, true);
    for (let i = 0; i < 20_000; i++) read(cache, table, random.below(4000), 4000);
    for (let i = 0; i < 60_000; i++) {
      const row = random.below(5000);
      if (readRow(cache, row) === undefined) keepRow(cache, row, 1000);
    }
    expect(cache.rows.stats().bytes).toBeGreaterThan(4 * MIB);
  });
});

import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { type ChunkLender, RowCache, rowIndexBytes } from '../../../src/engine/cache/row-cache.js';
import { FAMILY_DEFAULT, KeyBuffer } from '../../../src/engine/key.js';
import { LookupResult } from '../../../src/engine/sst/lookup-result.js';

const CHUNK_BYTES = 64 * 1024;

/** Lends a fixed number of chunks, all of one piece of memory; those of `order` only, when it is given. */
class Chunks implements ChunkLender {
  readonly chunkBytes: number;
  readonly chunksMax: number;
  readonly #memory: Uint8Array;
  readonly #order: number[];
  #lent = 0;

  constructor(count: number, chunkBytes = CHUNK_BYTES, order?: readonly number[]) {
    this.chunkBytes = chunkBytes;
    this.chunksMax = count;
    this.#memory = new Uint8Array(count * chunkBytes);
    this.#order = [...(order ?? Array.from({ length: count }, (_, i) => i))];
  }

  /** What it lends after the others. */
  lendNext(chunk: number): void {
    this.#order.push(chunk);
  }

  lend(): number {
    return this.#order[this.#lent++] ?? -1;
  }

  bytesOfChunk(chunk: number): Uint8Array {
    const start = chunk * this.chunkBytes;
    return this.#memory.subarray(start, start + this.chunkBytes);
  }
}

function cacheOf(chunks: number): RowCache {
  return new RowCache(new Chunks(chunks), rowIndexBytes(chunks * CHUNK_BYTES));
}

const key = new KeyBuffer();
const out = new LookupResult();

function get(rows: RowCache, name: string): { seq: number; value: number[] } | undefined {
  key.encode(FAMILY_DEFAULT, name);
  if (!rows.get(key, out)) return undefined;
  return { seq: out.seq, value: [...out.bytes.subarray(out.start, out.start + out.length)] };
}

function put(rows: RowCache, name: string, seq: number, value: Uint8Array): void {
  key.encode(FAMILY_DEFAULT, name);
  const entry = new LookupResult();
  entry.seq = seq;
  entry.version = seq + 1;
  entry.expiresAt = seq + 2;
  rows.put(key, entry, value, 0, value.length);
}

function remove(rows: RowCache, name: string): void {
  key.encode(FAMILY_DEFAULT, name);
  rows.remove(key.hash);
}

describe('RowCache', () => {
  it('gives back what was put, with its numbers; nothing for other keys, empty values included', () => {
    const rows = cacheOf(2);
    put(rows, 'a', 7, Uint8Array.of(1, 2, 3));
    put(rows, 'b', 2 ** 52, new Uint8Array(0));
    expect(get(rows, 'a')).toEqual({ seq: 7, value: [1, 2, 3] });
    expect([out.version, out.expiresAt]).toEqual([8, 9]);
    expect(get(rows, 'b')).toEqual({ seq: 2 ** 52, value: [] });
    expect(get(rows, 'ab')).toBeUndefined();
    expect(rows.stats()).toMatchObject({ rows: 2, hits: 2, misses: 1, inserts: 2 });
  });

  it('forgets one key by remove and all by clear, and takes them again', () => {
    const rows = cacheOf(2);
    put(rows, 'a', 1, Uint8Array.of(1));
    put(rows, 'b', 2, Uint8Array.of(2));
    remove(rows, 'a');
    expect([get(rows, 'a'), get(rows, 'b')?.seq]).toEqual([undefined, 2]);
    rows.clear();
    expect(get(rows, 'b')).toBeUndefined();
    put(rows, 'b', 3, Uint8Array.of(3));
    expect(get(rows, 'b')).toEqual({ seq: 3, value: [3] });
  });

  it('rejects rows over an eighth of a chunk, and everything without memory', () => {
    const rows = cacheOf(1);
    put(rows, 'large', 1, new Uint8Array(CHUNK_BYTES / 8));
    expect(get(rows, 'large')).toBeUndefined();
    const none = cacheOf(0);
    put(none, 'a', 1, Uint8Array.of(1));
    expect(get(none, 'a')).toBeUndefined();
    expect(none.isEmpty).toBe(true);
  });

  it('keeps rows that are read again through a flood of others', () => {
    const rows = cacheOf(4);
    const value = new Uint8Array(600);
    for (let i = 0; i < 40; i++) put(rows, `hot ${i}`, i, value);
    let lost = 0;
    for (let i = 0; i < 20_000; i++) {
      const hot = i % 40;
      if (get(rows, `hot ${hot}`) === undefined) {
        lost++;
        put(rows, `hot ${hot}`, hot, value);
      }
      if (get(rows, `cold ${i}`) === undefined) put(rows, `cold ${i}`, i, value);
    }
    // A full bucket of the index gives up any of its rows.
    expect(lost).toBeLessThan(50);
    expect(rows.stats().evictions).toBeGreaterThan(15_000);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'never gives a wrong or removed row under random use (seed %i)',
    (seed) => {
      const random = new Prng(seed);
      const rows = cacheOf(1 + random.below(6));
      const model = new Map<string, { seq: number; value: number[] }>();
      let hits = 0;
      for (let step = 0; step < 10_000; step++) {
        const name = `key ${random.below(400)}`;
        const action = random.below(1000);
        if (action === 0) {
          rows.clear();
          model.clear();
        } else if (action < 100) {
          remove(rows, name);
          model.delete(name);
        } else {
          const found = get(rows, name);
          if (found !== undefined) {
            hits++;
            expect(found, `seed ${seed} step ${step}`).toEqual(model.get(name));
          } else {
            const length = random.below(random.chance(1, 10) ? 9000 : 300);
            const value = new Uint8Array(length).fill(step);
            put(rows, name, step, value);
            model.set(name, { seq: step, value: [...value] });
          }
        }
      }
      expect(hits).toBeGreaterThan(500);
      expect(rows.stats().rows).toBeLessThanOrEqual(400);
    },
  );

  it('counts exactly the rows that can be found, however full its buckets are', () => {
    const rows = cacheOf(4);
    const value = new Uint8Array(1);
    for (let i = 0; i < 20_000; i++)
      if (get(rows, `k${i}`) === undefined) put(rows, `k${i}`, i, value);
    let there = 0;
    for (let i = 0; i < 20_000; i++) if (get(rows, `k${i}`)?.seq === i) there++;
    expect(there).toBe(rows.stats().rows);
    expect(there).toBeGreaterThan(500);
  });
  it('rejects rows whose key has more bytes than a row can tell, and counts right behind one', () => {
    const longest = 'L'.repeat(0xffff - 2); // encoded it has two bytes more
    for (const [name, isKept] of [
      [longest, true],
      [`${longest}L`, false],
      [`${longest}LL`, false],
    ] as const) {
      const rows = new RowCache(new Chunks(2, 1024 * 1024), rowIndexBytes(2 * 1024 * 1024));
      put(rows, name, 1, Uint8Array.of(1));
      expect(rows.stats().inserts).toBe(isKept ? 1 : 0);
      expect(get(rows, name)?.seq).toBe(isKept ? 1 : undefined);
      // Enough to use both chunks again: rows are walked over by their lengths.
      const value = new Uint8Array(400);
      for (let i = 0; i < 10_000; i++) put(rows, `k${i}`, i, value);
      let there = get(rows, name) === undefined ? 0 : 1;
      for (let i = 0; i < 10_000; i++) if (get(rows, `k${i}`)?.seq === i) there++;
      expect(there).toBe(rows.stats().rows);
    }
  });

  it('finds rows in chunks of any number', () => {
    const chunks = new Chunks(70_000, 512, [0, 65_536, 65_535, 1, 69_999]);
    const rows = new RowCache(chunks, rowIndexBytes(512 * 1024));
    const names = Array.from({ length: 5 * 8 }, (_, i) => `k${String(i).padStart(2, '0')}`);
    // 64 bytes a row, 8 rows a chunk.
    const valueOf = (i: number): Uint8Array => new Uint8Array(16).fill(i);
    for (const [i, name] of names.entries()) put(rows, name, i, valueOf(i));
    for (const [i, name] of names.entries()) {
      expect(get(rows, name), name).toEqual({ seq: i, value: [...valueOf(i)] });
    }
    rows.giveBack(65_536);
    for (const [i, name] of names.entries()) {
      expect(get(rows, name)?.seq, name).toBe(i >= 8 && i < 16 ? undefined : i);
    }
    expect(rows.stats()).toMatchObject({ rows: 32, bytes: 4 * 512 });
    // What it is lent again takes the number of what it gave back.
    chunks.lendNext(65_536);
    put(rows, 'again', 99, Uint8Array.of(9));
    expect(get(rows, 'again')).toEqual({ seq: 99, value: [9] });
    expect(get(rows, 'k00')?.seq).toBe(0);
    expect(rows.useOf(65_536)).toBeGreaterThan(0);
  });

  it('never gives a wrong row with more chunks than a place can name', () => {
    const chunks = new Chunks(65_600, 512);
    const rows = new RowCache(chunks, 8 * rowIndexBytes(65_600 * 512));
    const value = new Uint8Array(4);
    // A key that is written again comes to lie 65,536 chunks behind where it was, which nobody has overwritten.
    const keys = 65_536 * 8;
    const nameOf = (i: number): string => `k${(i % keys).toString(36).padStart(5, '0')}`;
    const count = 65_600 * 8;
    for (let i = 0; i < count; i++) {
      if (i >= keys) remove(rows, nameOf(i));
      put(rows, nameOf(i), i, value);
    }
    let there = 0;
    let stale = 0;
    for (let i = count - keys; i < count; i++) {
      key.encode(FAMILY_DEFAULT, nameOf(i));
      if (!rows.get(key, out)) continue;
      there++;
      if (out.seq !== i) stale++;
    }
    expect(stale).toBe(0);
    expect(there).toBe(rows.stats().rows);
    expect(rows.stats().bytes).toBeLessThan(65_536 * 512);
    expect(rows.stats().bytes).toBeGreaterThan(65_000 * 512);
  });
});

import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../../src/base/bytes.js';
import { Prng } from '../../../src/base/prng.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { KIND_PUT, NO_EXPIRY } from '../../../src/engine/entry.js';
import { RowBatch } from '../../../src/engine/iterators/row-batch.js';
import { encodeKey, FAMILY_DEFAULT, hashEncodedKey, KeyBuffer } from '../../../src/engine/key.js';
import { JS_LZ4 } from '../../../src/engine/sst/codec.js';
import { LookupResult } from '../../../src/engine/sst/lookup-result.js';
import type { TableBuilderOptions } from '../../../src/engine/sst/table-builder.js';
import type { TableReader } from '../../../src/engine/sst/table-reader.js';
import { ValueSlab } from '../../../src/engine/value-slab.js';
import {
  build,
  entryOf,
  lowerBound,
  modelGet,
  type ModelEntry,
  openBuilt,
  put,
  randomEntries,
  randomKey,
} from './table-model.js';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const MAX = Number.MAX_SAFE_INTEGER;

function keyBufferOf(encoded: Uint8Array): KeyBuffer {
  const key = new KeyBuffer();
  key.bytes = new Uint8Array(Math.max(encoded.length, 256)).fill(0xee);
  key.bytes.set(encoded);
  key.length = encoded.length;
  key.hash = hashEncodedKey(encoded, 0, encoded.length);
  return key;
}

function getEntry(
  reader: TableReader,
  key: Uint8Array,
  seqMax = MAX,
  versionMax = MAX,
): ModelEntry | undefined {
  const out = new LookupResult();
  if (!reader.get(keyBufferOf(key), seqMax, versionMax, out)) return undefined;
  const value = out.bytes.slice(out.start, out.start + out.length);
  return {
    key,
    version: out.version,
    seq: out.seq,
    kind: out.kind,
    expiresAt: out.expiresAt,
    value,
  };
}

/** Like toEqual, fast for large values. */
function expectSame(actual: ModelEntry | undefined, expected: ModelEntry): void {
  expect(Buffer.compare(actual?.value ?? new Uint8Array(0), expected.value)).toBe(0);
  expect(Buffer.compare(actual?.key ?? new Uint8Array(0), expected.key)).toBe(0);
  expect([actual?.seq, actual?.kind]).toEqual([expected.seq, expected.kind]);
}

/** A seek target: a key, a prefix of one, one with a tail, or random bytes. */
function randomTarget(random: Prng): Uint8Array {
  const key = randomKey(random);
  switch (random.below(4)) {
    case 0:
      return key.slice(0, random.below(key.length + 1));
    case 1:
      return Uint8Array.from([...key, random.below(256)]);
    case 2: {
      const bytes = new Uint8Array(random.below(4));
      random.fill(bytes);
      return bytes;
    }
    default:
      return key;
  }
}

interface Shape {
  name: string;
  versionsMax: number;
  valueMax: number;
  options: Partial<TableBuilderOptions>;
  cacheBytes: number;
}

const SHAPES: Shape[] = [
  {
    name: 'one entry per block',
    versionsMax: 3,
    valueMax: 40,
    options: { blockBytes: 1 },
    cacheBytes: 1 << 20,
  },
  {
    name: 'small blocks',
    versionsMax: 6,
    valueMax: 30,
    options: { blockBytes: 128 },
    cacheBytes: 1 << 20,
  },
  {
    name: 'ordinary blocks, tiny cache',
    versionsMax: 2,
    valueMax: 600,
    options: {},
    cacheBytes: 70_000,
  },
  {
    name: 'big blocks, no cache',
    versionsMax: 40,
    valueMax: 5,
    options: { blockBytes: 20_000 },
    cacheBytes: 0,
  },
  {
    name: 'compressed blocks',
    versionsMax: 10,
    valueMax: 3,
    options: { blockBytes: 700, codec: JS_LZ4 },
    cacheBytes: 1 << 20,
  },
];

describe.each(SHAPES)('TableReader, $name', (shape) => {
  it.each(SEEDS)('get finds what a linear search finds (seed %i)', (seed) => {
    const random = new Prng(seed);
    const entries = randomEntries(random, 400, shape.versionsMax, shape.valueMax);
    const reader = openBuilt(build(entries, shape.options), new BlockCache(shape.cacheBytes));
    for (let i = 0; i < 1500; i++) {
      const key = random.chance(3, 4)
        ? (entries[random.below(entries.length)] as ModelEntry).key
        : randomKey(random);
      // Half of the limits are those of an entry of the table, so that equality is met too.
      const bounds = entries[random.below(entries.length)] as ModelEntry;
      const seqMax = [MAX, bounds.seq, random.below(5000)][random.below(3)] as number;
      const versionMax = [MAX, bounds.version, random.below(5000)][random.below(3)] as number;
      expect(getEntry(reader, key, seqMax, versionMax)).toEqual(
        modelGet(entries, key, seqMax, versionMax),
      );
    }
  });

  it.each(SEEDS)('a cursor moves like an index into a sorted array (seed %i)', (seed) => {
    const random = new Prng(100 + seed);
    const entries = randomEntries(random, 400, shape.versionsMax, shape.valueMax);
    const reader = openBuilt(build(entries, shape.options), new BlockCache(shape.cacheBytes));
    const cursor = reader.newCursor({
      readaheadBytes: [0, 300, 100_000][seed % 3] as number,
      fillCache: seed % 2 === 0,
    });
    let at = -1;
    for (let i = 0; i < 3000; i++) {
      const isOn = at >= 0 && at < entries.length;
      const step = isOn ? random.below(10) : random.below(4);
      if (step === 0) {
        const target = randomTarget(random);
        cursor.seek(target, 0, target.length);
        at = lowerBound(entries, target);
      } else if (step === 1) {
        const target = randomTarget(random);
        cursor.seekBefore(target, 0, target.length);
        at = lowerBound(entries, target) - 1;
      } else if (step === 2 && random.chance(1, 5)) {
        cursor.first();
        at = 0;
      } else if (step === 3 && random.chance(1, 5)) {
        cursor.last();
        at = entries.length - 1;
      } else if (step >= 4 && step < 7) {
        cursor.next();
        at++;
      } else if (step >= 7 && step < 9) {
        cursor.prev();
        at--;
      } else if (step === 9) {
        const { key } = entries[at] as ModelEntry;
        cursor.nextKey();
        while (at < entries.length && compareArrays((entries[at] as ModelEntry).key, key) === 0)
          at++;
      }
      expect(entryOf(cursor), `seed ${seed} step ${i}`).toEqual(entries[at]);
    }
    cursor.close();
    cursor.close();
  });

  it.each(SEEDS)('a cursor adds to a batch what nextKey would show (seed %i)', (seed) => {
    const random = new Prng(200 + seed);
    const entries = randomEntries(random, 400, shape.versionsMax, shape.valueMax);
    const reader = openBuilt(build(entries, shape.options), new BlockCache(shape.cacheBytes));
    for (let round = 0; round < 40; round++) {
      const expectedBytes = random.chance(1, 2) ? undefined : random.below(3000);
      const cursor = reader.newCursor({ memory: new ValueSlab(), expectedBytes });
      const batch = new RowBatch({ read: () => expect.fail() }, new ValueSlab(), false);
      const seqMax = random.chance(1, 2) ? MAX : random.below(5000);
      const end = random.chance(1, 3) ? randomTarget(random) : undefined;
      const isPlain = (entry: ModelEntry): boolean =>
        entry.kind === KIND_PUT &&
        entry.expiresAt === NO_EXPIRY &&
        entry.seq <= seqMax &&
        (end === undefined || compareArrays(entry.key, end) < 0);
      const heads = entries.filter(
        (entry, i) => i === 0 || compareArrays(entry.key, (entries[i - 1] as ModelEntry).key) > 0,
      );
      const from = randomTarget(random);
      cursor.seek(from, 0, from.length);
      let at = heads.findIndex((entry) => compareArrays(entry.key, from) >= 0);
      while (cursor.valid) {
        expect(entryOf(cursor)).toEqual(heads[at]);
        const rowsMax = 1 + random.below(20);
        batch.reset(rowsMax);
        batch.startRun(seqMax, MAX, end);
        cursor.nextKeyInto(batch);
        const added: ModelEntry[] = [];
        at++;
        for (; at < heads.length && added.length < rowsMax; at++) {
          if (!isPlain(heads[at] as ModelEntry)) break;
          added.push(heads[at] as ModelEntry);
        }
        // Of a full batch the last row stays current.
        if (added.length === rowsMax) at--;
        expect(batch.rows.map((row) => row.value)).toEqual(added.map((entry) => entry.value));
        expect(batch.rows.map((row) => encodeKey(FAMILY_DEFAULT, row.key))).toEqual(
          added.map((entry) => entry.key),
        );
      }
      expect(at).toBe(at === -1 ? -1 : heads.length);
      cursor.close();
    }
  });

  it('walks all entries forward and backward', () => {
    const entries = randomEntries(new Prng(9), 500, shape.versionsMax, shape.valueMax);
    const reader = openBuilt(build(entries, shape.options), new BlockCache(shape.cacheBytes));
    const cursor = reader.newCursor();
    const forward: (ModelEntry | undefined)[] = [];
    for (cursor.first(); cursor.valid; cursor.next()) forward.push(entryOf(cursor));
    expect(forward).toEqual(entries);
    const backward: (ModelEntry | undefined)[] = [];
    for (cursor.last(); cursor.valid; cursor.prev()) backward.push(entryOf(cursor));
    expect(backward.reverse()).toEqual(entries);
  });
});

describe('TableReader.get', () => {
  it('sees an entry at exactly its sequence number and version, and not below', () => {
    const key = encodeKey(FAMILY_DEFAULT, 'a');
    const reader = openBuilt(
      build([put(key, 20, new Uint8Array(1), 30), put(key, 10, new Uint8Array(1), 5)]),
    );
    expect(getEntry(reader, key, 20, 30)?.seq).toBe(20);
    expect(getEntry(reader, key, 19, 30)?.seq).toBe(10);
    expect(getEntry(reader, key, 20, 29)?.seq).toBe(10);
    expect(getEntry(reader, key, 10, 5)?.seq).toBe(10);
    expect(getEntry(reader, key, 9, 5)).toBeUndefined();
    expect(getEntry(reader, key, 10, 4)).toBeUndefined();
  });

  it('finds every version of a key that fills several blocks', () => {
    const before = encodeKey(FAMILY_DEFAULT, 'a');
    const hot = encodeKey(FAMILY_DEFAULT, 'b');
    const after = encodeKey(FAMILY_DEFAULT, 'c');
    const entries = [put(before, 1, new Uint8Array(10))];
    for (let seq = 1000; seq > 0; seq--) entries.push(put(hot, seq, new Uint8Array(50).fill(seq)));
    entries.push(put(after, 1, new Uint8Array(10)));
    const reader = openBuilt(build(entries));
    expect(reader.blockCount).toBeGreaterThan(10);
    for (let seq = 1; seq <= 1000; seq++) expect(getEntry(reader, hot, seq)?.seq).toBe(seq);
    expect(getEntry(reader, hot, 0)).toBeUndefined();
    expect(getEntry(reader, before)?.seq).toBe(1);
    expect(getEntry(reader, after)?.seq).toBe(1);
    const cursor = reader.newCursor();
    cursor.seek(hot, 0, hot.length);
    expect(cursor.seq).toBe(1000);
    cursor.nextKey();
    expect(entryOf(cursor)?.key).toEqual(after);
  });

  it('returns values of 2 MiB and keys of 65,535 bytes', () => {
    const random = new Prng(3);
    const entries: ModelEntry[] = [];
    for (let i = 0; i < 4; i++) {
      const key = new Uint8Array(65_535).fill(i % 2);
      key[65_534] = i;
      const value = new Uint8Array(i === 2 ? 2 << 20 : 1000);
      random.fill(value);
      entries.push(put(encodeKey(FAMILY_DEFAULT, key), i + 1, value));
    }
    entries.sort((a, b) => compareArrays(a.key, b.key));
    for (const codec of [undefined, JS_LZ4]) {
      const reader = openBuilt(build(entries, { codec }));
      for (const entry of entries) expectSame(getEntry(reader, entry.key), entry);
      const cursor = reader.newCursor();
      cursor.last();
      for (let i = entries.length - 1; i >= 0; i--, cursor.prev())
        expectSame(entryOf(cursor), entries[i] as ModelEntry);
      expect(reader.verify()).toEqual([]);
    }
  }, 60_000);

  it('does not read a block for a key that the filter excludes', () => {
    const entries = randomEntries(new Prng(4), 300, 1, 100);
    const cache = new BlockCache(1 << 20);
    const reader = openBuilt(build(entries), cache);
    let absent = 0;
    for (let i = 0; i < 500; i++) {
      const key = encodeKey(FAMILY_DEFAULT, `absent ${i}`);
      expect(getEntry(reader, key)).toBeUndefined();
      if (!reader.mayContain(hashEncodedKey(key, 0, key.length))) absent++;
    }
    const { missesOther, hitsOther } = cache.stats();
    expect(absent).toBeGreaterThan(450);
    expect(missesOther + hitsOther).toBeLessThanOrEqual(500 - absent);
  });

  it('reads a block twice for neighbouring keys, then serves it from the cache', () => {
    const entries = randomEntries(new Prng(5), 300, 1, 100);
    const cache = new BlockCache(1 << 20);
    const reader = openBuilt(build(entries), cache);
    for (const entry of entries) getEntry(reader, entry.key);
    expect(cache.stats().missesOther).toBe(2 * reader.blockCount);
    for (const entry of entries) getEntry(reader, entry.key);
    expect(cache.stats().missesOther).toBe(2 * reader.blockCount);
    reader.close();
    expect(cache.stats().usedBytes).toBe(0);
  });
});

describe('TableReader.dropIndex', () => {
  it('frees the memory, and the next use loads the index again; cursors go on', () => {
    const entries = randomEntries(new Prng(6), 300, 2, 100);
    const reader = openBuilt(build(entries));
    expect(reader.indexBytes).toBe(0);
    const cursor = reader.newCursor();
    cursor.first();
    expect(reader.indexBytes).toBeGreaterThan(300);
    reader.dropIndex();
    expect(reader.indexBytes).toBe(0);
    for (const entry of entries) {
      expect(entryOf(cursor)).toEqual(entry);
      cursor.next();
    }
    const entry = entries[7] as ModelEntry;
    expect(getEntry(reader, entry.key, entry.seq, entry.version)?.seq).toBe(entry.seq);
    expect(reader.indexBytes).toBeGreaterThan(300);
  });
});

describe('TableReader.newPass', () => {
  it('gives all entries, and loads neither filter nor separators', () => {
    const entries = randomEntries(new Prng(16), 500, 3, 200);
    for (const expectedBytes of [undefined, Infinity]) {
      const reader = openBuilt(build(entries, { codec: JS_LZ4 }));
      const pass = reader.newPass({ readaheadBytes: 8192, fillCache: false, expectedBytes });
      const found: (ModelEntry | undefined)[] = [];
      for (pass.first(); pass.valid; pass.next()) found.push(entryOf(pass));
      expect(found).toEqual(entries);
      expect(reader.indexBytes).toBe(0);
      pass.close();
      reader.close();
    }
  });

  it('reads ahead from the first read on, when all is wanted', () => {
    const value = new Uint8Array(1000);
    const entries = Array.from({ length: 200 }, (_, i) =>
      put(encodeKey(FAMILY_DEFAULT, String(i).padStart(5, '0')), i + 1, value),
    );
    const cache = new BlockCache(0);
    const reader = openBuilt(build(entries), cache);
    const pass = reader.newPass({
      readaheadBytes: 256 << 10,
      fillCache: false,
      expectedBytes: Infinity,
    });
    pass.first();
    expect(cache.buffers.cursorReads).toMatchObject({ reads: 1, blocks: reader.blockCount });
    pass.close();
  });

  it('does not seek', () => {
    const reader = openBuilt(build(randomEntries(new Prng(17), 50, 1, 20)));
    const pass = reader.newPass();
    expect(() => {
      pass.seek();
    }).toThrow(/cannot seek/);
  });
});

describe('TableCursor', () => {
  it('keeps its key and value when other reads evict every block of the cache', () => {
    const entries = randomEntries(new Prng(7), 600, 1, 900);
    const built = build(entries);
    const cache = new BlockCache(70_000);
    const reader = openBuilt(built, cache);
    const a = reader.newCursor({ readaheadBytes: 0 });
    a.first();
    for (const entry of entries) {
      for (let i = 0; i < 30; i++)
        getEntry(reader, (entries[(i * 211 + a.seq) % entries.length] as ModelEntry).key);
      expect(entryOf(a)).toEqual(entry);
      a.next();
    }
    expect(cache.stats().evictions).toBeGreaterThan(100);
  });

  it('reads ahead in growing steps and leaves the cache alone on a long scan', () => {
    const entries: ModelEntry[] = [];
    for (let i = 0; i < 3000; i++) {
      entries.push(
        put(
          encodeKey(FAMILY_DEFAULT, `key ${String(i).padStart(5, '0')}`),
          1,
          new Uint8Array(1000),
        ),
      );
    }
    const cache = new BlockCache(16 << 20);
    const reader = openBuilt(build(entries), cache);
    const cursor = reader.newCursor({ readaheadBytes: 256 << 10 });
    let count = 0;
    for (cursor.first(); cursor.valid; cursor.next()) count++;
    expect(count).toBe(3000);
    const { missesOther, inserts } = cache.stats();
    expect(missesOther).toBeLessThan(20);
    expect(inserts).toBeLessThan(20);
    expect(inserts).toBeGreaterThan(5);
  });

  it('reads what is expected to be wanted, and counts what it reads', () => {
    const entries = Array.from({ length: 100 }, (_, i) =>
      put(encodeKey(FAMILY_DEFAULT, `key ${i + 100}`), 1, new Uint8Array(1000)),
    );
    const cache = new BlockCache(0);
    const reader = openBuilt(build(entries), cache);
    const readsFor = (expectedBytes: number | undefined, rows: number): unknown => {
      const before = { ...cache.buffers.cursorReads };
      const cursor = reader.newCursor({ expectedBytes });
      const from = encodeKey(FAMILY_DEFAULT, 'key 120');
      cursor.seek(from, 0, from.length);
      for (let i = 1; i < rows; i++) cursor.next();
      cursor.close();
      const { reads, blocks, blocksAhead } = cache.buffers.cursorReads;
      return [reads - before.reads, blocks - before.blocks, blocksAhead - before.blocksAhead];
    };
    // Three rows to a block: five blocks are 16 KiB.
    expect(readsFor(1000, 1)).toEqual([1, 1, 0]);
    expect(readsFor(undefined, 1)).toEqual([1, 5, 4]);
    expect(readsFor(1000, 10)).toEqual([2, 6, 4]);
    expect(readsFor(undefined, 10)).toEqual([1, 5, 4]);
    expect(readsFor(10_000, 10)).toEqual([1, 4, 3]);
    expect(readsFor(40_000, 40)).toEqual([1, 14, 13]);
  });
});

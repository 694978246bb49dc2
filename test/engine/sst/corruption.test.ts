import { describe, expect, it } from 'vitest';
import { CorruptionError, FormatError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { encodeKey, FAMILY_DEFAULT, hashEncodedKey, KeyBuffer } from '../../../src/engine/key.js';
import { BlockCursor } from '../../../src/engine/sst/block-cursor.js';
import { BlockIndex } from '../../../src/engine/sst/block-index.js';
import { isDataBlock, searchBlock } from '../../../src/engine/sst/block-search.js';
import { JS_LZ4 } from '../../../src/engine/sst/codec.js';
import { decodeFooter, FOOTER_BYTES } from '../../../src/engine/sst/format.js';
import { LookupResult } from '../../../src/engine/sst/lookup-result.js';
import { decodeProperties } from '../../../src/engine/sst/properties.js';
import { TableBuilder, type TableBuilderOptions } from '../../../src/engine/sst/table-builder.js';
import { TableReader } from '../../../src/engine/sst/table-reader.js';
import { decodeRangeTombstones } from '../../../src/engine/sst/tombstone-block.js';
import {
  addAll,
  build,
  type Built,
  entryOf,
  type ModelEntry,
  openBuilt,
  OPTIONS,
  PATH,
  put,
  randomEntries,
} from './table-model.js';
import { TinyFile, tinyFs } from './tiny-fs.js';

const MAX = Number.MAX_SAFE_INTEGER;
const isDamage = (error: unknown): boolean =>
  error instanceof CorruptionError || error instanceof FormatError;

interface Small extends Built {
  entries: ModelEntry[];
}

function buildSmall(options: Partial<TableBuilderOptions>): Small {
  const entries = randomEntries(new Prng(11), 24, 3, 12);
  const file = new TinyFile(PATH);
  const builder = new TableBuilder(file, { ...OPTIONS, ...options });
  addAll(builder, entries);
  builder.addRangeTombstone(encodeKey(FAMILY_DEFAULT, 'p'), encodeKey(FAMILY_DEFAULT, 'q'), 9, 9);
  const meta = builder.finish();
  return { meta, content: file.content, entries };
}

/** Reads everything; throws on damage, fails the test on a wrong answer. */
function readAll(table: Small, what: string): void {
  const reader = openBuilt(table, new BlockCache(1 << 17));
  const key = new KeyBuffer();
  const out = new LookupResult();
  for (const entry of table.entries) {
    key.bytes = entry.key;
    key.length = entry.key.length;
    key.hash = hashEncodedKey(entry.key, 0, entry.key.length);
    const found = reader.get(key, entry.seq, entry.version, out);
    if (!found || out.version > entry.version || out.seq > entry.seq)
      throw new Error(`${what}: wrong answer`);
  }
  const cursor = reader.newCursor({ fillCache: false });
  const seen: (ModelEntry | undefined)[] = [];
  for (cursor.first(); cursor.valid; cursor.next()) seen.push(entryOf(cursor));
  const isSame = JSON.stringify(seen) === JSON.stringify(table.entries);
  if (!isSame || reader.rangeTombstones().length !== 1) throw new Error(`${what}: wrong scan`);
}

/** True when reading met damage; a wrong answer or any other error fails. */
function meetsDamage(table: Small, what: string): boolean {
  try {
    readAll(table, what);
    return false;
  } catch (error) {
    if (!isDamage(error)) throw new Error(what, { cause: error });
    return true;
  }
}

describe.each([
  ['plain', { blockBytes: 100 }],
  ['compressed', { blockBytes: 300, codec: JS_LZ4 }],
])('a damaged table (%s)', (_name, options: Partial<TableBuilderOptions>) => {
  const small = buildSmall(options);
  const propertiesAt = new DataView(small.content.buffer).getUint32(
    small.content.length - FOOTER_BYTES + 56,
    true,
  );

  it('is sound before', () => {
    readAll(small, 'sound');
    expect(openBuilt(small).verify()).toEqual([]);
  });

  it('is recognised at every byte changed in any of four ways', () => {
    for (let at = 0; at < small.content.length; at++) {
      const old = small.content[at] as number;
      for (const byte of [old ^ 1, old ^ 0x80, 0, 0xff]) {
        if (byte === old) continue;
        const content = small.content.slice();
        content[at] = byte;
        const what = `byte ${at} = ${byte}`;
        const isProperty = at >= propertiesAt && at < content.length - FOOTER_BYTES;
        // Properties are for people: reads do not look at them, verify does.
        if (meetsDamage({ ...small, content }, what) === isProperty) throw new Error(what);
        if (isProperty) expect(openBuilt({ ...small, content }).verify().length, what).toBe(1);
      }
    }
  });

  it('is recognised at every truncated length, and when bytes are appended', () => {
    for (let length = 0; length < small.content.length; length++) {
      const content = small.content.slice(0, length);
      const what = `length ${length}`;
      expect(meetsDamage({ ...small, content }, what), what).toBe(true);
      const fs = tinyFs(new Map([[PATH, content]]));
      expect(() => TableReader.openAlone(fs, PATH, new BlockCache(0)), what).toThrow(
        CorruptionError,
      );
      expect(fs.opened.every((file) => file.isClosed)).toBe(true);
    }
    expect(
      meetsDamage({ ...small, content: Uint8Array.from([...small.content, 0]) }, 'longer'),
    ).toBe(true);
  });
});

describe('TableReader.open', () => {
  it('refuses a table of another identity, number or length', () => {
    const built = build([put(encodeKey(FAMILY_DEFAULT, 'a'), 1, new Uint8Array(3))]);
    const { meta } = built;
    for (const wrong of [
      { identity: 'ffffffffffffffff' },
      { fileNumber: 8 },
      { bytes: meta.bytes + 1 },
    ]) {
      expect(() => openBuilt({ ...built, meta: { ...meta, ...wrong } })).toThrow(CorruptionError);
    }
  });

  it('names file and offset of a block whose content was swapped with another block', () => {
    const value = new Uint8Array(100);
    const entries = ['a', 'b', 'c'].map((name, i) =>
      put(encodeKey(FAMILY_DEFAULT, name), i + 1, value),
    );
    const built = build(entries, { blockBytes: 1 });
    const reader = openBuilt(built);
    const sizes = [...reader.blocks()].map((block) => block.size);
    expect(sizes).toEqual([sizes[0], sizes[0], sizes[0]]);
    const stride = sizes[0] as number;
    const content = built.content.slice();
    content.set(built.content.subarray(0, stride), stride);
    content.set(built.content.subarray(stride, 2 * stride), 0);
    const cursor = openBuilt({ ...built, content }).newCursor({ readaheadBytes: 0 });
    expect(() => cursor.last()).not.toThrow();
    let caught: unknown;
    try {
      cursor.prev();
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(CorruptionError);
    expect((caught as CorruptionError).file).toBe(PATH);
    expect((caught as CorruptionError).offset).toBe(stride);
    expect(cursor.valid).toBe(false);
  });

  it('frees the cache slot of a block that turned out damaged, and throws again at the next read', () => {
    const entry = put(encodeKey(FAMILY_DEFAULT, 'a'), 1, new Uint8Array(3));
    const built = build([entry]);
    built.content[12] = (built.content[12] as number) ^ 1;
    const cache = new BlockCache(1 << 20);
    const reader = openBuilt(built, cache);
    const key = new KeyBuffer();
    key.encode(FAMILY_DEFAULT, 'a');
    for (let i = 0; i < 3; i++) {
      expect(() => reader.get(key, MAX, MAX, new LookupResult())).toThrow(CorruptionError);
      expect(cache.stats().usedBytes).toBe(0);
    }
    expect(reader.verify().map((error) => error.offset)).toEqual([0]);
  });
});

class BareCursor extends BlockCursor {
  walk(bytes: Uint8Array, target: Uint8Array): void {
    this.openBlock(bytes, 0, bytes.length);
    while (this.parseEntry());
    this.lastInBlock();
    while (this.prevInBlock());
    this.seekInBlock(target, 0, target.length);
  }

  protected damaged(what: string): never {
    throw new CorruptionError(what, { file: PATH, offset: 0 });
  }
}

/** A copy with a few bytes changed, sometimes cut. */
function mutated(random: Prng, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice(0, random.chance(1, 4) ? random.below(bytes.length) : bytes.length);
  for (let i = 1 + random.below(4); i > 0 && copy.length > 0; i--)
    copy[random.below(copy.length)] = random.u32();
  return copy;
}

describe('decoders behind the checksum', () => {
  const small = buildSmall({ blockBytes: 4000 });
  const view = new DataView(small.content.buffer);
  const footerAt = small.content.length - FOOTER_BYTES;
  const part = (at: number): Uint8Array => {
    const offset = view.getUint32(footerAt + at, true);
    return small.content.slice(offset, offset + view.getUint32(footerAt + at + 4, true) - 5);
  };
  const dataEnd = view.getUint32(footerAt + 32, true);
  const block = small.content.slice(0, dataEnd - 5);
  const key = new KeyBuffer();
  key.encode(FAMILY_DEFAULT, 'ab');

  it('give CorruptionError or an answer for mutated bytes, nothing else', () => {
    const cursor = new BareCursor();
    const decoders: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
      [
        'index',
        part(40),
        (bytes) => BlockIndex.decode(bytes, dataEnd, 1, PATH, 0).find(key.bytes, 0, key.length),
      ],
      ['tombstones', part(48), (bytes) => decodeRangeTombstones(bytes, PATH, 0)],
      ['properties', part(56), (bytes) => decodeProperties(bytes, 1, PATH, 0)],
      ['footer', small.content.slice(footerAt), (bytes) => decodeFooter(bytes, PATH, footerAt)],
      ['cursor', block, (bytes) => cursor.walk(bytes, key.bytes.slice(0, key.length))],
      [
        'search',
        block,
        (bytes) =>
          isDataBlock(bytes, 0, bytes.length) &&
          searchBlock(bytes, 0, bytes.length, key, MAX, MAX, new LookupResult(), 0),
      ],
    ];
    for (const [name, bytes, decode] of decoders) {
      let damaged = 0;
      for (let seed = 1; seed <= 2000; seed++) {
        try {
          decode(mutated(new Prng(seed), bytes));
        } catch (error) {
          if (!isDamage(error)) throw new Error(`${name}, seed ${seed}`, { cause: error });
          damaged++;
        }
      }
      if (name !== 'search') expect(damaged, name).toBeGreaterThan(100);
    }
  });
});

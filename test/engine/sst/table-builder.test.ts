import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.js';
import { CorruptionError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { KIND_DELETE, KIND_RANGE_DELETE, KIND_VALUE_POINTER } from '../../../src/engine/entry.js';
import { encodeKey, FAMILY_DEFAULT, keySuccessor } from '../../../src/engine/key.js';
import { BuilderMemory } from '../../../src/engine/sst/builder-memory.js';
import { JS_LZ4 } from '../../../src/engine/sst/codec.js';
import { PrefixRules } from '../../../src/engine/sst/prefix-rules.js';
import { TableBuilder } from '../../../src/engine/sst/table-builder.js';
import { TableReader } from '../../../src/engine/sst/table-reader.js';
import { encodeValuePointer } from '../../../src/engine/vlog/value-pointer.js';
import { addAll, build, openBuilt, OPTIONS, PATH, put, randomEntries } from './table-model.js';
import { TinyFile, tinyFs } from './tiny-fs.js';

const key = (text: string): Uint8Array => encodeKey(FAMILY_DEFAULT, text);
const VALUE = new Uint8Array(10);

function pointer(fileNumber: number, length: number): Uint8Array {
  const bytes = new Uint8Array(12);
  encodeValuePointer(bytes, 0, fileNumber, 0, length);
  return bytes;
}

describe('TableBuilder.finish', () => {
  it('describes the table: counts, bounds, sequence numbers, expiry, value-log references', () => {
    const file = new TinyFile(PATH);
    const builder = new TableBuilder(file, OPTIONS);
    addAll(builder, [
      { ...put(key('b'), 5, VALUE), expiresAt: 900 },
      { ...put(key('c'), 7, new Uint8Array(0), 70), kind: KIND_DELETE },
      { ...put(key('c'), 6, pointer(3, 100)), kind: KIND_VALUE_POINTER, expiresAt: 800 },
      { ...put(key('d'), 9, pointer(2, 50)), kind: KIND_VALUE_POINTER },
      { ...put(key('e'), 4, pointer(3, 11)), kind: KIND_VALUE_POINTER },
    ]);
    builder.addRangeTombstone(key('x'), key('z'), 80, 8);
    builder.addRangeTombstone(key('a'), key('c'), 2, 2);
    builder.noteStale(40);
    builder.noteStale(2);
    const meta = builder.finish();
    expect(meta).toEqual({
      fileNumber: 7,
      bytes: file.size(),
      identity: OPTIONS.identity,
      lower: key('a'),
      upper: key('z'),
      entries: 5,
      tombstones: 1,
      rangeTombstones: 2,
      minSeq: 2,
      maxSeq: 9,
      maxVersion: 80,
      rawBytes: 5 * 3 + 10 + 3 * 12,
      staleBytes: 42,
      earliestExpiry: 800,
      valueLog: [
        { fileNumber: 2, bytes: 50, count: 1 },
        { fileNumber: 3, bytes: 111, count: 2 },
      ],
      createdMs: OPTIONS.createdMs,
    });
    const reader = TableReader.openAlone(
      tinyFs(new Map([[PATH, file.content]])),
      PATH,
      new BlockCache(0),
    );
    expect(reader.meta).toEqual(meta);
    expect(reader.properties().options).toEqual({
      blockBytes: 4096,
      restartInterval: 16,
      filterBitsPerKey: 10,
      codec: 'none',
    });
    expect(reader.rangeTombstones()).toEqual([
      { lower: key('a'), upper: key('c'), version: 2, seq: 2 },
      { lower: key('x'), upper: key('z'), version: 80, seq: 8 },
    ]);
    expect(reader.verify()).toEqual([]);
  });

  it('takes the bounds from first key and successor of the last, or from the caller', () => {
    const entries = [put(key('b'), 1, VALUE), put(key('c'), 2, VALUE)];
    expect(build(entries).meta).toMatchObject({ lower: key('b'), upper: keySuccessor(key('c')) });
    const builder = new TableBuilder(new TinyFile(PATH), OPTIONS);
    addAll(builder, entries);
    expect(builder.finish(key('a'), key('d'))).toMatchObject({ lower: key('a'), upper: key('d') });
    const narrow = new TableBuilder(new TinyFile(PATH), OPTIONS);
    addAll(narrow, entries);
    expect(() => narrow.finish(key('a'), key('c'))).toThrow(AssertionError);
  });

  it('writes a table of range tombstones only, which has no entry', () => {
    const file = new TinyFile(PATH);
    const builder = new TableBuilder(file, OPTIONS);
    builder.addRangeTombstone(key('a'), key('c'), 2, 2);
    const meta = builder.finish();
    const reader = openBuilt({ meta, content: file.content });
    const cursor = reader.newCursor();
    cursor.first();
    expect(cursor.valid).toBe(false);
    cursor.last();
    expect(cursor.valid).toBe(false);
    cursor.seek(key('b'), 0, 3);
    expect(cursor.valid).toBe(false);
    cursor.seekBefore(key('b'), 0, 3);
    expect(cursor.valid).toBe(false);
    expect(reader.mayContain(1)).toBe(false);
    expect(reader.rangeTombstones().length).toBe(1);
    expect(reader.verify()).toEqual([]);
  });

  it('gives the same bytes when writes are short, and writes in pieces of 64 KiB', () => {
    const entries = randomEntries(new Prng(2), 500, 2, 900);
    const whole = build(entries);
    const file = new TinyFile(PATH);
    file.writeBytesMax = 1000;
    const builder = new TableBuilder(file, OPTIONS);
    addAll(builder, entries);
    expect(builder.finish()).toEqual(whole.meta);
    expect(Buffer.compare(file.content, whole.content)).toBe(0);
    const pieces = new TinyFile(PATH);
    const again = new TableBuilder(pieces, OPTIONS);
    addAll(again, entries);
    again.finish();
    expect(pieces.writes.slice(0, -1).every((length) => length === 65_536)).toBe(true);
  });
});

describe('TableBuilder.estimatedBytes', () => {
  it('stays within a tenth of the final length', () => {
    const file = new TinyFile(PATH);
    const builder = new TableBuilder(file, OPTIONS);
    addAll(builder, randomEntries(new Prng(3), 1000, 1, 300));
    const estimate = builder.estimatedBytes;
    const { bytes } = builder.finish();
    expect(Math.abs(estimate - bytes)).toBeLessThan(bytes / 10);
  });
});

describe('TableBuilder.add', () => {
  const add = (builder: TableBuilder, text: string, version: number, seq: number, kind = 1): void =>
    builder.add(key(text), 0, key(text).length, version, seq, kind, 0, VALUE, 0, 10);

  it('refuses keys and versions out of order, and range deletes', () => {
    const cases: [string, number, number, string, number, number][] = [
      ['b', 1, 1, 'a', 2, 2],
      ['b', 1, 1, 'b', 2, 2],
      ['b', 2, 2, 'b', 2, 2],
      ['b', 2, 2, 'b', 2, 3],
      ['bc', 2, 2, 'b', 1, 1],
    ];
    for (const [a, version, seq, b, nextVersion, nextSeq] of cases) {
      const builder = new TableBuilder(new TinyFile(PATH), OPTIONS);
      add(builder, a, version, seq);
      expect(() => add(builder, b, nextVersion, nextSeq), `${a} ${b}`).toThrow(AssertionError);
    }
    const builder = new TableBuilder(new TinyFile(PATH), OPTIONS);
    expect(() => add(builder, 'a', 1, 1, KIND_RANGE_DELETE)).toThrow(AssertionError);
  });

  it('stores blocks compressed only where that saves an eighth', () => {
    const noise = new Uint8Array(3000);
    new Prng(1).fill(noise);
    const entries = [
      put(key('a'), 1, noise),
      put(key('b'), 1, new Uint8Array(3000)),
      put(key('c'), 1, noise),
    ];
    const built = build(entries, { codec: JS_LZ4, blockBytes: 1 });
    const codecs = [...openBuilt(built).blocks()].map((block) => block.codec);
    expect(codecs).toEqual([0, 1, 0]);
    expect(openBuilt(built).verify()).toEqual([]);
  });

  it('keeps separators short: the index of long keys with early differences is small', () => {
    const entries = Array.from({ length: 50 }, (_, i) =>
      put(key(`${String(i).padStart(3, '0')}${'tail'.repeat(200)}`), 1, VALUE),
    );
    const blocks = [...openBuilt(build(entries, { blockBytes: 1 })).blocks()];
    expect(blocks.length).toBe(50);
    for (const block of blocks.slice(0, -1)) expect(block.separator.length).toBeLessThanOrEqual(4);
  });
});

describe('TableReader.verify', () => {
  it('lists every damaged block and goes on behind it, with progress to the end', () => {
    const entries = randomEntries(new Prng(8), 300, 1, 100);
    const built = build(entries, { blockBytes: 500 });
    const offsets = [...openBuilt(built).blocks()].map((block) => block.offset);
    for (const i of [1, 4, 9]) {
      const at = (offsets[i] as number) + 20;
      built.content[at] = (built.content[at] as number) ^ 4;
    }
    let done = 0;
    const damage = openBuilt(built).verify((bytes, total) => {
      expect(bytes).toBeGreaterThanOrEqual(done);
      expect(total).toBe(built.meta.bytes);
      done = bytes;
    });
    expect(damage.map((error) => error.offset)).toEqual([1, 4, 9].map((i) => offsets[i]));
    expect(done).toBe(built.meta.bytes);
  });

  it('notices a manifest that tells another story', () => {
    const built = build(randomEntries(new Prng(8), 50, 1, 10));
    const wrong = [
      { entries: 49 },
      { tombstones: 1000 },
      { lower: key('zz') },
      { maxSeq: 0 },
      { rangeTombstones: 1 },
    ];
    for (const change of wrong) {
      const damage = openBuilt({ ...built, meta: { ...built.meta, ...change } }).verify();
      expect(damage.length, JSON.stringify(change)).toBeGreaterThan(0);
    }
  });

  it('notices a filter without the parts of keys that the table says it has', () => {
    const entries = randomEntries(new Prng(8), 50, 1, 10);
    const rules = [{ prefix: '10', length: 1, delimiter: 0 }];
    const sound = build(entries, { prefixRules: new PrefixRules(rules) });
    expect(openBuilt(sound).verify()).toEqual([]);
    expect(openBuilt(sound).properties().options.prefixFilters).toEqual(rules);
    class Forgetful extends PrefixRules {
      override partLength(): number {
        return 0;
      }
    }
    const damage = openBuilt(build(entries, { prefixRules: new Forgetful(rules) })).verify();
    expect(damage.map(({ message }) => message.split(': ')[1])).toEqual([
      'table filter misses a part of a key',
    ]);
  });

  it('notices rules of a filter that can not be any', () => {
    const rules = [{ prefix: 'no hexadecimal', length: 1, delimiter: 0 }];
    const built = build(randomEntries(new Prng(8), 50, 1, 10), {
      prefixRules: new PrefixRules(rules),
    });
    expect(openBuilt(built).verify()).toHaveLength(1);
    expect(() => openBuilt(built).prefixRules(new PrefixRules([]))).toThrow(CorruptionError);
  });
});

describe('TableBuilder, with the memory of another', () => {
  it('writes the same table, in the buffers that the one before grew', () => {
    const memory = new BuilderMemory();
    const entries = randomEntries(new Prng(3), 4000, 2, 300);
    const fresh = build(entries);
    expect(build(entries, { memory }).content).toEqual(fresh.content);
    const [output, index, hashes] = [memory.takeOutput(), memory.takeIndex(), memory.takeHashes()];
    expect(hashes.length).toBeGreaterThan(1024);
    expect(memory.takeOutput()).not.toBe(output);
    memory.give(output.fill(0xdb), index.fill(0xdb), hashes.fill(0xdbdbdbdb));
    expect(build(entries, { memory }).content).toEqual(fresh.content);
    expect(memory.takeOutput()).toBe(output);
    expect(memory.takeIndex()).toBe(index);
    expect(memory.takeHashes()).toBe(hashes);
  });

  it('does not keep what an unusual table needed', () => {
    const memory = new BuilderMemory();
    build([put(key('a'), 1, new Uint8Array(5 << 20))], { memory });
    expect(memory.takeOutput().length).toBeLessThanOrEqual(2 << 20);
  });
});

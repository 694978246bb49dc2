import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../../src/base/bytes.js';
import { Prng } from '../../../src/base/prng.js';
import { BlockIndex, IndexBuilder } from '../../../src/engine/sst/block-index.js';

function randomBytes(random: Prng, prefix: Uint8Array, lengthMax: number): Uint8Array {
  const bytes = new Uint8Array(prefix.length + random.below(lengthMax + 1));
  bytes.set(prefix);
  for (let i = prefix.length; i < bytes.length; i++)
    bytes[i] = [0, 1, 0x61, 0xff][random.below(4)] as number;
  return bytes;
}

describe('BlockIndex.find', () => {
  it('finds the first separator at or above any target, with and without a common prefix', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Prng(seed);
      const prefix = new Uint8Array(random.below(4)).fill(0x61);
      const set = new Map<string, Uint8Array>();
      for (let i = 0; i < 60; i++) {
        const separator = randomBytes(random, prefix, 8);
        set.set(separator.join(), separator);
      }
      const separators = [...set.values()].sort(compareArrays);
      const builder = new IndexBuilder();
      separators.forEach((s, i) => builder.add(10 + i, i % 3 === 0, s, 0, s.length));
      const dataEnd = separators.reduce((sum, _, i) => sum + 10 + i, 0);
      const index = BlockIndex.decode(builder.finish(), dataEnd, separators.length, 'x', 0);
      for (let i = 0; i < 500; i++) {
        const target = randomBytes(random, random.chance(3, 4) ? prefix : new Uint8Array(0), 9);
        const embedded = Uint8Array.from([0xee, ...target, 0xee]);
        const expected = separators.findIndex((s) => compareArrays(s, target) >= 0);
        const found = index.find(embedded, 1, target.length);
        expect(found, `seed ${seed}, target ${target.join()}`).toBe(
          expected < 0 ? separators.length : expected,
        );
      }
      separators.forEach((s, i) => {
        expect(index.separator(i)).toEqual(s);
        expect(index.continues[i]).toBe(i % 3 === 0 ? 1 : 0);
        separators.forEach((other, j) => {
          expect(index.isSeparator(j, s, 0, s.length), `${s.join()} ${other.join()}`).toBe(i === j);
        });
      });
    }
  });
});

describe('BlockIndex', () => {
  const separators = Array.from({ length: 1000 }, (_, i) =>
    new TextEncoder().encode(`user${String(i * 37).padStart(12, '0')}`),
  );
  const builder = new IndexBuilder();
  for (const s of separators) builder.add(2060, false, s, 0, s.length);
  const payload = builder.finish();
  const dataEnd = 2060 * separators.length;

  it('takes no more than 15 bytes a block where prefix and head make up the separators', () => {
    const index = BlockIndex.decode(payload, dataEnd, separators.length, 'x', 0);
    expect(index.bytes).toBeLessThan(15 * separators.length);
  });

  it('uses memory that held something else', () => {
    const dirty = (bytes: number): ArrayBuffer => new Uint8Array(bytes + 100).fill(0xdb).buffer;
    const index = BlockIndex.decode(payload, dataEnd, separators.length, 'x', 0, dirty);
    separators.forEach((s, i) => {
      expect(index.find(s, 0, s.length)).toBe(i);
      expect(index.offsets[i]).toBe(2060 * i);
      expect(index.continues[i]).toBe(0);
    });
    expect(index.offsets[separators.length]).toBe(dataEnd);
  });

  it('says where the blocks lie without separators, in a fraction of the memory', () => {
    const offsets = BlockIndex.decodeOffsets(payload, dataEnd, separators.length, 'x', 0);
    const index = BlockIndex.decode(payload, dataEnd, separators.length, 'x', 0);
    expect(offsets.offsets).toEqual(index.offsets);
    expect(offsets.count).toBe(index.count);
    expect(offsets.bytes).toBe(4 * (separators.length + 1));
  });
});

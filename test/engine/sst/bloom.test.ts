import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { encodeKey, FAMILY_DEFAULT, hashEncodedKey } from '../../../src/engine/key.js';
import {
  buildFilter,
  FILTER_LINE_BYTES,
  filterMayContain,
  isFilter,
} from '../../../src/engine/sst/bloom.js';

function hashOf(text: string): number {
  const key = encodeKey(FAMILY_DEFAULT, text);
  return hashEncodedKey(key, 0, key.length);
}

function contains(payload: Uint8Array, hash: number): boolean {
  const lines = Math.floor(payload.length / FILTER_LINE_BYTES);
  return filterMayContain(payload, lines, payload[payload.length - 1] as number, hash);
}

describe('filter', () => {
  // Theory for 512-bit lines: 10 bits a key 0.95 %, 16 bits 0.10 %, 6 bits 6.0 %.
  it.each([
    [10, 1000, 0.012],
    [10, 60_000, 0.012],
    [16, 60_000, 0.0018],
    [6, 60_000, 0.07],
  ])(
    'at %d bits a key and %d keys has no false negative and few false positives',
    (bits, count, rateMax) => {
      const hashes = new Uint32Array(count);
      for (let i = 0; i < count; i++) hashes[i] = hashOf(`user${String(i).padStart(12, '0')}`);
      const payload = buildFilter(hashes, count, bits);
      expect(isFilter(payload)).toBe(true);
      expect(payload.length).toBeLessThan((count * bits) / 8 + 66);
      for (const hash of hashes) expect(contains(payload, hash)).toBe(true);
      let wrong = 0;
      const asked = 100_000;
      for (let i = 0; i < asked; i++)
        if (contains(payload, hashOf(`user${count + i * 7}x`))) wrong++;
      expect(wrong / asked).toBeLessThan(rateMax);
      expect(wrong / asked).toBeGreaterThan(rateMax / 20);
    },
  );

  it('spreads sequential and random hashes alike', () => {
    const random = new Prng(1);
    const hashes = Uint32Array.from({ length: 20_000 }, () => random.u32());
    const payload = buildFilter(hashes, hashes.length, 10);
    let wrong = 0;
    for (let i = 0; i < 50_000; i++) if (contains(payload, random.u32())) wrong++;
    expect(wrong / 50_000).toBeLessThan(0.012);
  });

  it('holds nothing without keys and everything at 0 bits', () => {
    const none = buildFilter(new Uint32Array(0), 0, 10);
    expect(contains(none, 123)).toBe(false);
    const open = buildFilter(Uint32Array.of(1), 1, 0);
    expect(isFilter(open)).toBe(true);
    for (let i = 0; i < 100; i++) expect(contains(open, i * 40_000_000)).toBe(true);
  });

  it('has a frozen layout: the bits of one hash', () => {
    const payload = buildFilter(Uint32Array.of(0x12345678), 1, 10);
    const bits: number[] = [];
    for (let i = 0; i < 512; i++) if (((payload[i >>> 3] as number) >>> (i & 7)) & 1) bits.push(i);
    expect(payload.length).toBe(65);
    expect(payload[64]).toBe(6);
    expect(bits).toMatchInlineSnapshot(`
      [
        2,
        50,
        166,
        293,
        388,
        490,
      ]
    `);
  });
});

import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { compressLz4, decompressLz4 } from '../../../src/engine/sst/lz4.js';

function sample(random: Prng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const alphabet = 1 + random.below(256);
  for (let i = 0; i < length;) {
    if (i > 8 && random.chance(1, 3)) {
      const from = random.below(i);
      for (let n = random.below(400); n > 0 && i < length; n--) {
        bytes[i] = bytes[from + (i % (i - from))] as number;
        i++;
      }
    } else {
      bytes[i++] = random.below(alphabet);
    }
  }
  return bytes;
}

function roundTrip(bytes: Uint8Array): { size: number; restored: Uint8Array } {
  const packed = new Uint8Array(bytes.length + 1000).fill(0xaa);
  const size = compressLz4(bytes, 0, bytes.length, packed, 7, packed.length - 7);
  const restored = new Uint8Array(bytes.length + 3);
  const isWhole = decompressLz4(packed, 7, size, restored, 2, bytes.length);
  expect(isWhole).toBe(true);
  return { size, restored: restored.slice(2, 2 + bytes.length) };
}

describe('LZ4', () => {
  it('restores what it compressed, for random mixtures of runs, repeats and noise', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Prng(seed);
      const bytes = sample(random, random.below(3000));
      expect(Buffer.compare(roundTrip(bytes).restored, bytes), `seed ${seed}`).toBe(0);
    }
  });

  it('compresses runs and near repeats, and never refers further back than 65,535 bytes', () => {
    expect(roundTrip(new Uint8Array(100_000)).size).toBeLessThan(500);
    const noise = new Uint8Array(6000);
    new Prng(5).fill(noise);
    noise.copyWithin(3000, 0, 3000);
    const repeated = roundTrip(noise);
    expect(Buffer.compare(repeated.restored, noise)).toBe(0);
    expect(repeated.size).toBeLessThan(3100);
    // The zeros between leave the marker's hash entry alone: its second occurrence meets the first.
    for (const distance of [65_534, 65_535, 65_536, 70_000]) {
      const far = new Uint8Array(distance + 100);
      far.set([1, 2, 3, 4, 5, 6, 7, 8]);
      far.set([1, 2, 3, 4, 5, 6, 7, 8], distance);
      expect(Buffer.compare(roundTrip(far).restored, far)).toBe(0);
    }
  });

  it('decodes a block made by hand from the format description', () => {
    // 11 literals, a match of 33 at distance 11, then the last five bytes as literals.
    const packed = Uint8Array.from([
      ...[0xbf, ...new TextEncoder().encode('hello world'), 11, 0, 33 - 4 - 15],
      ...[0x50, ...new TextEncoder().encode('world')],
    ]);
    const text = new Uint8Array(49);
    expect(decompressLz4(packed, 0, packed.length, text, 0, 49)).toBe(true);
    expect(new TextDecoder().decode(text)).toBe(`${'hello world'.repeat(4)}world`);
  });

  it('says 0 when the result does not fit', () => {
    const noise = new Uint8Array(1000);
    new Prng(6).fill(noise);
    expect(compressLz4(noise, 0, 1000, new Uint8Array(2000), 0, 900)).toBe(0);
  });

  it('refuses damaged input without throwing and without writing outside the target', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const random = new Prng(seed);
      const bytes = sample(random, 200);
      const packed = new Uint8Array(1000);
      const size = compressLz4(bytes, 0, 200, packed, 0, 1000);
      packed[random.below(size)] = random.u32();
      const target = new Uint8Array(300).fill(0x55);
      decompressLz4(packed, 0, random.chance(1, 2) ? size : random.below(size), target, 50, 200);
      const outside = [...target.subarray(0, 50), ...target.subarray(250)];
      expect(
        outside.every((byte) => byte === 0x55),
        `seed ${seed}`,
      ).toBe(true);
    }
  });
});

/** XXH64 against values of the reference implementation (libxxhash), and its two implementations against each other. */
import { describe, expect, it, vi } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { hasFastXxh64, slowXxh64, xxh64 } from '../../src/base/xxh64.js';

/** Length of `sample`, seed, low 32 bits. */
const KNOWN: readonly (readonly [number, number, number])[] = [
  [0, 0x00000000, 0x51d8e999],
  [0, 0x9e3779b1, 0x929b17ef],
  [1, 0x00000000, 0xdb052768],
  [1, 0x9e3779b1, 0x43a9b4c3],
  [3, 0x00000000, 0x503e8fcf],
  [3, 0x9e3779b1, 0x064eb10f],
  [4, 0x00000000, 0x15071c59],
  [4, 0x9e3779b1, 0xc1954c20],
  [5, 0x00000000, 0xbc3474c9],
  [5, 0x9e3779b1, 0xf9960ceb],
  [7, 0x00000000, 0x9decbfaa],
  [7, 0x9e3779b1, 0xd6fed391],
  [8, 0x00000000, 0xdf1d292f],
  [8, 0x9e3779b1, 0x17e5637a],
  [9, 0x00000000, 0x18bf1184],
  [9, 0x9e3779b1, 0x1c443b4d],
  [12, 0x00000000, 0xc9aaaf98],
  [12, 0x9e3779b1, 0xa8efb680],
  [15, 0x00000000, 0xfbadf340],
  [15, 0x9e3779b1, 0x05a7c6df],
  [16, 0x00000000, 0x18fcc5b9],
  [16, 0x9e3779b1, 0x808b8a71],
  [31, 0x00000000, 0x5982f831],
  [31, 0x9e3779b1, 0x36391a53],
  [32, 0x00000000, 0x3873912d],
  [32, 0x9e3779b1, 0xb3823f14],
  [33, 0x00000000, 0x4be2018d],
  [33, 0x9e3779b1, 0xee50990c],
  [36, 0x00000000, 0xd38b8c45],
  [36, 0x9e3779b1, 0x9b633766],
  [39, 0x00000000, 0xd8ceb92a],
  [39, 0x9e3779b1, 0x2a7e1da7],
  [40, 0x00000000, 0x03cc1edb],
  [40, 0x9e3779b1, 0x29166629],
  [63, 0x00000000, 0xa794d919],
  [63, 0x9e3779b1, 0xbffd3cfa],
  [64, 0x00000000, 0x4564ce18],
  [64, 0x9e3779b1, 0x6575bf07],
  [65, 0x00000000, 0xe9dfb587],
  [65, 0x9e3779b1, 0xf209acee],
  [96, 0x00000000, 0x0780f025],
  [96, 0x9e3779b1, 0x9f00f649],
  [127, 0x00000000, 0x8abf3d04],
  [127, 0x9e3779b1, 0x39572889],
  [255, 0x00000000, 0x9d20ade6],
  [255, 0x9e3779b1, 0x977bf738],
  [1000, 0x00000000, 0xf981d7a6],
  [1000, 0x9e3779b1, 0x7eb0afd8],
  [4096, 0x00000000, 0x07202e1b],
  [4096, 0x9e3779b1, 0x8f68af64],
  [65535, 0x00000000, 0xc3c2b5d1],
  [65535, 0x9e3779b1, 0xe3959b3f],
  [65536, 0x00000000, 0xff9a16cf],
  [65536, 0x9e3779b1, 0xde469a84],
  [65537, 0x00000000, 0x6f7cd5c1],
  [65537, 0x9e3779b1, 0xddc3a964],
  [65568, 0x00000000, 0xd105ec3a],
  [65568, 0x9e3779b1, 0xab81dc1d],
  [131072, 0x00000000, 0xc4ac3fc9],
  [131072, 0x9e3779b1, 0xbdb0ae9b],
  [131073, 0x00000000, 0x49b3f0fb],
  [131073, 0x9e3779b1, 0x36364e75],
  [200003, 0x00000000, 0x6027c360],
  [200003, 0x9e3779b1, 0x1c2d1aa7],
];

/** `length` bytes behind three others: the hash takes any alignment. */
function sample(length: number): Uint8Array {
  const bytes = new Uint8Array(length + 3);
  for (let i = 0; i < length; i++) bytes[i + 3] = (Math.imul(i, 2654435761) + 12345) >>> 16;
  return bytes;
}

describe('xxh64', () => {
  it('is what the reference implementation says, at every length around its steps', () => {
    expect(hasFastXxh64()).toBe(true);
    for (const [length, seed, hash] of KNOWN) {
      expect(xxh64(sample(length), 3, length, seed), `${length} bytes, seed ${seed}`).toBe(hash);
    }
  });

  it('is the same without WebAssembly', () => {
    for (const [length, seed, hash] of KNOWN) {
      if (length > 5000) continue;
      expect(slowXxh64(sample(length), 3, length, seed), `${length} bytes`).toBe(hash);
    }
    const prng = new Prng(5);
    for (let i = 0; i < 300; i++) {
      const bytes = sample(prng.below(400));
      const start = prng.below(bytes.length);
      const length = prng.below(bytes.length - start + 1);
      const seed = prng.below(2 ** 32);
      expect(slowXxh64(bytes, start, length, seed)).toBe(xxh64(bytes, start, length, seed));
    }
  });

  it('reads memory that threads share', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(100_003));
    shared.set(sample(100_000));
    expect(xxh64(shared, 3, 100_000, 9)).toBe(xxh64(sample(100_000), 3, 100_000, 9));
  });

  it('tells every flipped bit of a block', () => {
    const bytes = sample(300);
    const seen = new Set([xxh64(bytes, 0, 303, 1)]);
    for (let bit = 0; bit < 8 * 303; bit++) {
      (bytes[bit >> 3] as number) ^= 1 << (bit & 7);
      seen.add(xxh64(bytes, 0, 303, 1));
      (bytes[bit >> 3] as number) ^= 1 << (bit & 7);
    }
    expect(seen.size).toBe(8 * 303 + 1);
  });
});

describe.each([
  ['there is none', undefined],
  ['it has no memory to give', { Module: class {}, Instance: outOfMemory }],
])('without WebAssembly, because %s', (_, api) => {
  it('new files have CRC-32, and what is written in XXH64 can be read', async () => {
    vi.stubGlobal('WebAssembly', api);
    vi.resetModules();
    try {
      const bare = await import('../../src/base/checksum.js');
      expect(bare.newChecksumType()).toBe(1);
      const bytes = sample(100);
      expect(bare.checksum(bare.CHECKSUM_XXH64, bytes, 0, 103, 4)).toBe(xxh64(bytes, 0, 103, 4));
    } finally {
      vi.unstubAllGlobals();
      vi.resetModules();
    }
  });
});

function outOfMemory(): never {
  throw new RangeError('WebAssembly.Instance(): Out of memory: Cannot allocate Wasm memory');
}

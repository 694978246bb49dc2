import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../src/base/bytes.js';
import { Prng } from '../../src/base/prng.js';
import {
  encodeKey,
  FAMILY_DEFAULT,
  FAMILY_LOCK,
  hashEncodedKey,
  isEncodedKey,
  KeyBuffer,
  keySuccessor,
  prefixSuccessor,
  userKeyOf,
} from '../../src/engine/key.js';

function randomKey(random: Prng): Uint8Array {
  const key = new Uint8Array(1 + random.below(6));
  // Few distinct bytes, the special ones among them, so that prefixes and escapes collide often.
  for (let i = 0; i < key.length; i++) key[i] = [0, 1, 2, 3, 0x61, 0xff][random.below(6)] as number;
  return key;
}

describe('encodeKey', () => {
  it('keeps the order of user keys and no encoding is a prefix of another', () => {
    const random = new Prng(1);
    for (let i = 0; i < 5000; i++) {
      const a = randomKey(random);
      const b = randomKey(random);
      const ea = encodeKey(FAMILY_DEFAULT, a);
      const eb = encodeKey(FAMILY_DEFAULT, b);
      expect(Math.sign(compareArrays(ea, eb))).toBe(Math.sign(compareArrays(a, b)));
      if (compareArrays(a, b) !== 0) {
        expect(compareArrays(ea, eb.subarray(0, ea.length))).not.toBe(0);
      }
      expect(userKeyOf(ea)).toEqual(a);
      expect(isEncodedKey(ea, 0, ea.length)).toBe(true);
    }
  });

  it('gives a string the encoding of its UTF-8 bytes, and the hash of its encoding', () => {
    for (const text of [
      'a',
      'user42',
      'a\u0000b',
      '\u0001',
      'grün',
      '漢字',
      '\u007f',
      'x'.repeat(700),
    ]) {
      const fromText = new KeyBuffer();
      fromText.encode(FAMILY_LOCK, text);
      const fromBytes = encodeKey(FAMILY_LOCK, new TextEncoder().encode(text));
      expect(fromText.copy()).toEqual(fromBytes);
      expect(fromText.hash).toBe(hashEncodedKey(fromBytes, 0, fromBytes.length));
    }
  });

  it('has nothing between a key and its successor', () => {
    const key = encodeKey(FAMILY_DEFAULT, 'a');
    const next = encodeKey(FAMILY_DEFAULT, 'a\u0000');
    expect(compareArrays(key, keySuccessor(key))).toBeLessThan(0);
    expect(compareArrays(keySuccessor(key), next)).toBeLessThan(0);
  });

  it('bounds every key with a prefix, the empty one and 0xff included', () => {
    const random = new Prng(2);
    for (let i = 0; i < 2000; i++) {
      const prefix = i % 10 === 0 ? new Uint8Array(0) : randomKey(random);
      const buffer = new KeyBuffer();
      buffer.encodePrefix(FAMILY_DEFAULT, prefix);
      const lower = buffer.copy();
      const upper = prefixSuccessor(lower);
      const key = randomKey(random);
      const encoded = encodeKey(FAMILY_DEFAULT, key);
      const isInside = compareArrays(encoded, lower) >= 0 && compareArrays(encoded, upper) < 0;
      const hasPrefix = compareArrays(key.subarray(0, prefix.length), prefix) === 0;
      expect(isInside).toBe(hasPrefix);
    }
  });

  it('refuses an empty key, one over 65,535 bytes and anything that is no key', () => {
    expect(() => encodeKey(FAMILY_DEFAULT, '')).toThrow(RangeError);
    expect(() => encodeKey(FAMILY_DEFAULT, new Uint8Array(65_536))).toThrow(RangeError);
    expect(() => encodeKey(FAMILY_DEFAULT, 5 as unknown as string)).toThrow(TypeError);
    expect(encodeKey(FAMILY_DEFAULT, new Uint8Array(65_535)).length).toBe(131_072);
  });
});

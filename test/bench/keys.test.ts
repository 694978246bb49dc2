import { describe, expect, it } from 'vitest';
import { KEY_BYTES, RecordHash, keyOf, makeKeys } from '../../src/bench/keys.js';

/** YCSB's fnvhash64, written with BigInt. */
function fnvHash64(record: bigint): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0n; i < 8n; i++) {
    hash ^= (record >> (8n * i)) & 0xffn;
    hash = BigInt.asUintN(64, hash * 1_099_511_628_211n);
  }
  const signed = BigInt.asIntN(64, hash);
  return signed < 0n ? -signed : signed;
}

const RECORDS = [0, 1, 2, 255, 256, 65_537, 999_999, 123_456_789_012, 2 ** 52 + 7];

describe('RecordHash', () => {
  it("is the absolute value of YCSB's FNV-1a-64", () => {
    const hash = new RecordHash();
    for (let record = 0; record < 2000; record++) {
      hash.set(record);
      const digits = BigInt(hash.upper) * 1_000_000n + BigInt(hash.lower);
      expect(digits, `record ${record}`).toBe(fnvHash64(BigInt(record)));
    }
  });

  it('modulo agrees with the whole number', () => {
    const hash = new RecordHash();
    for (const record of RECORDS) {
      hash.set(record);
      for (const bound of [1, 7, 1000, 999_983, 2 ** 32]) {
        expect(hash.modulo(bound)).toBe(Number(fnvHash64(BigInt(record)) % BigInt(bound)));
      }
    }
  });
});

describe('keyOf', () => {
  it('hashed: "user" and the 19 digits of the hash', () => {
    for (const record of RECORDS) {
      const digits = fnvHash64(BigInt(record)).toString().padStart(19, '0');
      expect(keyOf(record, 'hashed')).toBe(`user${digits}`);
    }
  });

  it('ordered: keys sort as their records do', () => {
    const keys = RECORDS.map((record) => keyOf(record, 'ordered'));
    expect([...keys].sort()).toEqual(keys);
    expect(keys.every((key) => key.length === KEY_BYTES)).toBe(true);
  });
});

describe('makeKeys', () => {
  it.each(['hashed', 'ordered'] as const)('%s keys are those of keyOf, in both forms', (order) => {
    const strings = makeKeys(500, order, 'string');
    const bytes = makeKeys(500, order, 'bytes');
    for (let record = 0; record < 500; record++) {
      expect(strings[record]).toBe(keyOf(record, order));
      expect(Buffer.from(bytes[record] as Uint8Array).toString()).toBe(strings[record]);
    }
    expect(new Set(strings).size).toBe(500);
  });
});

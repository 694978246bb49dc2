import { describe, expect, it } from 'vitest';
import { TransactionTooLargeError } from '../../../src/base/errors.js';
import { encodeKey, FAMILY_DEFAULT, KeyBuffer } from '../../../src/engine/key.js';
import { ReadSet } from '../../../src/engine/txn/read-set.js';
import { WriteSet } from '../../../src/engine/txn/write-set.js';

const keyOf = (key: string): KeyBuffer => {
  const buffer = new KeyBuffer();
  buffer.encode(FAMILY_DEFAULT, key);
  return buffer;
};
const encoded = (key: string): Uint8Array => encodeKey(FAMILY_DEFAULT, key);
const put = (writes: WriteSet, key: string, bytes = 0): void =>
  writes.put(keyOf(key), new Uint8Array(bytes), 0, 0);

describe('WriteSet', () => {
  it('refuses one entry too many, and is as it was; a key written again is no other entry', () => {
    const writes = new WriteSet(3);
    for (const key of ['a', 'b', 'a', 'c']) put(writes, key);
    expect(() => put(writes, 'd')).toThrow(TransactionTooLargeError);
    expect(() => writes.del(keyOf('d'), 0)).toThrow(TransactionTooLargeError);
    expect(() => writes.deleteRange(encoded('x'), encoded('y'), 0)).toThrow(
      TransactionTooLargeError,
    );
    expect(writes.count).toBe(3);
    put(writes, 'c', 10);
  });

  it('refuses a byte too many, and gives room back with what is replaced, deleted or rolled back', () => {
    const writes = new WriteSet(100, 1000);
    put(writes, 'a', 800);
    expect(() => put(writes, 'b', 200)).toThrow(TransactionTooLargeError);
    put(writes, 'a', 10);
    const point = writes.savepoint();
    put(writes, 'b', 800);
    writes.rollbackTo(point);
    put(writes, 'b', 800);
    writes.deleteRange(encoded('b'), encoded('c'), 0);
    put(writes, 'c', 700);
    const { bytes } = writes;
    writes.rollbackTo(point);
    expect(writes.bytes).toBeLessThan(bytes);
    expect(writes.operations(7)).toMatchObject([{ key: Uint8Array.of(97), version: 7 }]);
  });
});

describe('ReadSet', () => {
  it('refuses one read too many', () => {
    const reads = new ReadSet(3);
    for (const key of ['a', 'b', 'a', 'c']) if (reads.count < 3) reads.addPoint(keyOf(key));
    expect(() => reads.addPoint(keyOf('d'))).toThrow(TransactionTooLargeError);
  });

  it('joins ranges that touch, but leaves those alone that still grow', () => {
    const reads = new ReadSet();
    const growing = { lower: encoded('m'), upper: encoded('m'), isGrowing: true };
    reads.addSpan(growing);
    for (let i = 0; i < 5000; i++)
      reads.addSpan({ lower: encoded('a'), upper: encoded('b'), isGrowing: false });
    expect(reads.count).toBeLessThan(1100);
    growing.upper = encoded('z');
    expect(reads.spans()).toMatchObject([
      { lower: encoded('a'), upper: encoded('b') },
      { lower: encoded('m'), upper: encoded('z') },
    ]);
  });
});

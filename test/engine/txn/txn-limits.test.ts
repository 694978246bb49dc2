import { describe, expect, it } from 'vitest';
import { TransactionTooLargeError } from '../../../src/base/errors.js';
import { encodeKey, FAMILY_DEFAULT, KeyBuffer } from '../../../src/engine/key.js';
import { ReadSet } from '../../../src/engine/txn/read-set.js';
import { WriteSet } from '../../../src/engine/txn/write-set.js';
import { openSim } from '../db-fixture.js';

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
    const writes = new WriteSet(100, 11_000);
    put(writes, 'a', 8000);
    expect(() => put(writes, 'b', 2000)).toThrow(TransactionTooLargeError);
    put(writes, 'a', 10);
    const point = writes.savepoint();
    put(writes, 'b', 8000);
    writes.rollbackTo(point);
    put(writes, 'b', 8000);
    writes.deleteRange(encoded('b'), encoded('c'), 0);
    put(writes, 'c', 7000);
    const { bytes } = writes;
    writes.rollbackTo(point);
    expect(writes.bytes).toBeLessThan(bytes);
    expect(writes.operations(7)).toMatchObject([{ key: Uint8Array.of(97), version: 7 }]);
  });
});

describe('the memory of a WriteSet', () => {
  const MIB = 1024 * 1024;

  it('counts what an operation takes beside its bytes: 1 GiB are about 1.6 million small ones', () => {
    const fill = (write: (writes: WriteSet, key: string) => void): number => {
      const writes = new WriteSet(Number.POSITIVE_INFINITY, 16 * MIB);
      for (let i = 0; ; i++) {
        const { bytes } = writes;
        try {
          write(writes, `user${String(i).padStart(12, '0')}`);
        } catch (error) {
          expect([error instanceof TransactionTooLargeError, writes.bytes]).toEqual([true, bytes]);
          return i;
        }
      }
    };
    const counts = [
      fill((writes, key) => put(writes, key, 20)),
      fill((writes, key) => writes.del(keyOf(key), 0)),
      fill((writes, key) => writes.deleteRange(encoded(`${key}a`), encoded(`${key}b`), 0)),
    ];
    for (const count of counts) {
      expect(count).toBeGreaterThan(1_500_000 / 64);
      expect(count).toBeLessThan(1_750_000 / 64);
    }
  });

  it('counts what is kept to go back to a savepoint, by every way that it is replaced', () => {
    const replacings: readonly ((writes: WriteSet) => void)[] = [
      (writes) => put(writes, 'a', 1),
      (writes) => writes.del(keyOf('a'), 0),
      (writes) => writes.deleteRange(encoded('a'), encoded('b'), 0),
    ];
    for (const replace of replacings) {
      const writes = new WriteSet(100, 10_000);
      put(writes, 'a', 6000);
      const point = writes.savepoint();
      const { bytes } = writes;
      replace(writes);
      expect(() => put(writes, 'b', 3000)).toThrow(TransactionTooLargeError);
      writes.rollbackTo(point);
      expect(writes.bytes).toBe(bytes);
      expect(writes.get(String.fromCharCode(...encoded('a')))?.value).toHaveLength(6000);
    }
  });

  it('keeps nothing of a key that is written again and again behind one savepoint', () => {
    const writes = new WriteSet(100, 10_000);
    put(writes, 'a', 10);
    const point = writes.savepoint();
    for (let i = 0; i < 100; i++) {
      put(writes, 'a', 1000 + i);
      put(writes, 'b', 1000 + i);
    }
    const inner = writes.savepoint();
    put(writes, 'a', 20);
    for (let i = 0; i < 100; i++) put(writes, 'a', 1000 + i);
    const lengthsNow = (): (number | undefined)[] =>
      ['a', 'b'].map((key) => writes.get(String.fromCharCode(...encoded(key)))?.value.length);
    writes.rollbackTo(inner);
    expect(lengthsNow()).toEqual([1099, 1099]);
    put(writes, 'a', 30);
    writes.deleteRange(encoded('a'), encoded('z'), 0);
    put(writes, 'b', 40);
    writes.rollbackTo(inner);
    expect(lengthsNow()).toEqual([1099, 1099]);
    writes.rollbackTo(point);
    expect(lengthsNow()).toEqual([10, undefined]);
  });

  it('counts savepoints', () => {
    const writes = new WriteSet(100, 10_000);
    const first = writes.savepoint();
    expect(() => {
      for (let i = 0; i < 1000; i++) writes.savepoint();
    }).toThrow(TransactionTooLargeError);
    writes.rollbackTo(first);
    put(writes, 'a', 6000);
  });
});

describe('ReadSet', () => {
  it('refuses one read too many', () => {
    const reads = new ReadSet(3);
    for (const key of ['a', 'b', 'a', 'c']) if (reads.count < 3) reads.addPoint(keyOf(key));
    expect(() => reads.addPoint(keyOf('d'))).toThrow(TransactionTooLargeError);
  });

  it('refuses a byte too many, of points and of ranges; what it knows takes no more', () => {
    const reads = new ReadSet(1000, 3000);
    reads.addPoint(keyOf('a'.repeat(1000)));
    const { bytes } = reads;
    reads.addPoint(keyOf('a'.repeat(1000)));
    expect(reads.bytes).toBe(bytes);
    const span = { lower: encoded('m'), upper: encoded('n'), isGrowing: true };
    reads.addSpan(span);
    expect(() => reads.addPoint(keyOf('b'.repeat(1500)))).toThrow(TransactionTooLargeError);
    expect(() => reads.addSpan({ ...span, lower: encoded('a'.repeat(1000)) })).toThrow(
      expect.objectContaining({
        details: { bytes: expect.any(Number), bytesMax: 3000, reads: 2, readsMax: 1000 },
      }),
    );
    reads.addPoint(keyOf('c'));
    reads.lengthened(1300);
    expect(() => reads.addPoint(keyOf('d'))).toThrow(TransactionTooLargeError);
    expect(reads.count).toBe(3);
  });

  it('counts 130 bytes for a point of 30, and for ranges what is left of them when they are joined', () => {
    const reads = new ReadSet();
    reads.addPoint(keyOf('k'.repeat(28)));
    expect(reads.bytes).toBe(126);
    for (let i = 0; i < 1025; i++)
      reads.addSpan({ lower: encoded('a'), upper: encoded('b'), isGrowing: false });
    expect([reads.count, reads.bytes]).toEqual([3, 126 + 2 * 486]);
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

  it('counts the bounds of what a cursor has looked at, forward and in reverse', async () => {
    const { db } = await openSim({});
    const long = (letter: string): string => letter.repeat(10_000);
    for (const letter of ['c', 'e']) await db.put(long(letter), '1');
    const txn = db.begin();
    const bytes = (): number => txn.reads?.bytes ?? 0;
    const iterator = txn.iterator();
    iterator.seek('d');
    iterator.seekForPrev('d');
    expect(bytes()).toBeGreaterThan(10_000);
    expect(bytes()).toBeLessThan(11_500);
    iterator.close();
    expect(bytes()).toBeGreaterThan(20_000);
    expect(bytes()).toBeLessThan(21_500);
    await txn.commit();
    expect(bytes()).toBe(0);
    await db.close();
  });
});

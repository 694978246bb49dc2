import { describe, expect, it } from 'vitest';
import { toPlain } from '../../src/cli/plain.js';

describe('toPlain', () => {
  it('prints bytes as base64, with their text beside them when it is printable', () => {
    const key = new TextEncoder().encode('user:42');
    expect(toPlain({ key, raw: Uint8Array.of(0, 255), buffer: Buffer.from('é') })).toEqual({
      key: 'dXNlcjo0Mg==',
      key_utf8: 'user:42',
      raw: 'AP8=',
      buffer: 'w6k=',
      buffer_utf8: 'é',
    });
  });

  it('takes only the bytes of a view, not of the buffer behind it', () => {
    const view = new TextEncoder().encode('xxabyy').subarray(2, 4);
    expect(toPlain([view])).toEqual(['YWI=']);
  });

  it('keeps bigints, maps, sets and dates', () => {
    expect(
      toPlain({
        n: 2n ** 60n,
        byName: new Map([['a', Uint8Array.of(98)]]),
        byNumber: new Map([[1, 2n]]),
        set: new Set([1n]),
        at: new Date(0),
      }),
    ).toEqual({
      n: '1152921504606846976',
      byName: { a: 'Yg==', a_utf8: 'b' },
      byNumber: [[1, '2']],
      set: ['1'],
      at: '1970-01-01T00:00:00.000Z',
    });
  });

  it('leaves plain data as it is', () => {
    const data = { a: [1, 'two', null, true], b: { c: 0.5 } };
    expect(toPlain(data)).toEqual(data);
  });
});

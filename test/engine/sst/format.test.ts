import { describe, expect, it } from 'vitest';
import { encodeKey, FAMILY_DEFAULT } from '../../../src/engine/key.js';
import { CorruptionError } from '../../../src/base/errors.js';
import {
  blockSeed,
  decodeFooter,
  encodeFooter,
  type Footer,
} from '../../../src/engine/sst/format.js';
import { build, put } from './table-model.js';

const text = new TextEncoder();

describe('the table format', () => {
  it('is frozen: the bytes of a table of two entries (docs/formats/sst.md)', () => {
    const { content } = build([
      put(encodeKey(FAMILY_DEFAULT, 'ant'), 5, text.encode('hi')),
      put(encodeKey(FAMILY_DEFAULT, 'ape'), 3, text.encode('you'), 4),
    ]);
    const hex = (start: number, end: number): string =>
      Buffer.from(content.slice(start, end)).toString('hex');
    expect(hex(0, 41)).toBe(
      '6869' +
        '796f75' + // values
        '0005010205' +
        '10616e7400' + // shared, unshared, kind, value length, seq; key
        '020311030304' +
        '706500' + // kind with an explicit version: seq 3, version 4
        '05000000' +
        '00000000' + // restart point: entry at 5, value at 0
        '01000000' +
        '00' +
        '4b85e6b3', // count, codec, checksum
    );
    expect(hex(41, 111)).toMatch(/^[0-9a-f]{128}06/);
    expect(hex(111, 125)).toBe('01' + '520005' + '1061706500' + '00' + '23d81fc2');
    expect(hex(125, 131)).toBe('00' + '00' + '33e20d0f');
    expect(hex(content.length - 72, content.length)).toBe(
      '4e6f4b562d535354' +
        '0100' +
        '02' +
        '00' +
        '07000000' +
        'efcdab8967452301' +
        '2802000000000000' +
        '2900000046000000' +
        '6f0000000e000000' +
        '7d00000006000000' +
        '830000005d010000' + // handles
        '01000000' +
        'd7827b2a',
    );
  });
});

describe('decodeFooter', () => {
  const footer: Footer = {
    checksumType: 2,
    codec: 0,
    fileNumber: 7,
    isExternal: false,
    identity: '0123456789abcdef',
    bytes: 172,
    filter: { offset: 10, size: 20 },
    index: { offset: 30, size: 20 },
    tombstones: { offset: 50, size: 20 },
    properties: { offset: 70, size: 30 },
    blockCount: 1,
  };

  it('returns what encodeFooter wrote', () => {
    expect(decodeFooter(encodeFooter(footer), 'x', 100)).toEqual(footer);
  });

  it('refuses parts that overlap, leave a gap, or do not reach the footer, and a wrong length', () => {
    const wrong: Partial<Footer>[] = [
      { properties: { offset: 70, size: 29 } },
      { properties: { offset: 70, size: 31 } },
      { index: { offset: 31, size: 19 } },
      { index: { offset: 29, size: 21 } },
      { tombstones: { offset: 50, size: 0 }, properties: { offset: 50, size: 50 } },
      { bytes: 173 },
    ];
    for (const change of wrong) {
      const bytes = encodeFooter({ ...footer, ...change });
      expect(() => decodeFooter(bytes, 'x', 100), JSON.stringify(change)).toThrow(CorruptionError);
    }
  });
});

describe('blockSeed', () => {
  it('differs for all offsets of a table, and for tables', () => {
    const seeds = new Set<number>();
    for (let offset = 0; offset < 200_000; offset++) seeds.add(blockSeed(7, offset));
    expect(seeds.size).toBe(200_000);
    expect(blockSeed(7, 100)).not.toBe(blockSeed(8, 100));
    expect(blockSeed(0x89abcdef, 4096)).toMatchInlineSnapshot(`2335929656`);
  });
});

import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../../src/engine/format-version.js';
import { viewOf } from '../../../src/base/codec.js';
import { crc32, crc32Of } from '../../../src/base/crc32.js';
import { CorruptionError, FormatError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import { recordHeaderCrc } from '../../../src/engine/record-log-crc.js';
import {
  decodeLogHeader,
  encodeLogHeader,
  LOG_HEADER_BYTES,
  type LogHeaderInit,
  MAGIC_MANIFEST,
  MAGIC_WAL,
  scanRecords,
} from '../../../src/engine/record-log.js';

const INIT: LogHeaderInit = {
  fileNumber: 7,
  identity: '00ff10a2b3c4d5e6',
  bootId: '2f6c1a90-70bb-4c9e-8c2e-0f6f3a7c1d55',
  continues: { fileNumber: 3, bytes: 1000, chain: 0xdeadbeef },
};

/** Puts the right checksum on a changed header. */
function resign(bytes: Uint8Array): Uint8Array {
  viewOf(bytes).setUint32(124, crc32(bytes, 0, 124), true);
  return bytes;
}

describe('recordHeaderCrc', () => {
  it('equals the native checksum of the same sixteen bytes for any seed', () => {
    const random = new Prng(11);
    const bytes = new Uint8Array(16);
    const view = viewOf(bytes);
    for (let i = 0; i < 2000; i++) {
      random.fill(bytes);
      const chain = i === 0 ? 0 : random.u32();
      const words = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [
        number,
        number,
        number,
        number,
      ];
      expect(recordHeaderCrc(...words, chain)).toBe(crc32Of(bytes, chain));
    }
  });
});

describe('encodeLogHeader', () => {
  it('round-trips every field, with and without a continued manifest and a boot id', () => {
    for (const init of [
      INIT,
      { ...INIT, bootId: '', continues: undefined },
      { ...INIT, bootId: 'x'.repeat(64), fileNumber: 0xffff_ffff },
    ]) {
      const bytes = encodeLogHeader(MAGIC_WAL, init);
      expect(bytes.length).toBe(LOG_HEADER_BYTES);
      const header = decodeLogHeader(bytes, bytes.length, MAGIC_WAL, 'f');
      expect(header).toMatchObject({ ...init, formatVersion: FORMAT_VERSION });
      expect(header.chain).toBe(crc32(bytes, 0, 124));
    }
  });

  it('refuses a boot id or identity that would not come back', () => {
    expect(() => encodeLogHeader(MAGIC_WAL, { ...INIT, bootId: 'x'.repeat(65) })).toThrow(
      'boot id',
    );
    expect(() => encodeLogHeader(MAGIC_WAL, { ...INIT, bootId: 'a b' })).toThrow('boot id');
    expect(() => encodeLogHeader(MAGIC_WAL, { ...INIT, identity: 'ABCDEF0123456789' })).toThrow(
      'identity',
    );
    expect(() => encodeLogHeader(MAGIC_WAL, { ...INIT, fileNumber: 0 })).toThrow('file number');
  });
});

describe('decodeLogHeader', () => {
  it('refuses every changed byte, every length short of a header and the other magic', () => {
    const good = encodeLogHeader(MAGIC_WAL, INIT);
    for (let at = 0; at < good.length; at++) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
        const bad = good.slice();
        bad[at] = (bad[at] as number) ^ mask;
        expect(() => decodeLogHeader(bad, bad.length, MAGIC_WAL, 'f')).toThrow(CorruptionError);
      }
      expect(() => decodeLogHeader(good, at, MAGIC_WAL, 'f')).toThrow(CorruptionError);
    }
    expect(() => decodeLogHeader(good, good.length, MAGIC_MANIFEST, 'f')).toThrow(CorruptionError);
  });

  it('tells an intact header of a newer format from damage', () => {
    const newer = encodeLogHeader(MAGIC_WAL, INIT);
    newer[8] = FORMAT_VERSION + 1;
    expect(() => decodeLogHeader(newer, newer.length, MAGIC_WAL, 'f')).toThrow(CorruptionError);
    expect(() => decodeLogHeader(resign(newer), newer.length, MAGIC_WAL, 'f')).toThrow(FormatError);
  });

  it('takes the checksum types that the format version has', () => {
    const typed = (version: number, type: number): Uint8Array => {
      const bytes = encodeLogHeader(MAGIC_WAL, INIT);
      bytes[8] = version;
      bytes[10] = type;
      return resign(bytes);
    };
    const typeOf = (bytes: Uint8Array): number =>
      decodeLogHeader(bytes, bytes.length, MAGIC_WAL, 'f').checksumType;
    expect([typeOf(typed(1, 1)), typeOf(typed(2, 1)), typeOf(typed(3, 1))]).toEqual([1, 1, 1]);
    expect(typeOf(typed(3, 2))).toBe(2);
    expect(() => typeOf(typed(2, 2))).toThrow(CorruptionError);
  });

  it('refuses impossible fields under a right checksum', () => {
    for (const [at, value] of [
      [8, 0],
      [10, 0],
      [10, 3],
      [11, 1],
      [12, 1],
      [16, 0],
      [20, 1],
      [32, 65],
      [33, 1],
      [36, 0x20],
      [99, 0x41],
      [104, 1],
      [112, 1],
      [120, 1],
    ] as const) {
      const bad = encodeLogHeader(MAGIC_WAL, INIT);
      bad[at] = value;
      expect(() => decodeLogHeader(resign(bad), bad.length, MAGIC_WAL, 'f'), `byte ${at}`).toThrow(
        CorruptionError,
      );
    }
    const orphan = encodeLogHeader(MAGIC_WAL, { ...INIT, continues: undefined });
    orphan[108] = 1;
    expect(() => decodeLogHeader(resign(orphan), orphan.length, MAGIC_WAL, 'f')).toThrow(
      CorruptionError,
    );
  });
});

describe('RecordScanner', () => {
  it('finds nothing, cleanly, in a file that is only its header', () => {
    const bytes = encodeLogHeader(MAGIC_WAL, INIT);
    const scanner = scanRecords(
      bytes,
      bytes.length,
      decodeLogHeader(bytes, bytes.length, MAGIC_WAL, 'f'),
    );
    expect(scanner.next()).toBe(false);
    expect(scanner.next()).toBe(false);
    expect(scanner).toMatchObject({ scanEnd: 'clean', end: LOG_HEADER_BYTES, count: 0 });
  });
});

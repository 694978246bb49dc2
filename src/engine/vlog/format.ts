/**
 * Value-log segment on disk (docs/formats/vlog.md). A segment is one file, append-only while active,
 * immutable afterwards; records are found through value pointers, never by searching.
 *
 * File header, 64 bytes (little-endian)
 *   offset size field
 *        0    8 magic "NOKVVLG1"
 *        8    2 format version
 *       10    1 checksum type of the records (checksum.ts)
 *       11    1 zero
 *       12    4 bucket
 *       16    8 file number
 *       24    8 identity (8 bytes, also in the manifest)
 *       32    8 created, wall milliseconds
 *       40   20 zero
 *       60    4 crc of bytes 0..60
 *
 * Record
 *        0    4 checksum of bytes 4..end, seeded with the segment's identity and the record's offset
 *        4    4 value length
 *        8    3 key length (encoded key)
 *       11    1 zero
 *       12    8 seq
 *       20    8 version
 *       28    . encoded key, value
 */
import { CHECKSUM_TYPES, isChecksumType } from '../../base/checksum.js';
import { CHECKSUM_CRC32, crc32 } from '../../base/crc32.js';
import { getU64, putU64, viewOf } from '../../base/codec.js';
import { CorruptionError, FormatError } from '../../base/errors.js';

export const VALUE_LOG_MAGIC = 'NOKVVLG1'; // on disk, frozen
/** 2: another checksum than CRC-32 may be named; builds of 1 do not look. */
export const VALUE_LOG_FORMAT = 2;
export const VALUE_LOG_HEADER_BYTES = 64; // on disk, frozen
export const VALUE_RECORD_HEADER_BYTES = 28; // on disk, frozen

export interface ValueLogHeaderInit {
  readonly fileNumber: number;
  readonly bucket: number;
  /** 16 hexadecimal digits. */
  readonly identity: string;
  readonly createdMs: number;
}

export interface ValueLogHeader extends ValueLogHeaderInit {
  /** Of the records: base/checksum.ts. */
  readonly checksumType: number;
}

export function encodeValueLogHeader(header: ValueLogHeader): Uint8Array {
  const bytes = new Uint8Array(VALUE_LOG_HEADER_BYTES);
  const view = viewOf(bytes);
  for (let i = 0; i < 8; i++) bytes[i] = VALUE_LOG_MAGIC.charCodeAt(i);
  view.setUint16(8, VALUE_LOG_FORMAT, true);
  bytes[10] = header.checksumType;
  view.setUint32(12, header.bucket, true);
  putU64(view, 16, header.fileNumber);
  putIdentity(bytes, 24, header.identity);
  putU64(view, 32, header.createdMs);
  view.setUint32(60, crc32(bytes, 0, 60), true);
  return bytes;
}

/** @throws CorruptionError or FormatError. `bytes` may be shorter than a header. */
export function decodeValueLogHeader(bytes: Uint8Array, file: string): ValueLogHeader {
  if (bytes.length < VALUE_LOG_HEADER_BYTES) {
    throw new CorruptionError('value-log header is incomplete', {
      file,
      offset: 0,
      expected: VALUE_LOG_HEADER_BYTES,
      actual: bytes.length,
    });
  }
  const view = viewOf(bytes);
  const expected = view.getUint32(60, true);
  const actual = crc32(bytes, 0, 60);
  if (expected !== actual) {
    throw new CorruptionError('value-log header checksum mismatch', {
      file,
      offset: 0,
      expected,
      actual,
    });
  }
  const version = view.getUint16(8, true);
  if (version > VALUE_LOG_FORMAT) {
    throw new FormatError('Cannot read value log: it has a newer format', {
      file,
      found: version,
      supported: VALUE_LOG_FORMAT,
    });
  }
  for (let i = 0; i < 8; i++) {
    if (bytes[i] !== VALUE_LOG_MAGIC.charCodeAt(i)) {
      throw new CorruptionError('this is no value-log segment', { file, offset: 0 });
    }
  }
  const checksumType = bytes[10] as number;
  if (!isChecksumType(checksumType) || (version < 2 && checksumType !== CHECKSUM_CRC32)) {
    throw new FormatError('Cannot read value log: unknown checksum type', {
      file,
      found: checksumType,
      supported: CHECKSUM_TYPES,
    });
  }
  return {
    checksumType,
    fileNumber: getU64(view, 16),
    bucket: view.getUint32(12, true),
    identity: identityAt(bytes, 24),
    createdMs: getU64(view, 32),
  };
}

/** The seed of a record's checksum: ties it to its segment and place. */
export function recordSeed(identity: string, start: number): number {
  return (Math.imul(Number.parseInt(identity.slice(8), 16) | 0, 0x9e3779b1) ^ start) >>> 0;
}

function putIdentity(bytes: Uint8Array, at: number, identity: string): void {
  for (let i = 0; i < 8; i++) bytes[at + i] = Number.parseInt(identity.slice(2 * i, 2 * i + 2), 16);
}

function identityAt(bytes: Uint8Array, at: number): string {
  let text = '';
  for (let i = 0; i < 8; i++) text += (bytes[at + i] as number).toString(16).padStart(2, '0');
  return text;
}

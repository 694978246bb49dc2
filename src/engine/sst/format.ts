/**
 * Numbers of the table file that reach the disk, and the codec of its footer and block trailer.
 * Page: docs/formats/sst.md.
 *
 *   [data block]* [filter] [index] [range tombstones] [properties] [footer]
 *
 * Invariant: the parts touch each other, begin at 0 and end at the footer; every byte is covered by the
 * checksum of its block or of the footer.
 */
import { assert } from '../../base/assert.js';
import { getU64, putU64, viewOf } from '../../base/codec.js';
import { CHECKSUM_TYPES, isChecksumType } from '../../base/checksum.js';
import { crc32 } from '../../base/crc32.js';
import { CorruptionError, FormatError } from '../../base/errors.js';

export const TABLE_FORMAT_VERSION = 1; // on disk, frozen
/** A table made outside of a database (external-facts.ts): its numbers count from where it is taken in. */
export const EXTERNAL_FORMAT_VERSION = 2; // on disk, frozen
/** In the footer of an external table: it has a number only in the workdir that took it in. */
export const EXTERNAL_FILE_NUMBER = 0; // on disk, frozen
export const FOOTER_BYTES = 72; // on disk, frozen
/** "NoKV-SST" */
const MAGIC = [0x4e, 0x6f, 0x4b, 0x56, 0x2d, 0x53, 0x53, 0x54]; // on disk, frozen
const FOOTER_CRC_AT = 68;

/** Codec byte and checksum behind every block. */
export const BLOCK_TRAILER_BYTES = 5; // on disk, frozen

/** Offsets of a restart point's entry and value in the payload, two u32. */
export const RESTART_BYTES = 8; // on disk, frozen

/** Entries from one restart point to the next; readers take the points from the block. */
export const RESTART_INTERVAL = 16;
export const BLOCK_BYTES_DEFAULT = 4096;
export const FILTER_BITS_PER_KEY_DEFAULT = 10;

/** Offsets in a table are u32. */
export const TABLE_BYTES_LIMIT = 0xffff_ffff;

/** Where a block lies: offset and stored size (trailer included), bytes. */
export interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

export interface Footer {
  /** Of the blocks: base/checksum.ts. */
  readonly checksumType: number;
  readonly codec: number;
  /** EXTERNAL_FILE_NUMBER in an external table. */
  readonly fileNumber: number;
  /** Made outside of a database: format version 2. */
  readonly isExternal: boolean;
  /** 16 hexadecimal digits. */
  readonly identity: string;
  /** Length of the whole file. */
  readonly bytes: number;
  readonly filter: BlockHandle;
  readonly index: BlockHandle;
  readonly tombstones: BlockHandle;
  readonly properties: BlockHandle;
  readonly blockCount: number;
}

/** The seed of a block's checksum: a bijection of the offset, so that a misplaced block never passes. */
export function blockSeed(identityLow: number, offset: number): number {
  let h = (identityLow + Math.imul(offset, 0x9e3779b1)) >>> 0; // on disk, frozen
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** True for the form of an identity: 16 lower-case hexadecimal digits. */
export function isIdentity(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

/** The low 32 bits of an identity. */
export function identityLow(identity: string): number {
  return Number.parseInt(identity.slice(8), 16);
}

export function identityHigh(identity: string): number {
  return Number.parseInt(identity.slice(0, 8), 16);
}

export function encodeFooter(footer: Footer): Uint8Array {
  assert(isIdentity(footer.identity), 'table footer: malformed identity');
  const bytes = new Uint8Array(FOOTER_BYTES);
  const view = viewOf(bytes);
  bytes.set(MAGIC);
  view.setUint16(8, footer.isExternal ? EXTERNAL_FORMAT_VERSION : TABLE_FORMAT_VERSION, true);
  bytes[10] = footer.checksumType;
  bytes[11] = footer.codec;
  view.setUint32(12, footer.fileNumber, true);
  view.setUint32(16, identityLow(footer.identity), true);
  view.setUint32(20, identityHigh(footer.identity), true);
  putU64(view, 24, footer.bytes);
  let at = 32;
  for (const handle of [footer.filter, footer.index, footer.tombstones, footer.properties]) {
    view.setUint32(at, handle.offset, true);
    view.setUint32(at + 4, handle.size, true);
    at += 8;
  }
  view.setUint32(64, footer.blockCount, true);
  view.setUint32(FOOTER_CRC_AT, crc32(bytes, 0, FOOTER_CRC_AT), true);
  return bytes;
}

/**
 * Decodes and checks a footer. `file` and `offset` (of the footer) are for the error only.
 * @throws CorruptionError when it is damaged or does not describe a file of its length, FormatError for an
 * unknown version.
 */
export function decodeFooter(bytes: Uint8Array, file: string, offset: number): Footer {
  const bad = (what: string): CorruptionError => new CorruptionError(what, { file, offset });
  if (bytes.length !== FOOTER_BYTES) throw bad('table footer is cut');
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw bad('not a table: magic number differs');
  const view = viewOf(bytes);
  const expected = view.getUint32(FOOTER_CRC_AT, true);
  const actual = crc32(bytes, 0, FOOTER_CRC_AT);
  if (expected !== actual) {
    throw new CorruptionError('table footer checksum mismatch', { file, offset, expected, actual });
  }
  const version = view.getUint16(8, true);
  const isExternal = version === EXTERNAL_FORMAT_VERSION;
  const checksumType = bytes[10] as number;
  const unknown = (what: string, found: number, supported: string | number): FormatError =>
    new FormatError(`Cannot read table ${file}: unknown ${what}`, {
      file,
      offset,
      found,
      supported,
    });
  if (version !== TABLE_FORMAT_VERSION && !isExternal) {
    throw unknown('format version', version, EXTERNAL_FORMAT_VERSION);
  }
  if (!isChecksumType(checksumType)) throw unknown('checksum type', checksumType, CHECKSUM_TYPES);
  const handle = (at: number): BlockHandle => ({
    offset: view.getUint32(at, true),
    size: view.getUint32(at + 4, true),
  });
  const footer: Footer = {
    checksumType,
    codec: bytes[11] as number,
    fileNumber: view.getUint32(12, true),
    isExternal,
    identity: hex32(view.getUint32(20, true)) + hex32(view.getUint32(16, true)),
    bytes: getU64(view, 24),
    filter: handle(32),
    index: handle(40),
    tombstones: handle(48),
    properties: handle(56),
    blockCount: view.getUint32(64, true),
  };
  if (isExternal !== (footer.fileNumber === EXTERNAL_FILE_NUMBER))
    throw bad('table footer has a number that its format version does not have');
  if (footer.bytes !== offset + FOOTER_BYTES) throw bad('table length differs from its footer');
  let end = footer.filter.offset;
  for (const part of [footer.filter, footer.index, footer.tombstones, footer.properties]) {
    if (part.offset !== end || part.size <= BLOCK_TRAILER_BYTES)
      throw bad('table parts do not fill the file');
    end += part.size;
  }
  if (end !== offset) throw bad('table parts do not fill the file');
  return footer;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/**
 * Record log: the framing shared by write-ahead log and manifest. Page: docs/formats/record-log.md.
 * Here are the file header and the scanner over bytes in memory; record-log-writer.ts appends,
 * record-log-tail.ts decides what a damaged end means.
 *
 *   file header, 128 bytes, little-endian               record header, 20 bytes
 *   offset size field                                   offset size field
 *        0    8 magic          'NoKV-WAL', 'NoKV-MAN'        0    4 headerCrc      crc32(bytes 4..20, chain)
 *        8    2 formatVersion                                4    4 payloadLength
 *       10    1 checksumType   of payloads (checksum.ts)     8    1 type           1 to 15
 *       11    1 zero                                         9    3 tag            of the file
 *       12    4 flags          0                            12    4 syncedThrough  durable bytes before it
 *       16    8 fileNumber     from 1                       16    4 payloadSum     checksum(payload, chain)
 *       24    8 identity                                    20    . payload
 *       32    1 bootIdLength   0 to 64
 *       33    3 zero
 *       36   64 bootId         ASCII, zero-padded
 *      100    8 continuesNumber   manifest it continues, 0 for none
 *      108    8 continuesBytes
 *      116    4 continuesChain
 *      120    4 zero
 *      124    4 headerCrc      crc32(bytes 0..124)
 *
 * `chain` starts as the file's headerCrc and is then the headerCrc of the record before: a record
 * proves every byte before it. `tag` is the low 24 bits of the file's headerCrc: it lets recovery
 * recognise records of this very file behind a damaged place (record-log-tail.ts).
 *
 * Invariants: syncedThrough <= offset of its record; a file is shorter than 4 GiB.
 */
import { assert } from '../base/assert.js';
import { getU64, putU64, viewOf } from '../base/codec.js';
import { checksum, isChecksumType, newChecksumType } from '../base/checksum.js';
import { CHECKSUM_CRC32, crc32 } from '../base/crc32.js';
import { CorruptionError, FormatError } from '../base/errors.js';
import { FILE_NUMBER_MAX } from '../base/limits.js';
import { FORMAT_VERSION, FORMAT_VERSION_MIN } from './format-version.js';
import { recordHeaderCrc } from './record-log-crc.js';

export const LOG_HEADER_BYTES = 128; // on disk, frozen in every format version
export const RECORD_HEADER_BYTES = 20; // on disk, frozen
/** Offsets are u32. */
export const LOG_BYTES_MAX = 0xffff_ffff;
/** Record types are 1 to this; 0 and the rest are damage. */
export const RECORD_TYPE_MAX = 15; // on disk, frozen
export const BOOT_ID_BYTES_MAX = 64; // on disk, frozen

export const MAGIC_WAL = 'NoKV-WAL'; // on disk, frozen
export const MAGIC_MANIFEST = 'NoKV-MAN'; // on disk, frozen
export type LogMagic = typeof MAGIC_WAL | typeof MAGIC_MANIFEST;

const CRC_AT = LOG_HEADER_BYTES - 4;

/** A place between two records of a log: everything before it is summed up in `chain`. */
export interface LogPosition {
  readonly fileNumber: number;
  readonly bytes: number;
  /** Unsigned 32-bit. */
  readonly chain: number;
}

/** What the creator of a log chooses. */
export interface LogHeaderInit {
  /** 1 to FILE_NUMBER_MAX. */
  readonly fileNumber: number;
  /** 16 lower-case hexadecimal digits, random: tells a foreign file of the same name. */
  readonly identity: string;
  /** Host.bootId: printable ASCII, at most 64; '' when unknown. */
  readonly bootId: string;
  /** WAL: the durable part of the manifest at its creation. Manifest: the manifest it was rewritten from. */
  readonly continues?: LogPosition | undefined;
}

export interface LogHeader extends LogHeaderInit {
  readonly formatVersion: number;
  /** Of the payloads: base/checksum.ts. */
  readonly checksumType: number;
  readonly continues: LogPosition | undefined;
  /** The header's checksum: the chain value before the first record. */
  readonly chain: number;
}

/** The 24-bit mark of a file's records. `headerChain` is LogHeader.chain. */
export function tagOf(headerChain: number): number {
  return headerChain & 0xff_ffff;
}

/** A fresh file header; its last four bytes are the first chain value. */
export function encodeLogHeader(
  magic: LogMagic,
  init: LogHeaderInit,
  checksumType = newChecksumType(),
): Uint8Array {
  assert(init.fileNumber >= 1, 'record log: file number starts at 1');
  assert(init.fileNumber <= FILE_NUMBER_MAX, 'record log: file number fits u32');
  assert(/^[0-9a-f]{16}$/.test(init.identity), 'record log: identity is 16 hexadecimal digits');
  assert(/^[\x21-\x7e]{0,64}$/.test(init.bootId), 'record log: boot id is short printable ASCII');
  const bytes = new Uint8Array(LOG_HEADER_BYTES);
  const view = viewOf(bytes);
  for (let i = 0; i < 8; i++) bytes[i] = magic.charCodeAt(i);
  view.setUint16(8, FORMAT_VERSION, true);
  bytes[10] = checksumType;
  putU64(view, 16, init.fileNumber);
  for (let i = 0; i < 8; i++) bytes[24 + i] = parseInt(init.identity.slice(2 * i, 2 * i + 2), 16);
  bytes[32] = init.bootId.length;
  for (let i = 0; i < init.bootId.length; i++) bytes[36 + i] = init.bootId.charCodeAt(i);
  if (init.continues !== undefined) {
    putU64(view, 100, init.continues.fileNumber);
    putU64(view, 108, init.continues.bytes);
    view.setUint32(116, init.continues.chain, true);
  }
  view.setUint32(CRC_AT, crc32(bytes, 0, CRC_AT), true);
  return bytes;
}

/**
 * Reads the header at the start of `bytes[0, length)`.
 * @throws FormatError for an intact header of a newer format version, CorruptionError for anything
 * else that is not what encodeLogHeader writes.
 */
export function decodeLogHeader(
  bytes: Uint8Array,
  length: number,
  magic: LogMagic,
  file: string,
): LogHeader {
  if (length < LOG_HEADER_BYTES) {
    throw new CorruptionError('file is shorter than its header', {
      file,
      offset: length,
      expected: LOG_HEADER_BYTES,
      actual: length,
    });
  }
  const view = viewOf(bytes);
  const fault = frameFault(bytes, view, magic);
  if (fault !== undefined) throw new CorruptionError(fault, { file, offset: 0 });
  const found = view.getUint16(8, true);
  if (found > FORMAT_VERSION) {
    throw new FormatError(`Cannot read ${file}: its format is newer than this build`, {
      file,
      found,
      supported: FORMAT_VERSION,
    });
  }
  const fieldFault = headerFieldFault(bytes, view);
  if (fieldFault !== undefined) throw new CorruptionError(fieldFault, { file, offset: 0 });
  return {
    formatVersion: found,
    checksumType: bytes[10] as number,
    fileNumber: getU64(view, 16),
    identity: hexOf(bytes, 24, 8),
    bootId: asciiOf(bytes, 36, bytes[32] as number),
    continues: decodeContinues(view),
    chain: view.getUint32(CRC_AT, true),
  };
}

/** True when the file begins with an intact header of some format version. */
export function hasLogHeader(bytes: Uint8Array, length: number, magic: LogMagic): boolean {
  return length >= LOG_HEADER_BYTES && frameFault(bytes, viewOf(bytes), magic) === undefined;
}

function frameFault(bytes: Uint8Array, view: DataView, magic: LogMagic): string | undefined {
  if (asciiOf(bytes, 0, 8) !== magic) return 'wrong magic';
  if (view.getUint32(CRC_AT, true) !== crc32(bytes, 0, CRC_AT))
    return 'file header checksum mismatch';
  return undefined;
}

function headerFieldFault(bytes: Uint8Array, view: DataView): string | undefined {
  const formatVersion = view.getUint16(8, true);
  if (formatVersion < FORMAT_VERSION_MIN) return 'unknown format version';
  const checksumType = bytes[10] as number;
  // Before version 3 there was one.
  if (!isChecksumType(checksumType) || (formatVersion < 3 && checksumType !== CHECKSUM_CRC32))
    return 'unknown checksum type';
  if (bytes[11] !== 0 || view.getUint32(12, true) !== 0) return 'unknown header flags';
  const fileNumber = getU64(view, 16);
  if (fileNumber < 1 || fileNumber > FILE_NUMBER_MAX) return 'impossible file number';
  const bootIdLength = bytes[32] as number;
  if (bootIdLength > BOOT_ID_BYTES_MAX) return 'impossible boot id';
  for (let i = 0; i < BOOT_ID_BYTES_MAX; i++) {
    const byte = bytes[36 + i] as number;
    if (i < bootIdLength ? byte < 0x21 || byte > 0x7e : byte !== 0) return 'impossible boot id';
  }
  if (!isZero(bytes, 33, 3) || !isZero(bytes, 120, 4)) return 'reserved header bytes are not zero';
  const number = getU64(view, 100);
  if (number > FILE_NUMBER_MAX || getU64(view, 108) > LOG_BYTES_MAX)
    return 'impossible manifest position';
  if (number === 0 && !isZero(bytes, 108, 12)) return 'impossible manifest position';
  return undefined;
}

function decodeContinues(view: DataView): LogPosition | undefined {
  const fileNumber = getU64(view, 100);
  if (fileNumber === 0) return undefined;
  return { fileNumber, bytes: getU64(view, 108), chain: view.getUint32(116, true) };
}

function isZero(bytes: Uint8Array, start: number, length: number): boolean {
  for (let i = start; i < start + length; i++) if (bytes[i] !== 0) return false;
  return true;
}

function asciiOf(bytes: Uint8Array, start: number, length: number): string {
  let text = '';
  for (let i = start; i < start + length; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}

function hexOf(bytes: Uint8Array, start: number, length: number): string {
  let text = '';
  for (let i = start; i < start + length; i++)
    text += (bytes[i] as number).toString(16).padStart(2, '0');
  return text;
}

/**
 * Why a scan stopped: at the end between two records, in a record that runs past the end (its
 * header is short, or valid and longer than the rest), or at bytes that are no record of this chain.
 */
export type ScanEnd = 'clean' | 'incomplete' | 'bad';

/** True when the 20 bytes at `at` are a record header of this file that follows `chain`. */
export function isRecordHeader(view: DataView, at: number, chain: number, tag: number): boolean {
  const typeAndTag = view.getUint32(at + 8, true);
  const type = typeAndTag & 0xff;
  if (type === 0 || type > RECORD_TYPE_MAX || typeAndTag >>> 8 !== tag) return false;
  const syncedThrough = view.getUint32(at + 12, true);
  if (syncedThrough > at) return false;
  const crc = recordHeaderCrc(
    view.getUint32(at + 4, true),
    typeAndTag,
    syncedThrough,
    view.getUint32(at + 16, true),
    chain,
  );
  return crc === view.getUint32(at, true);
}

/**
 * Walks the records of a log that lies in memory at its file offsets. While next() is true the
 * fields describe a record whose header, payload and place in the chain were checked. When it is
 * false, `scanEnd` says why and `end` is where. Allocates nothing per record but one view for the checksum.
 */
export class RecordScanner {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Bytes of the file; what lies behind in `bytes` is not looked at. */
  readonly limit: number;
  readonly tag: number;
  readonly checksumType: number;
  type: number;
  recordStart: number;
  payloadStart: number;
  payloadLength: number;
  syncedThrough: number;
  /** Chain value after the last valid record. */
  chain: number;
  /** Offset after the last valid record. */
  end: number;
  /** Valid records so far. */
  count: number;
  /** undefined until next() has returned false. */
  scanEnd: ScanEnd | undefined;

  constructor(
    bytes: Uint8Array,
    start: number,
    limit: number,
    chain: number,
    tag: number,
    checksumType: number,
  ) {
    assert(limit <= bytes.length, 'record log: limit within the buffer');
    assert(start <= limit, 'record log: start within the limit');
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.limit = limit;
    this.tag = tag;
    this.checksumType = checksumType;
    this.type = 0;
    this.recordStart = start;
    this.payloadStart = start;
    this.payloadLength = 0;
    this.syncedThrough = 0;
    this.chain = chain;
    this.end = start;
    this.count = 0;
    this.scanEnd = undefined;
  }

  next(): boolean {
    if (this.scanEnd !== undefined) return false;
    const at = this.end;
    if (at + RECORD_HEADER_BYTES > this.limit)
      return this.#stop(at === this.limit ? 'clean' : 'incomplete');
    if (!isRecordHeader(this.view, at, this.chain, this.tag)) return this.#stop('bad');
    const length = this.view.getUint32(at + 4, true);
    const payloadStart = at + RECORD_HEADER_BYTES;
    if (payloadStart + length > this.limit) return this.#stop('incomplete');
    const sum = checksum(this.checksumType, this.bytes, payloadStart, length, this.chain);
    if (sum !== this.view.getUint32(at + 16, true)) return this.#stop('bad');
    this.type = this.bytes[at + 8] as number;
    this.recordStart = at;
    this.payloadStart = payloadStart;
    this.payloadLength = length;
    this.syncedThrough = this.view.getUint32(at + 12, true);
    this.chain = this.view.getUint32(at, true);
    this.end = payloadStart + length;
    this.count++;
    return true;
  }

  #stop(scanEnd: ScanEnd): false {
    this.scanEnd = scanEnd;
    return false;
  }
}

/** A scanner over the records of a whole file in `bytes[0, limit)` whose header was decoded. */
export function scanRecords(bytes: Uint8Array, limit: number, header: LogHeader): RecordScanner {
  return scanRecordsFrom(bytes, LOG_HEADER_BYTES, limit, header.chain, header);
}

/** The same from behind the record whose chain value is `chain`, which ends at `start`. */
export function scanRecordsFrom(
  bytes: Uint8Array,
  start: number,
  limit: number,
  chain: number,
  header: LogHeader,
): RecordScanner {
  return new RecordScanner(bytes, start, limit, chain, tagOf(header.chain), header.checksumType);
}

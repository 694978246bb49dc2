/**
 * Reads values through pointers. Files stay open for as long as a version names them; every record
 * is verified whole, so that a wrong value is never returned: it is right, or it is an error that
 * names file and offset.
 */
import { checksum } from '../../base/checksum.js';
import { getU64, readU32, viewOf } from '../../base/codec.js';
import type { Fs, FsFile } from '../../base/env.js';
import { CorruptionError } from '../../base/errors.js';
import { ValueSlab } from '../value-slab.js';
import {
  decodeValueLogHeader,
  recordSeed,
  VALUE_LOG_HEADER_BYTES,
  VALUE_RECORD_HEADER_BYTES,
  type ValueLogHeader,
} from './format.js';
import { pointerFileNumber, pointerLength, pointerStart } from './value-pointer.js';

/** One open segment. */
export class ValueLogFile {
  readonly header: ValueLogHeader;
  readonly file: FsFile;
  /** Low half of the record seed; the record's offset is mixed in per read. */
  readonly seed: number;

  constructor(header: ValueLogHeader, file: FsFile) {
    this.header = header;
    this.file = file;
    this.seed = recordSeed(header.identity, 0);
  }

  /** Opens a segment and checks that its header is the one the manifest means. @throws CorruptionError, FormatError, IoError */
  static open(
    fs: Pick<Fs, 'open'>,
    path: string,
    expected: { readonly fileNumber: number; readonly identity: string },
  ): ValueLogFile {
    const file = fs.open(path, 'read');
    try {
      const bytes = new Uint8Array(VALUE_LOG_HEADER_BYTES);
      const count = file.read(bytes, 0, bytes.length, 0);
      const header = decodeValueLogHeader(bytes.subarray(0, count), path);
      if (header.fileNumber !== expected.fileNumber || header.identity !== expected.identity) {
        throw new CorruptionError('value-log segment has another identity', {
          file: path,
          offset: 0,
          expected: expected.identity,
          actual: header.identity,
        });
      }
      return new ValueLogFile(header, file);
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

/** All segments a database may be asked for, by file number; opened at the first read. */
export class ValueLogReader {
  readonly #open: (fileNumber: number) => ValueLogFile;
  readonly #files: Map<number, ValueLogFile>;
  readonly #slab: ValueSlab;
  /** Values read so far and their bytes, for stats. */
  reads: number;
  readBytes: number;

  /** `open` finds and opens a segment; it throws CorruptionError when the manifest does not know it. */
  constructor(open: (fileNumber: number) => ValueLogFile) {
    this.#open = open;
    this.#files = new Map();
    this.#slab = new ValueSlab();
    this.reads = 0;
    this.readBytes = 0;
  }

  /**
   * The value that the pointer at `pointer[at, at + 12)` leads to; owned by the caller.
   * @throws CorruptionError when the record is damaged or lies behind the end of its file.
   */
  read(pointer: Uint8Array, at: number): Uint8Array {
    const fileNumber = pointerFileNumber(pointer, at);
    const start = pointerStart(pointer, at);
    this.reads++;
    const length = pointerLength(pointer, at);
    const segment = this.#segment(fileNumber);
    const slab = this.#slab;
    slab.take(length);
    const bytes = slab.bytes;
    const base = slab.start;
    const count = segment.file.read(bytes, base, length, start);
    this.readBytes += length;
    if (count < length) throw pastEnd(segment, start, length, count);
    const valueLength = checkRecord(segment, bytes, base, start, length);
    const valueStart = base + length - valueLength;
    return slab.viewOf(valueStart, valueLength);
  }

  /** Makes a segment known that is open already. */
  add(segment: ValueLogFile): void {
    this.#files.set(segment.header.fileNumber, segment);
  }

  /** Closes one segment: no version names it any more. */
  drop(fileNumber: number): void {
    this.#files.get(fileNumber)?.file.close();
    this.#files.delete(fileNumber);
  }

  close(): void {
    for (const segment of this.#files.values()) segment.file.close();
    this.#files.clear();
  }

  #segment(fileNumber: number): ValueLogFile {
    const known = this.#files.get(fileNumber);
    if (known !== undefined) return known;
    const opened = this.#open(fileNumber);
    this.#files.set(fileNumber, opened);
    return opened;
  }
}

/**
 * Verifies the record at `bytes[base, base + length)`, read from offset `start`; returns the length of
 * its value, which ends the record. @throws CorruptionError
 */
export function checkRecord(
  segment: ValueLogFile,
  bytes: Uint8Array,
  base: number,
  start: number,
  length: number,
): number {
  const file = segment.file.path;
  if (length < VALUE_RECORD_HEADER_BYTES) {
    throw new CorruptionError('value pointer is shorter than a record', { file, offset: start });
  }
  const { checksumType } = segment.header;
  const actual = checksum(checksumType, bytes, base + 4, length - 4, (segment.seed ^ start) >>> 0);
  const expected = readU32(bytes, base);
  if (actual !== expected) {
    throw new CorruptionError('value record checksum mismatch', {
      file,
      offset: start,
      expected,
      actual,
    });
  }
  const valueLength = readU32(bytes, base + 4);
  const keyLength = readU32(bytes, base + 8) & 0xff_ffff;
  if (VALUE_RECORD_HEADER_BYTES + keyLength + valueLength !== length) {
    throw new CorruptionError('value pointer does not fit its record', { file, offset: start });
  }
  return valueLength;
}

function pastEnd(
  segment: ValueLogFile,
  start: number,
  length: number,
  count: number,
): CorruptionError {
  return new CorruptionError('value pointer leads past the end of its segment', {
    file: segment.file.path,
    offset: start,
    expected: length,
    actual: count,
  });
}

/** One record met by `readRecords`. */
export interface ValueLogRecord {
  readonly start: number;
  readonly length: number;
  readonly seq: number;
  readonly version: number;
  /** Encoded key, owned. */
  readonly key: Uint8Array;
  readonly valueLength: number;
}

/**
 * Walks a segment from its first record: for inspection. Ends at the end of the file or by throwing
 * CorruptionError at the first record that does not verify.
 */
export function* readRecords(
  segment: ValueLogFile,
  endAt: number,
): Generator<ValueLogRecord, void, void> {
  let start = VALUE_LOG_HEADER_BYTES;
  const header = new Uint8Array(VALUE_RECORD_HEADER_BYTES);
  const headerView = viewOf(header);
  while (start < endAt) {
    const got = segment.file.read(header, 0, header.length, start);
    const valueLength = headerView.getUint32(4, true);
    const keyLength = headerView.getUint32(8, true) & 0xff_ffff;
    const length = VALUE_RECORD_HEADER_BYTES + keyLength + valueLength;
    if (got < header.length || start + length > endAt) {
      throw new CorruptionError('value record is incomplete', {
        file: segment.file.path,
        offset: start,
      });
    }
    yield readRecord(segment, start, length);
    start += length;
  }
}

/** The record at [start, start + length). @throws CorruptionError when it does not verify, IoError */
export function readRecord(segment: ValueLogFile, start: number, length: number): ValueLogRecord {
  const bytes = new Uint8Array(length);
  const count = segment.file.read(bytes, 0, length, start);
  if (count < length) throw pastEnd(segment, start, length, count);
  const valueLength = checkRecord(segment, bytes, 0, start, length);
  const view = viewOf(bytes);
  return {
    start,
    length,
    seq: getU64(view, 12),
    version: getU64(view, 20),
    key: bytes.slice(VALUE_RECORD_HEADER_BYTES, length - valueLength),
    valueLength,
  };
}

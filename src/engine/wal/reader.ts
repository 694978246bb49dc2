/**
 * Reads segments of the write-ahead log: for recovery (straight into a memtable's arena) and for
 * inspectors. Writes nothing: cutting is the owner's step. Page: docs/formats/wal.md.
 *
 * Recovery: loadWal -> replayWal (entries are visited in place, in log order) -> the verdict on the tail.
 * A CorruptionError may come after entries were visited: the arena is then to be thrown away.
 */
import { readU32 } from '../../base/codec.js';
import type { Fs } from '../../base/env.js';
import { CorruptionError } from '../../base/errors.js';
import { crashOf, isTornCreation, judgeTail, type Tail } from '../record-log-tail.js';
import {
  decodeLogHeader,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  type LogHeader,
  MAGIC_WAL,
  type RecordScanner,
  RECORD_HEADER_BYTES,
  scanRecords,
} from '../record-log.js';
import { BatchScanner, RecordCounts, WAL_BATCH, WAL_TYPE_MAX } from './format.js';

const HEADER_CHAIN_AT = LOG_HEADER_BYTES - 4;

/** A segment in memory, at its file offsets. */
export interface LoadedWal {
  readonly path: string;
  readonly fileNumber: number;
  /** undefined: the crash came while the file was created; it holds nothing. */
  readonly header: LogHeader | undefined;
  /** The caller's buffer, or the part it allocated; [0, length) is the file. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

export interface WalContext {
  /** Host.bootId of now. */
  readonly bootId: string;
  /** The manifest's word on this segment, when it was sealed. */
  readonly sealed?: { readonly bytes: number; readonly chain: number } | undefined;
  /** Bytes known durable from elsewhere. */
  readonly syncedAtLeast?: number | undefined;
}

/** Receives what a replay finds, in log order. Offsets are those of the file and of LoadedWal.bytes. */
export interface WalVisitor {
  /** One entry of a batch (entry.ts), in place: `view` covers LoadedWal.bytes. */
  entry(view: DataView, at: number): void;
  /** A record that is not a batch: raft state. */
  other(type: number, payloadStart: number, payloadLength: number): void;
}

export interface WalReplay {
  readonly tail: Tail;
  /** Where the file holds the chain value of the tail: at its last record, or in its header. */
  readonly chainAt: number;
  readonly counts: RecordCounts;
  readonly entries: number;
}

/**
 * The header of a segment, without reading the rest.
 * @throws CorruptionError (also when the number is not that of the name), FormatError, IoError
 */
export function readWalHeader(fs: Fs, path: string, fileNumber: number): LogHeader {
  const bytes = new Uint8Array(LOG_HEADER_BYTES);
  const file = fs.open(path, 'read');
  try {
    const length = file.read(bytes, 0, LOG_HEADER_BYTES, 0);
    return checkNumber(decodeLogHeader(bytes, length, MAGIC_WAL, path), fileNumber, path);
  } finally {
    file.close();
  }
}

/** The header, and whether a whole first record is behind it. @throws CorruptionError, FormatError, IoError */
export function readWalStart(
  fs: Fs,
  path: string,
  fileNumber: number,
): { readonly header: LogHeader; readonly hasRecord: boolean } {
  const header = readWalHeader(fs, path, fileNumber);
  const file = fs.open(path, 'read');
  try {
    const head = new Uint8Array(RECORD_HEADER_BYTES);
    const count = file.read(head, 0, head.length, LOG_HEADER_BYTES);
    const end = LOG_HEADER_BYTES + RECORD_HEADER_BYTES + readU32(head, 4);
    // The length may be damaged: no more is read than there is.
    if (count < head.length || end > file.size()) return { header, hasRecord: false };
    const bytes = new Uint8Array(end);
    const length = file.read(bytes, 0, end, 0);
    return { header, hasRecord: scanRecords(bytes, length, header).next() };
  } finally {
    file.close();
  }
}

function checkNumber(header: LogHeader, fileNumber: number, file: string): LogHeader {
  if (header.fileNumber !== fileNumber) {
    throw new CorruptionError('file number differs from the file name', {
      file,
      offset: 16,
      expected: fileNumber,
      actual: header.fileNumber,
    });
  }
  return header;
}

/**
 * Reads a segment into `allocate(length of the file)`, which must be at least that long and may be a
 * part of an arena. `wasSynced`: the manifest refers to the segment, so that its creation was complete.
 * `isPowerLoss`: the manifest says that it was created under another boot, so that a header that was never
 * synced may be gone.
 * @throws CorruptionError, FormatError, IoError
 */
export function loadWal(
  fs: Fs,
  path: string,
  fileNumber: number,
  wasSynced: boolean,
  allocate: (bytes: number) => Uint8Array,
  isPowerLoss = false,
): LoadedWal {
  const file = fs.open(path, 'read');
  let bytes: Uint8Array;
  let length: number;
  try {
    const size = file.size();
    if (size > LOG_BYTES_MAX) {
      throw new CorruptionError('segment is longer than a log can be', {
        file: path,
        offset: LOG_BYTES_MAX,
      });
    }
    bytes = allocate(size);
    length = file.read(bytes, 0, size, 0);
  } finally {
    file.close();
  }
  if (isTornCreation(bytes, length, MAGIC_WAL, { wasSynced, isPowerLoss })) {
    return { path, fileNumber, header: undefined, bytes, length };
  }
  const header = checkNumber(decodeLogHeader(bytes, length, MAGIC_WAL, path), fileNumber, path);
  return { path, fileNumber, header, bytes, length };
}

/**
 * Visits every entry and judges the end. @throws CorruptionError naming file and offset
 */
export function replayWal(wal: LoadedWal, context: WalContext, visitor: WalVisitor): WalReplay {
  const counts = new RecordCounts();
  if (wal.header === undefined) {
    if (context.sealed !== undefined || (context.syncedAtLeast ?? 0) > 0) {
      throw new CorruptionError('segment has no header but was synced', {
        file: wal.path,
        offset: 0,
      });
    }
    const tail = { bytes: 0, chain: 0, tornBytes: wal.length };
    return { tail, chainAt: HEADER_CHAIN_AT, counts, entries: 0 };
  }
  const scanner = scanRecords(wal.bytes, wal.length, wal.header);
  const batch = new BatchScanner(wal.path, scanner.view);
  let entries = 0;
  while (scanner.next()) {
    checkType(scanner, wal.path);
    counts.add(scanner.type, RECORD_HEADER_BYTES + scanner.payloadLength);
    if (scanner.type !== WAL_BATCH) {
      visitor.other(scanner.type, scanner.payloadStart, scanner.payloadLength);
      continue;
    }
    batch.reset(scanner.payloadStart, scanner.payloadLength);
    while (batch.next()) {
      visitor.entry(scanner.view, batch.at);
      entries++;
    }
  }
  const crash = crashOf(wal.header.bootId, context.bootId);
  const tail = judgeTail(scanner, {
    file: wal.path,
    crash,
    sealed: context.sealed,
    syncedAtLeast: context.syncedAtLeast,
  });
  const chainAt = scanner.count > 0 ? scanner.recordStart : HEADER_CHAIN_AT;
  return { tail, chainAt, counts, entries };
}

function checkType(scanner: RecordScanner, file: string): void {
  if (scanner.type <= WAL_TYPE_MAX) return;
  throw new CorruptionError('unknown record type', {
    file,
    offset: scanner.recordStart,
    actual: scanner.type,
  });
}

/**
 * What the end of a record log means: torn by a crash (cut, and said so) or damaged (refused). Pure
 * policy over bytes in memory. Page: docs/formats/record-log.md, "Recovery rule".
 *
 * A record's syncedThrough never passes the record itself, so the records before a damaged place
 * can not say whether it was durable; only those behind it can. They are found again by the chain
 * (searchBehind), and one that says "durable through here" turns a torn tail into damage.
 */
import { assert } from '../base/assert.js';
import { viewOf } from '../base/codec.js';
import { CorruptionError } from '../base/errors.js';
import { recordHeaderCrc } from './record-log-crc.js';
import {
  hasLogHeader,
  isRecordHeader,
  LOG_HEADER_BYTES,
  type LogMagic,
  RECORD_HEADER_BYTES,
  RECORD_TYPE_MAX,
  type RecordScanner,
} from './record-log.js';

/**
 * What may have ended the process that wrote the file. 'process': the machine stayed up, so that the
 * operating system still has every byte written. 'power': anything not synced may be gone, in any
 * order. 'unknown': one of the two.
 */
export type Crash = 'process' | 'power' | 'unknown';

/** Judges by boot ids: that in the file header and that of the machine now. */
export function crashOf(headerBootId: string, bootId: string): Crash {
  if (headerBootId === '' || bootId === '') return 'unknown';
  return headerBootId === bootId ? 'process' : 'power';
}

export interface TailContext {
  /** For messages. */
  readonly file: string;
  readonly crash: Crash;
  /** The manifest's word on a log that was closed or rotated in order. */
  readonly sealed?: { readonly bytes: number; readonly chain: number } | undefined;
  /** Bytes that somebody else knows to be durable: a shorter valid part is damage. */
  readonly syncedAtLeast?: number | undefined;
}

export interface Tail {
  /** Length of the valid part: the file is to be read, or cut, to this. */
  readonly bytes: number;
  readonly chain: number;
  /** Bytes behind it that a crash tore; 0 for a clean end. */
  readonly tornBytes: number;
}

/**
 * Decides on the end of a log. Requires a scanner that has come to its end.
 * @throws CorruptionError when the end is not one that a crash leaves behind.
 */
export function judgeTail(scanner: RecordScanner, context: TailContext): Tail {
  assert(scanner.scanEnd !== undefined, 'record log: scan is finished');
  if (context.sealed !== undefined) return judgeSealed(scanner, context.file, context.sealed);
  const { end, limit } = scanner;
  if (end < (context.syncedAtLeast ?? 0)) {
    throw damage(
      scanner,
      context.file,
      'log ends before a place that was synced',
      context.syncedAtLeast,
    );
  }
  if (scanner.scanEnd === 'bad') judgeBad(scanner, context);
  return { bytes: end, chain: scanner.chain, tornBytes: limit - end };
}

function judgeSealed(
  scanner: RecordScanner,
  file: string,
  sealed: { readonly bytes: number; readonly chain: number },
): Tail {
  if (scanner.scanEnd !== 'clean')
    throw damage(scanner, file, 'bad record in a sealed log', sealed.bytes);
  if (scanner.end !== sealed.bytes)
    throw damage(scanner, file, 'length differs from the sealed one', sealed.bytes);
  if (scanner.chain !== sealed.chain)
    throw damage(scanner, file, 'checksum differs from the sealed one');
  return { bytes: scanner.end, chain: scanner.chain, tornBytes: 0 };
}

function judgeBad(scanner: RecordScanner, context: TailContext): void {
  if (context.crash === 'process') throw damage(scanner, context.file, 'record checksum mismatch');
  const behind = searchBehind(scanner);
  if (behind.syncedThrough > scanner.end) {
    throw damage(
      scanner,
      context.file,
      'record checksum mismatch before a synced place',
      behind.syncedThrough,
    );
  }
  // Without boot ids only damage that reaches to the end passes for torn: with whole records behind
  // it, it is as likely to be rot in a log that lost nothing.
  if (context.crash === 'unknown' && behind.count > 0) {
    throw damage(scanner, context.file, 'record checksum mismatch before whole records');
  }
}

function damage(
  scanner: RecordScanner,
  file: string,
  what: string,
  expected?: number,
): CorruptionError {
  return new CorruptionError(what, {
    file,
    offset: scanner.end,
    actual: scanner.limit,
    ...(expected === undefined ? {} : { expected }),
  });
}

/** Records found behind a damaged place. */
export interface Behind {
  /** Headers that are surely of this file. */
  readonly count: number;
  /** The highest syncedThrough among them. */
  readonly syncedThrough: number;
}

/**
 * Looks for records of the same file behind the place where a scan met a bad record. Payloads are not
 * checked: a header says what was durable even when its own payload is lost.
 */
export function searchBehind(scanner: RecordScanner): Behind {
  const { view, tag } = scanner;
  const bad = scanner.end;
  const last = scanner.limit - RECORD_HEADER_BYTES;
  let count = 0;
  let syncedThrough = 0;
  // The chain as the bad header says it, and as its other fields make it: one of them is right
  // when only part of the header is damaged.
  const seeds = [view.getUint32(bad, true), headerCrcAt(view, bad, scanner.chain)];
  let at = bad + 1;
  while (at <= last) {
    if (!looksLikeHeader(scanner, at) || !isProven(scanner, at, seeds)) {
      at++;
      continue;
    }
    let chain: number;
    do {
      count++;
      syncedThrough = Math.max(syncedThrough, view.getUint32(at + 12, true));
      chain = view.getUint32(at, true);
      at += RECORD_HEADER_BYTES + view.getUint32(at + 4, true);
    } while (at <= last && isRecordHeader(view, at, chain, tag));
  }
  return { count, syncedThrough };
}

function headerCrcAt(view: DataView, at: number, chain: number): number {
  return recordHeaderCrc(
    view.getUint32(at + 4, true),
    view.getUint32(at + 8, true),
    view.getUint32(at + 12, true),
    view.getUint32(at + 16, true),
    chain,
  );
}

/** The cheap part of isRecordHeader, for every offset of the file. */
function looksLikeHeader(scanner: RecordScanner, at: number): boolean {
  const { bytes, tag } = scanner;
  if (bytes[at + 9] !== (tag & 0xff) || bytes[at + 10] !== ((tag >>> 8) & 0xff)) return false;
  if (bytes[at + 11] !== tag >>> 16) return false;
  const type = bytes[at + 8] as number;
  return type !== 0 && type <= RECORD_TYPE_MAX && scanner.view.getUint32(at + 12, true) <= at;
}

/** By its own checksum, by that of the record after it, or by ending exactly where the file does. */
function isProven(scanner: RecordScanner, at: number, seeds: readonly number[]): boolean {
  const { view, tag, limit } = scanner;
  for (const seed of seeds) if (isRecordHeader(view, at, seed, tag)) return true;
  const next = at + RECORD_HEADER_BYTES + view.getUint32(at + 4, true);
  if (next + RECORD_HEADER_BYTES > limit) return next === limit;
  return isRecordHeader(view, next, view.getUint32(at, true), tag);
}

/** What is known of a file's creation, from others than the file itself. */
export interface Creation {
  /** It was complete and durable: somebody durable says so. */
  readonly wasSynced: boolean;
  /** The power went since the file was created: its header may be lost and what lies behind may not. */
  readonly isPowerLoss: boolean;
}

/**
 * True when a file is what a crash during (or, with the power lost, any time after) its creation leaves of
 * one that was never synced: shorter than a header, nothing but zero bytes, or, after a power loss, without
 * its header and without a record that says that anything was synced.
 */
export function isTornCreation(
  bytes: Uint8Array,
  length: number,
  magic: LogMagic,
  creation: Creation,
): boolean {
  if (creation.wasSynced) return false;
  if (length < LOG_HEADER_BYTES || isAllZero(bytes, length)) return true;
  if (!creation.isPowerLoss || hasLogHeader(bytes, length, magic)) return false;
  return !saysSynced(bytes, length);
}

function isAllZero(bytes: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Follows the records from the first one, whose own proof went with the file header. */
function saysSynced(bytes: Uint8Array, length: number): boolean {
  const view = viewOf(bytes);
  const last = length - RECORD_HEADER_BYTES;
  let at = LOG_HEADER_BYTES;
  if (at > last) return false;
  const tag = view.getUint32(at + 8, true) >>> 8;
  for (;;) {
    const chain = view.getUint32(at, true);
    at += RECORD_HEADER_BYTES + view.getUint32(at + 4, true);
    if (at > last || !isRecordHeader(view, at, chain, tag)) return false;
    if (view.getUint32(at + 12, true) > 0) return true;
  }
}

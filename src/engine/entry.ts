/**
 * One entry as it lies in the write-ahead log and, byte for byte, in the memtable's data arena: the
 * value is copied once, from the caller into the arena, and the log is written from there.
 * Pages: docs/formats/batch.md, docs/formats/wal.md.
 *
 *   offset size field       (little-endian)
 *        0    4 next        zero on disk; in memory the arena offset of the next older entry of the key
 *        4    3 keyLength   encoded key, bytes
 *        7    1 kind        low 4 bits the kind, high 4 bits the flags
 *        8    4 valueLength bytes
 *       12    8 seq         sequence number
 *      [20    8 version]    when FLAG_VERSION; else version = seq
 *      [ .    8 expiresAt]  when FLAG_EXPIRY; wall milliseconds
 *        .    . key         encoded key (key.ts)
 *        .    . value       kind PUT: the value; VALUE_POINTER: 12 bytes; RANGE_DELETE: the encoded end key
 *
 * Arena offset 0 is never an entry, so that 0 means "none".
 */
import { getU64, putU64 } from '../base/codec.js';

/** Kinds; on disk, frozen. */
export const KIND_PUT = 1;
export const KIND_DELETE = 2;
export const KIND_VALUE_POINTER = 3;
/** Deletes [key, value) as of its (version, seq). */
export const KIND_RANGE_DELETE = 4;
export const KIND_MAX = 4;

export const KIND_MASK = 0x0f;
/** The entry has an explicit version (managed writes). */
export const FLAG_VERSION = 0x10;
/** The entry has an expiry time. */
export const FLAG_EXPIRY = 0x20;
const FLAGS_KNOWN = FLAG_VERSION | FLAG_EXPIRY;

export const ENTRY_HEADER_BYTES = 20; // on disk, frozen

/** "No expiry" of the accessors below. */
export const NO_EXPIRY = 0;

export function entryNext(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

export function setEntryNext(view: DataView, at: number, next: number): void {
  view.setUint32(at, next, true);
}

export function entryKeyLength(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) & 0xff_ffff;
}

export function entryKind(view: DataView, at: number): number {
  return view.getUint8(at + 7) & KIND_MASK;
}

export function entryValueLength(view: DataView, at: number): number {
  return view.getUint32(at + 8, true);
}

export function entrySeq(view: DataView, at: number): number {
  return getU64(view, at + 12);
}

export function entryVersion(view: DataView, at: number): number {
  return (view.getUint8(at + 7) & FLAG_VERSION) === 0
    ? getU64(view, at + 12)
    : getU64(view, at + 20);
}

/** Wall milliseconds, or NO_EXPIRY. */
export function entryExpiresAt(view: DataView, at: number): number {
  const flags = view.getUint8(at + 7);
  if ((flags & FLAG_EXPIRY) === 0) return NO_EXPIRY;
  return getU64(view, at + ((flags & FLAG_VERSION) === 0 ? 20 : 28));
}

export function entryKeyStart(view: DataView, at: number): number {
  const flags = view.getUint8(at + 7);
  return (
    at +
    ENTRY_HEADER_BYTES +
    ((flags & FLAG_VERSION) === 0 ? 0 : 8) +
    ((flags & FLAG_EXPIRY) === 0 ? 0 : 8)
  );
}

export function entryValueStart(view: DataView, at: number): number {
  return entryKeyStart(view, at) + entryKeyLength(view, at);
}

/** Bytes of the entry at `at`. */
export function entryBytes(view: DataView, at: number): number {
  return entryValueStart(view, at) + entryValueLength(view, at) - at;
}

/** Bytes an entry will take. */
export function entrySize(
  keyLength: number,
  valueLength: number,
  hasVersion: boolean,
  hasExpiry: boolean,
): number {
  return ENTRY_HEADER_BYTES + (hasVersion ? 8 : 0) + (hasExpiry ? 8 : 0) + keyLength + valueLength;
}

/**
 * Writes the header; returns the offset where the key goes. `version === seq` is stored without a
 * version, `expiresAt === NO_EXPIRY` without an expiry.
 */
export function putEntryHeader(
  view: DataView,
  at: number,
  kind: number,
  keyLength: number,
  valueLength: number,
  seq: number,
  version: number,
  expiresAt: number,
): number {
  const hasVersion = version !== seq;
  const hasExpiry = expiresAt !== NO_EXPIRY;
  const flags = (hasVersion ? FLAG_VERSION : 0) | (hasExpiry ? FLAG_EXPIRY : 0);
  view.setUint32(at, 0, true);
  view.setUint32(at + 4, keyLength | ((kind | flags) << 24), true);
  view.setUint32(at + 8, valueLength, true);
  let next = putU64(view, at + 12, seq);
  if (hasVersion) next = putU64(view, next, version);
  if (hasExpiry) next = putU64(view, next, expiresAt);
  return next;
}

/** Why the bytes at `at` are no whole entry within `end`, or undefined when they are: for recovery. */
export function entryFault(view: DataView, at: number, end: number): string | undefined {
  if (at + ENTRY_HEADER_BYTES > end) return 'entry header runs past the record';
  const kindByte = view.getUint8(at + 7);
  const kind = kindByte & KIND_MASK;
  if (kind === 0 || kind > KIND_MAX) return 'unknown entry kind';
  if ((kindByte & ~KIND_MASK & ~FLAGS_KNOWN) !== 0) return 'unknown entry flag';
  const flagged =
    at + ENTRY_HEADER_BYTES + (kindByte & FLAG_VERSION ? 8 : 0) + (kindByte & FLAG_EXPIRY ? 8 : 0);
  const keyLength = entryKeyLength(view, at);
  if (keyLength < 3 || flagged + keyLength + entryValueLength(view, at) > end) {
    return 'entry runs past the record';
  }
  if (!Number.isSafeInteger(entrySeq(view, at))) return 'sequence number is not a safe integer';
  return undefined;
}

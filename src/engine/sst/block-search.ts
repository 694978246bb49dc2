/**
 * Search inside one data block (payload without trailer, already verified) for one key. The hottest code
 * of a read: nothing is allocated and no key is rebuilt, because `shared` is the longest common prefix.
 * With `matched` = bytes of the target that the key before has in common with it, that key being below:
 *
 *   shared > matched   the entry differs from the target where the key before did: below
 *   shared < matched   it leaves the target at `shared`, upwards: above (unless 0: maybe a restart)
 *   shared = matched   compare from there
 *
 * Damaged content that a checksum let through gives BLOCK_DAMAGED or a wrong position, never a hang: `at` grows
 * with every step and reads outside the array yield undefined, which ends every loop.
 */
import { compareBytes } from '../../base/bytes.js';
import { FLAG_EXPIRY, FLAG_VERSION, KIND_MASK, NO_EXPIRY } from '../entry.js';
import type { KeyBuffer } from '../key.js';
import { RESTART_BYTES } from './format.js';
import type { LookupResult } from './lookup-result.js';

export const SEARCH_ABSENT = 0;
export const SEARCH_FOUND = 1;
/** All keys of the block are at or below the target, no visible entry among them. */
export const SEARCH_END = 2;
export const SEARCH_DAMAGED = 3;

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** The offset behind the varint at `at`. */
export function skipVarint(bytes: Uint8Array, at: number): number {
  while ((bytes[at] as number) >= 128) at++;
  return at + 1;
}

/** The varint at `at`. */
export function readVarint(bytes: Uint8Array, at: number): number {
  let byte = bytes[at] as number;
  let value = byte & 0x7f;
  let scale = 128;
  while (byte >= 128) {
    byte = bytes[++at] as number;
    value += (byte & 0x7f) * scale;
    scale *= 128;
  }
  return value;
}

/** Where the restart points of a data block begin and the entries end. Requires isDataBlock. */
export function entriesEnd(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length - 4;
  return end - RESTART_BYTES * readU32(bytes, end);
}

/** True when a payload can be a data block: restart points, the first one at the first value, and an entry. */
export function isDataBlock(bytes: Uint8Array, start: number, length: number): boolean {
  if (length < 4 + RESTART_BYTES) return false;
  const count = readU32(bytes, start + length - 4);
  if (count === 0 || count > (length - 4) / RESTART_BYTES) return false;
  const limit = entriesEnd(bytes, start, length);
  return start + readU32(bytes, limit) < limit && readU32(bytes, limit + 4) === 0;
}

/** Compares the key at a restart point with a target. `at` is the entry's offset. */
function compareRestart(
  bytes: Uint8Array,
  at: number,
  limit: number,
  key: Uint8Array,
  keyStart: number,
  keyLength: number,
): number {
  const unsharedAt = skipVarint(bytes, at);
  const unshared = readVarint(bytes, unsharedAt);
  let next = skipVarint(bytes, unsharedAt);
  const kind = bytes[next++] as number;
  next = skipVarint(bytes, skipVarint(bytes, next));
  if ((kind & FLAG_VERSION) !== 0) next = skipVarint(bytes, next);
  if ((kind & FLAG_EXPIRY) !== 0) next = skipVarint(bytes, next);
  const length = next + unshared > limit ? limit - next : unshared;
  return compareBytes(bytes, next, length, key, keyStart, keyLength);
}

/** Where the last restart point whose key is below the target is noted, or the first one. Requires isDataBlock. */
export function findRestart(
  bytes: Uint8Array,
  start: number,
  length: number,
  key: Uint8Array,
  keyStart: number,
  keyLength: number,
): number {
  const count = readU32(bytes, start + length - 4);
  const limit = start + length - 4 - RESTART_BYTES * count;
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const at = start + readU32(bytes, limit + RESTART_BYTES * middle);
    if (compareRestart(bytes, at, limit, key, keyStart, keyLength) < 0) low = middle;
    else high = middle - 1;
  }
  return limit + RESTART_BYTES * low;
}

/**
 * Finds the first entry of exactly this key with seq <= seqMax and version <= versionMax. `seqBase` is added to stored
 * sequence numbers: 0 but in external tables. Requires isDataBlock.
 */
export function searchBlock(
  bytes: Uint8Array,
  start: number,
  length: number,
  key: KeyBuffer,
  seqMax: number,
  versionMax: number,
  out: LookupResult,
  seqBase: number,
): number {
  const { bytes: target, length: targetLength } = key;
  const limit = entriesEnd(bytes, start, length);
  const restart = findRestart(bytes, start, length, target, 0, targetLength);
  let at = start + readU32(bytes, restart);
  let valueEnd = start + readU32(bytes, restart + 4);
  let matched = 0;
  while (at < limit) {
    let shared = bytes[at++] as number;
    if (shared >= 128) {
      shared = readVarint(bytes, at - 1);
      at = skipVarint(bytes, at);
    }
    let unshared = bytes[at++] as number;
    if (unshared >= 128) {
      unshared = readVarint(bytes, at - 1);
      at = skipVarint(bytes, at);
    }
    const kind = bytes[at++] as number;
    let valueLength = bytes[at++] as number;
    if (valueLength >= 128) {
      valueLength = readVarint(bytes, at - 1);
      at = skipVarint(bytes, at);
    }
    const seqAt = at;
    at = skipVarint(bytes, at);
    if ((kind & FLAG_VERSION) !== 0) at = skipVarint(bytes, at);
    if ((kind & FLAG_EXPIRY) !== 0) at = skipVarint(bytes, at);
    const shift = at - shared;
    at += unshared;
    valueEnd += valueLength;
    if (shared > matched) continue;
    if (shared < matched && shared !== 0) return SEARCH_ABSENT;
    const keyLength = shared + unshared;
    const compared = keyLength < targetLength ? keyLength : targetLength;
    let i = shared;
    while (i < compared && bytes[shift + i] === target[i]) i++;
    if (i < compared) {
      if ((bytes[shift + i] as number) > (target[i] as number)) return SEARCH_ABSENT;
    } else if (keyLength > targetLength) {
      return SEARCH_ABSENT;
    } else if (keyLength === targetLength) {
      const seq = readVarint(bytes, seqAt) + seqBase;
      const version =
        (kind & FLAG_VERSION) === 0 ? seq : readVarint(bytes, skipVarint(bytes, seqAt));
      if (seq <= seqMax && version <= versionMax) {
        if (at > limit || valueEnd > limit) return SEARCH_DAMAGED;
        out.kind = kind & KIND_MASK;
        out.seq = seq;
        out.version = version;
        out.expiresAt = (kind & FLAG_EXPIRY) === 0 ? NO_EXPIRY : readExpiry(bytes, seqAt, kind);
        out.bytes = bytes;
        out.start = valueEnd - valueLength;
        out.length = valueLength;
        return SEARCH_FOUND;
      }
    }
    matched = i;
  }
  return at === limit ? SEARCH_END : SEARCH_DAMAGED;
}

/** Requires FLAG_EXPIRY. */
function readExpiry(bytes: Uint8Array, seqAt: number, kind: number): number {
  let at = skipVarint(bytes, seqAt);
  if ((kind & FLAG_VERSION) !== 0) at = skipVarint(bytes, at);
  return readVarint(bytes, at);
}

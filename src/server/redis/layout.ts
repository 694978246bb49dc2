/**
 * Where the gateway's data lies in a database. A Redis key is a key of the default family with the same bytes, its
 * value the plain value, its expiry the engine's own: what `nokv get`, exports and embedded programs see. The engine
 * has no empty key, so that one lies aside. Page: docs/redis-storage.md.
 *
 *   family   key                                   value
 *   default  the key                               the value, with expiresAt
 *   system   redis/empty                           the value of the empty key, with expiresAt
 *   system   redis/expiry/ u64 expiresAt, key      nothing; one for every key that expires and is still counted
 *   system   redis/count                           u64 live and not yet subtracted keys, u64 wall ms when counted,
 *                                                  u64 entries of redis/expiry/
 *
 * Numbers of keys are big-endian, those of values little-endian.
 */
import { putU64, viewOf } from '../../base/codec.js';
import { crc32 } from '../../base/crc32.js';
import { KEY_BYTES_MAX } from '../../base/limits.js';
import { FAMILY_DEFAULT, FAMILY_SYSTEM } from '../../engine/key.js';
import { watchName } from '../../gateway/backend.js';

export const EMPTY_KEY = Buffer.from('redis/empty');
export const COUNT_KEY = Buffer.from('redis/count');
export const EXPIRY_PREFIX = Buffer.from('redis/expiry/');
/** The first key behind all of EXPIRY_PREFIX. */
export const EXPIRY_END = Buffer.from('redis/expiry0');
const INDEX_HEAD_BYTES = EXPIRY_PREFIX.length + 8;
/** Of a longer key the index holds so many bytes, its checksum and its length: the engine's keys end somewhere. */
const INDEXED_BYTES_MAX = KEY_BYTES_MAX - INDEX_HEAD_BYTES - 8;

/** Before the names of system keys in maps of names; a name of a user key has characters below 0x100 only. */
const SYSTEM_MARK = '\u0100';

/** An encoded index key as a name in maps. */
export function systemName(key: Uint8Array): string {
  return SYSTEM_MARK + watchName(key);
}

export function isSystemName(name: string): boolean {
  return name.startsWith(SYSTEM_MARK);
}

export function familyOfKey(key: Uint8Array): number {
  return key.length === 0 ? FAMILY_SYSTEM : FAMILY_DEFAULT;
}

/** The engine's key for a Redis key; the same array unless it is empty. */
export function storedKey(key: Uint8Array): Uint8Array {
  return key.length === 0 ? EMPTY_KEY : key;
}

/** The index key of `key`, which is gone at `expiresAt`. */
export function expiryKey(expiresAt: number, key: Uint8Array): Uint8Array {
  const isLong = key.length > INDEXED_BYTES_MAX;
  const indexed = isLong ? INDEXED_BYTES_MAX : key.length;
  const bytes = new Uint8Array(INDEX_HEAD_BYTES + indexed + (isLong ? 8 : 0));
  putExpiryHead(bytes, expiresAt);
  bytes.set(isLong ? key.subarray(0, indexed) : key, INDEX_HEAD_BYTES);
  if (isLong) {
    const view = viewOf(bytes);
    view.setUint32(INDEX_HEAD_BYTES + indexed, crc32(key, 0, key.length));
    view.setUint32(INDEX_HEAD_BYTES + indexed + 4, key.length);
  }
  return bytes;
}

/** The least index key of a key that is gone at `expiresAt` or later. */
export function expiryBound(expiresAt: number): Uint8Array {
  const bytes = new Uint8Array(INDEX_HEAD_BYTES);
  putExpiryHead(bytes, expiresAt);
  return bytes;
}

function putExpiryHead(bytes: Uint8Array, expiresAt: number): void {
  bytes.set(EXPIRY_PREFIX, 0);
  const view = viewOf(bytes);
  view.setUint32(EXPIRY_PREFIX.length, Math.floor(expiresAt / 2 ** 32));
  view.setUint32(EXPIRY_PREFIX.length + 4, expiresAt >>> 0);
}

/** The time in an index key. */
export function expiryOfIndexKey(key: Uint8Array): number {
  const view = viewOf(key);
  return view.getUint32(EXPIRY_PREFIX.length) * 2 ** 32 + view.getUint32(EXPIRY_PREFIX.length + 4);
}

/** Keys that are live or not yet subtracted, and how many of them expire. */
export interface KeyCounts {
  readonly keys: number;
  readonly expiring: number;
}

export const COUNT_BYTES = 24;

/** The value of COUNT_KEY. */
export function encodeCount({ keys, expiring }: KeyCounts, atMs: number): Uint8Array {
  const bytes = new Uint8Array(COUNT_BYTES);
  const view = viewOf(bytes);
  putU64(view, putU64(view, putU64(view, 0, keys), atMs), expiring);
  return bytes;
}

/**
 * The encoded key: one order-preserving, prefix-free byte string for (column family, user key),
 * used by the memtables, tables, manifest and value log. Bytewise order of encoded keys is the order
 * of (family, user key). Page: docs/formats/key.md.
 *
 *   family byte | user key, 0x00 -> 01 01 and 0x01 -> 01 02 | 0x00
 *
 * Since 0x00 occurs only as the last byte, no encoded key is a prefix of another, and
 * `encoded key + one byte 0x00` is its immediate successor: ranges are half-open [lower, upper).
 *
 * Internal order: (encoded key ascending, version descending, sequence descending).
 */
import { KEY_BYTES_MAX, ENCODED_KEY_BYTES_MAX } from '../base/limits.js';
import { requireUtf8 } from '../base/utf8.js';

/** Column families; the byte is on disk, frozen. Byte 0xF0 and above are the engine's own. */
export const FAMILY_DEFAULT = 0x10;
export const FAMILY_LOCK = 0x20;
export const FAMILY_WRITE = 0x30;
/** Hidden bookkeeping (import positions and the like); no scan of a user family shows it. */
export const FAMILY_SYSTEM = 0xf0;

const FAMILY_NAMES: Readonly<Record<number, string>> = {
  [FAMILY_DEFAULT]: 'default',
  [FAMILY_LOCK]: 'lock',
  [FAMILY_WRITE]: 'write',
  [FAMILY_SYSTEM]: 'system',
};

/** For people. */
export function familyName(family: number): string {
  return FAMILY_NAMES[family] ?? `0x${family.toString(16)}`;
}

export const KEY_TERMINATOR = 0x00; // on disk, frozen
const ESCAPE = 0x01; // on disk, frozen

const utf8 = new TextEncoder();

/** FNV-1a step and final mix of the key hash (bloom filters, buckets); frozen: filters are on disk. */
const HASH_SEED = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

function mixHash(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The hash of an encoded key, unsigned 32-bit; equal to KeyBuffer.hash of the same key. */
export function hashEncodedKey(bytes: Uint8Array, start: number, length: number): number {
  let hash = HASH_SEED;
  const end = start + length;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), HASH_PRIME);
  return mixHash(hash);
}

/**
 * A reusable place for one encoded key: encoding and hashing are one pass, nothing is allocated.
 * `bytes[0, length)` is the encoded key, borrowed until the next call of `encode`.
 */
export class KeyBuffer {
  bytes: Uint8Array;
  length: number;
  /** Unsigned 32-bit hash of the encoded key. */
  hash: number;

  constructor() {
    this.bytes = new Uint8Array(256);
    this.length = 0;
    this.hash = 0;
  }

  /**
   * Encodes a user key. A string is its UTF-8 bytes.
   * @throws TypeError when the key is neither, or a string that has none, RangeError when it is empty or over 65,535 bytes.
   */
  encode(family: number, key: Uint8Array | string): void {
    if (typeof key === 'string') {
      this.#encodeString(family, key);
    } else if (key instanceof Uint8Array) {
      this.#encodeBytes(family, key);
    } else {
      throw new TypeError('Cannot use key: it is neither a string nor a Uint8Array');
    }
  }

  #encodeBytes(family: number, key: Uint8Array): void {
    const length = key.length;
    checkKeyLength(length);
    if (this.bytes.length < 2 * length + 2) this.#grow(2 * length + 2);
    const target = this.bytes;
    let hash = Math.imul(HASH_SEED ^ family, HASH_PRIME);
    target[0] = family;
    let at = 1;
    for (let i = 0; i < length; i++) {
      let byte = key[i] as number;
      if (byte <= ESCAPE) {
        target[at++] = ESCAPE;
        hash = Math.imul(hash ^ ESCAPE, HASH_PRIME);
        byte += 1;
      }
      target[at++] = byte;
      hash = Math.imul(hash ^ byte, HASH_PRIME);
    }
    target[at++] = KEY_TERMINATOR;
    this.hash = mixHash(Math.imul(hash ^ KEY_TERMINATOR, HASH_PRIME));
    this.length = at;
  }

  /** ASCII without control bytes 0 and 1 is encoded in place; anything else goes through TextEncoder. */
  #encodeString(family: number, key: string): void {
    const length = key.length;
    if (length > KEY_BYTES_MAX) checkKeyLength(length);
    if (this.bytes.length < length + 2) this.#grow(length + 2);
    const target = this.bytes;
    let hash = Math.imul(HASH_SEED ^ family, HASH_PRIME);
    target[0] = family;
    for (let i = 0; i < length; i++) {
      const code = key.charCodeAt(i);
      if (code <= ESCAPE || code > 0x7f) {
        requireUtf8(key, 'key');
        this.#encodeBytes(family, utf8.encode(key));
        return;
      }
      target[i + 1] = code;
      hash = Math.imul(hash ^ code, HASH_PRIME);
    }
    checkKeyLength(length);
    target[length + 1] = KEY_TERMINATOR;
    this.hash = mixHash(Math.imul(hash ^ KEY_TERMINATOR, HASH_PRIME));
    this.length = length + 2;
  }

  /**
   * Encodes a user key prefix without terminator: `bytes[0, length)` sorts before every key with
   * that prefix, and prefixSuccessor() of it after all of them. An empty prefix covers the family.
   */
  encodePrefix(family: number, prefix: Uint8Array | string): void {
    if (typeof prefix === 'string') requireUtf8(prefix, 'key');
    const raw = typeof prefix === 'string' ? utf8.encode(prefix) : prefix;
    if (raw.length === 0) {
      this.bytes[0] = family;
      this.length = 1;
    } else {
      this.#encodeBytes(family, raw);
      this.length -= 1;
    }
    this.hash = 0;
  }

  /** A private copy of the encoded key. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** A KeyBuffer of its own with the same key. */
  clone(): KeyBuffer {
    const other = new KeyBuffer();
    other.bytes = this.bytes.slice(0, Math.max(this.length, 64));
    other.length = this.length;
    other.hash = this.hash;
    return other;
  }

  #grow(needed: number): void {
    this.bytes = new Uint8Array(
      Math.min(ENCODED_KEY_BYTES_MAX, Math.max(needed, 2 * this.bytes.length)),
    );
  }
}

function checkKeyLength(length: number): void {
  if (length === 0) throw new RangeError('Cannot use key: it is empty');
  if (length > KEY_BYTES_MAX) {
    throw new RangeError(`Cannot use key: ${length} bytes exceed ${KEY_BYTES_MAX}`);
  }
}

/** Encodes one key into a fresh array. For rare paths; hot ones keep a KeyBuffer. */
export function encodeKey(family: number, key: Uint8Array | string): Uint8Array {
  const buffer = new KeyBuffer();
  buffer.encode(family, key);
  return buffer.copy();
}

/** Length in bytes of the user key inside an encoded key. Requires a valid encoded key. */
export function userKeyLength(bytes: Uint8Array, start: number, length: number): number {
  let count = 0;
  const end = start + length - 1;
  for (let i = start + 1; i < end; i++) {
    if (bytes[i] === ESCAPE) i++;
    count++;
  }
  return count;
}

/** Writes the user key of an encoded key to `target[at...]`; returns the offset after it. */
export function decodeUserKey(
  bytes: Uint8Array,
  start: number,
  length: number,
  target: Uint8Array,
  at: number,
): number {
  const end = start + length - 1;
  for (let i = start + 1; i < end; i++) {
    let byte = bytes[i] as number;
    if (byte === ESCAPE) byte = (bytes[++i] as number) - 1;
    target[at++] = byte;
  }
  return at;
}

/** Copies the user key of an encoded key whose bytes stand for themselves; false when one of them does not. */
export function copyUserKey(
  bytes: Uint8Array,
  start: number,
  length: number,
  target: Uint8Array,
): boolean {
  const count = length - 2;
  for (let i = 0; i < count; i++) {
    const byte = bytes[start + 1 + i] as number;
    if (byte === ESCAPE) return false;
    target[i] = byte;
  }
  return true;
}

/** The user key of an encoded key, owned by the caller. */
export function userKeyOf(encoded: Uint8Array): Uint8Array {
  const key = new Uint8Array(userKeyLength(encoded, 0, encoded.length));
  decodeUserKey(encoded, 0, encoded.length, key, 0);
  return key;
}

/** True for a byte string that `encode` can have made: for decoders of foreign bytes. */
export function isEncodedKey(bytes: Uint8Array, start: number, length: number): boolean {
  if (length < 3 || length > ENCODED_KEY_BYTES_MAX) return false;
  const last = start + length - 1;
  if (bytes[last] !== KEY_TERMINATOR) return false;
  for (let i = start + 1; i < last; i++) {
    const byte = bytes[i] as number;
    if (byte === KEY_TERMINATOR) return false;
    if (byte === ESCAPE) {
      const next = bytes[++i];
      if (i >= last || (next !== 1 && next !== 2)) return false;
    }
  }
  return true;
}

/** The immediate successor of an encoded key: the exclusive upper bound of a range that ends with it. */
export function keySuccessor(encoded: Uint8Array): Uint8Array {
  const next = new Uint8Array(encoded.length + 1);
  next.set(encoded);
  return next;
}

/** The least byte string above every string with this prefix. Requires a byte below 0xFF (the family is). */
export function prefixSuccessor(prefix: Uint8Array): Uint8Array {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  const next = prefix.slice(0, end);
  next[end - 1] = (next[end - 1] as number) + 1;
  return next;
}

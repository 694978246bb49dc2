/**
 * Builds data blocks one after another inside one output buffer, so that an entry is copied once and
 * written from there. Layout of a block: docs/formats/sst.md.
 *
 *   bytes: [ sealed blocks, not yet written | values of the current block ... ]
 *          0                                start                           at
 *
 * Values go there at once; the entries, which follow them in the block, wait in a small buffer of their own.
 *
 * Owned by one table builder. Invariant: `shared` of an entry is the longest common prefix with the key
 * before (searches rely on it), or 0 at a restart point.
 */
import { assert } from '../../base/assert.js';
import { copyBytes, sharedPrefixLength } from '../../base/bytes.js';
import { putVarint } from '../../base/codec.js';
import { FLAG_EXPIRY, FLAG_VERSION, NO_EXPIRY } from '../entry.js';
import { RESTART_BYTES, RESTART_INTERVAL } from './format.js';

/** Two varints of at most 3 bytes, kind, varint u32, three varints below 2^53. */
const ENTRY_HEADER_BYTES_MAX = 3 + 3 + 1 + 5 + 8 + 8 + 8;
/** Behind the restart points: their count, the trailer, and slack. */
const TAIL_BYTES_MIN = 64;

export class BlockBuilder {
  /** Output; bytes[0, start) are sealed, bytes[start, at) the current block. Replaced when it grows. */
  bytes: Uint8Array;
  start: number;
  at: number;
  /** Entries in the current block. */
  entries: number;
  /** The last key added, of this block or the one before: lastKey[0, lastKeyLength). */
  lastKey: Uint8Array;
  lastKeyLength: number;
  /** Entries of the current block: keys[0, keysAt). */
  #keys: Uint8Array;
  #keysAt: number;
  /** Per restart point: offset of its entry among the entries, offset of its value. */
  #restarts: Uint32Array;
  #restartCount: number;
  #sinceRestart: number;

  /** `bytes`: where blocks are built, any content. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.start = 0;
    this.at = 0;
    this.entries = 0;
    this.lastKey = new Uint8Array(256);
    this.lastKeyLength = 0;
    this.#keys = new Uint8Array(1024);
    this.#keysAt = 0;
    this.#restarts = new Uint32Array(64);
    this.#restartCount = 0;
    this.#sinceRestart = 0;
  }

  /** Length of the common prefix of a key and the last key. */
  sharedWithLast(keyBytes: Uint8Array, keyStart: number, keyLength: number): number {
    return sharedPrefixLength(this.lastKey, 0, this.lastKeyLength, keyBytes, keyStart, keyLength);
  }

  /** Appends an entry. Requires shared = sharedWithLast(key) and internal order. Copies key and value. */
  add(
    shared: number,
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
    kind: number,
    expiresAt: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    this.reserve(valueLength);
    if (this.#keysAt + ENTRY_HEADER_BYTES_MAX + keyLength > this.#keys.length)
      this.#growKeys(keyLength);
    let kept = shared;
    if (this.#sinceRestart === 0) {
      this.#pushRestart();
      kept = 0;
    }
    this.#sinceRestart = this.#sinceRestart + 1 === RESTART_INTERVAL ? 0 : this.#sinceRestart + 1;
    const keys = this.#keys;
    let at = putVarint(keys, this.#keysAt, kept);
    at = putVarint(keys, at, keyLength - kept);
    keys[at++] =
      kind | (version === seq ? 0 : FLAG_VERSION) | (expiresAt === NO_EXPIRY ? 0 : FLAG_EXPIRY);
    at = putVarint(keys, at, valueLength);
    at = putVarint(keys, at, seq);
    if (version !== seq) at = putVarint(keys, at, version);
    if (expiresAt !== NO_EXPIRY) at = putVarint(keys, at, expiresAt);
    copyBytes(keyBytes, keyStart + kept, keys, at, keyLength - kept);
    this.#keysAt = at + keyLength - kept;
    copyBytes(valueBytes, valueStart, this.bytes, this.at, valueLength);
    this.at += valueLength;
    this.entries++;
    this.#keepKey(shared, keyBytes, keyStart, keyLength);
  }

  /** Bytes the current block's payload would have if it ended here. */
  payloadBytes(): number {
    return this.at - this.start + this.#keysAt + RESTART_BYTES * this.#restartCount + 4;
  }

  /** Appends entries and restart points to the values; bytes[start, at) is then the payload. */
  finishPayload(): void {
    assert(this.#restartCount > 0, 'block builder: empty block');
    this.reserve(this.#keysAt + RESTART_BYTES * this.#restartCount + TAIL_BYTES_MIN);
    const valuesLength = this.at - this.start;
    copyBytes(this.#keys, 0, this.bytes, this.at, this.#keysAt);
    this.at += this.#keysAt;
    for (let i = 0; i < this.#restartCount; i++) {
      this.putU32(valuesLength + (this.#restarts[2 * i] as number));
      this.putU32(this.#restarts[2 * i + 1] as number);
    }
    this.putU32(this.#restartCount);
  }

  /** Begins the next block behind `at`. */
  beginNext(): void {
    this.start = this.at;
    this.entries = 0;
    this.#keysAt = 0;
    this.#restartCount = 0;
    this.#sinceRestart = 0;
  }

  /** Makes room for `length` more bytes. */
  reserve(length: number): void {
    const needed = this.at + length;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, Math.floor(this.bytes.length * 1.5)));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  /** Appends raw bytes to the current part. */
  append(source: Uint8Array): void {
    this.reserve(source.length + TAIL_BYTES_MIN);
    this.bytes.set(source, this.at);
    this.at += source.length;
  }

  /** Requires room. */
  putU32(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.at = at + 4;
  }

  /**
   * Forgets the first `count` bytes, which were written. Requires them sealed. Returns to `capacity` after a
   * big block.
   */
  discard(count: number, capacity: number): void {
    assert(count <= this.start, 'block builder: discards the current block');
    const rest = this.at - count;
    if (this.bytes.length > 4 * capacity && rest <= capacity) {
      const smaller = new Uint8Array(capacity);
      smaller.set(this.bytes.subarray(count, this.at));
      this.bytes = smaller;
    } else {
      this.bytes.copyWithin(0, count, this.at);
    }
    this.start -= count;
    this.at = rest;
  }

  #pushRestart(): void {
    if (2 * this.#restartCount === this.#restarts.length) {
      const grown = new Uint32Array(2 * this.#restarts.length);
      grown.set(this.#restarts);
      this.#restarts = grown;
    }
    this.#restarts[2 * this.#restartCount] = this.#keysAt;
    this.#restarts[2 * this.#restartCount + 1] = this.at - this.start;
    this.#restartCount++;
  }

  #growKeys(keyLength: number): void {
    const grown = new Uint8Array(2 * (this.#keysAt + ENTRY_HEADER_BYTES_MAX + keyLength));
    grown.set(this.#keys.subarray(0, this.#keysAt));
    this.#keys = grown;
  }

  #keepKey(shared: number, keyBytes: Uint8Array, keyStart: number, keyLength: number): void {
    if (this.lastKey.length < keyLength) {
      const grown = new Uint8Array(2 * keyLength);
      grown.set(this.lastKey.subarray(0, shared));
      this.lastKey = grown;
    }
    copyBytes(keyBytes, keyStart + shared, this.lastKey, shared, keyLength - shared);
    this.lastKeyLength = keyLength;
  }
}

/**
 * A cursor inside one data block: the decoding half of TableCursor, which extends it over all blocks (one
 * object, so that a move touches one set of fields). The current key is rebuilt in a private buffer.
 *
 * Invariants: while positioned, entriesStart <= entryAt <= nextAt <= limit, values end at entriesStart, and
 * keyBytes[0, keyLength) is the key of the entry at entryAt. Anything else in the block is damage:
 * `damaged` throws.
 */
import { compareBytes, equalBytes } from '../../base/bytes.js';
import {
  FLAG_EXPIRY,
  FLAG_VERSION,
  KIND_MASK,
  KIND_PUT,
  KIND_VALUE_POINTER,
  NO_EXPIRY,
} from '../entry.js';
import type { RowBatch } from '../iterators/row-batch.js';
import {
  entriesEnd,
  findRestart,
  isDataBlock,
  readU32,
  readVarint,
  skipVarint,
} from './block-search.js';
import { RESTART_BYTES } from './format.js';

const EMPTY: Uint8Array = new Uint8Array(0);

export abstract class BlockCursor {
  valid = false;
  /** Grows on demand; up to 64 bytes stay on the JavaScript heap, where an allocation costs a tenth. */
  keyBytes: Uint8Array = new Uint8Array(64);
  readonly keyStart = 0;
  keyLength = 0;
  version = 0;
  seq = 0;
  kind = 0;
  expiresAt = 0;
  /** The block's memory: private to the cursor, valid until it moves to another block unless isValueOwned. */
  valueBytes: Uint8Array = EMPTY;
  valueStart = 0;
  valueLength = 0;
  readonly isValueOwned: boolean;

  protected blockStart = 0;
  protected blockLength = 0;
  /** End of the entries, begin of the restart points. */
  protected limit = 0;
  /** End of the values, begin of the entries. */
  protected entriesStart = 0;
  /** Where the value of the entry at nextAt begins. */
  protected nextValueAt = 0;
  protected entryAt = 0;
  protected nextAt = 0;
  /** The last entry parsed has the key of the one parsed before it in the block: it is an older version. */
  protected isSameKey = false;

  /** Added to stored sequence numbers; 0 but in external tables. */
  protected readonly seqBase: number;

  constructor(isValueOwned = false, seqBase = 0) {
    this.isValueOwned = isValueOwned;
    this.seqBase = seqBase;
  }

  /** Throws the CorruptionError that names the current block. */
  protected abstract damaged(what: string): never;

  /** Enters a payload, before its first entry. */
  protected openBlock(bytes: Uint8Array, start: number, length: number): void {
    if (!isDataBlock(bytes, start, length)) this.damaged('data block is malformed');
    this.valueBytes = bytes;
    this.blockStart = start;
    this.blockLength = length;
    this.limit = entriesEnd(bytes, start, length);
    this.entriesStart = start + readU32(bytes, this.limit);
    this.nextAt = this.entriesStart;
    this.nextValueAt = start;
    this.keyLength = 0;
  }

  /** Decodes the entry at nextAt; false at the end of the block. */
  protected parseEntry(): boolean {
    let at = this.nextAt;
    const limit = this.limit;
    if (at >= limit) return false;
    const bytes = this.valueBytes;
    this.entryAt = at;
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
    const seq = readVarint(bytes, at) + this.seqBase;
    at = skipVarint(bytes, at);
    this.seq = seq;
    this.version = seq;
    this.expiresAt = NO_EXPIRY;
    if ((kind & (FLAG_VERSION | FLAG_EXPIRY)) !== 0) at = this.#parseFlagged(kind, at);
    const end = at + unshared;
    const valueStart = this.nextValueAt;
    const valueEnd = valueStart + valueLength;
    if (!(end <= limit) || !(valueEnd <= this.entriesStart) || shared > this.keyLength)
      this.damaged('entry runs past its block');
    this.kind = kind & KIND_MASK;
    if (this.kind < KIND_PUT || this.kind > KIND_VALUE_POINTER) this.damaged('unknown entry kind');
    const keyLength = shared + unshared;
    if (keyLength > this.keyBytes.length) this.#growKey(keyLength, shared);
    const key = this.keyBytes;
    let difference = keyLength ^ this.keyLength;
    if (unshared <= 48) {
      for (let i = 0; i < unshared; i++) {
        const byte = bytes[at + i] as number;
        difference |= byte ^ (key[shared + i] as number);
        key[shared + i] = byte;
      }
    } else {
      if (difference === 0 && !equalBytes(key, shared, bytes, at, unshared)) difference = 1;
      key.set(bytes.subarray(at, end), shared);
    }
    this.isSameKey = difference === 0;
    this.keyLength = keyLength;
    this.valueStart = valueStart;
    this.valueLength = valueLength;
    this.nextAt = end;
    this.nextValueAt = valueEnd;
    return true;
  }

  /** To the newest entry of the next key; false at the end of the block. */
  protected nextKeyInBlock(): boolean {
    while (this.parseEntry()) if (!this.isSameKey) return true;
    return false;
  }

  /** As nextKeyInto of cursors; false at the end of the block. */
  protected nextKeysInBlock(batch: RowBatch): boolean {
    while (this.parseEntry()) {
      if (this.isSameKey) continue;
      if (!batch.addPlain(this) || batch.isFull) return true;
    }
    return false;
  }

  /** To the first entry with a key >= the target; false when there is none. */
  protected seekInBlock(key: Uint8Array, start: number, length: number): boolean {
    this.#toRestart(
      findRestart(this.valueBytes, this.blockStart, this.blockLength, key, start, length),
    );
    while (this.parseEntry()) {
      if (compareBytes(this.keyBytes, 0, this.keyLength, key, start, length) >= 0) return true;
    }
    return false;
  }

  /** To the last entry. */
  protected lastInBlock(): void {
    if (!this.#toEntryBefore(this.limit)) this.damaged('data block is empty');
  }

  /** To the entry before the current one; false when it is the first. */
  protected prevInBlock(): boolean {
    return this.#toEntryBefore(this.entryAt);
  }

  /** To the entry that ends at `end`: from the last restart point before it, forward. */
  #toEntryBefore(end: number): boolean {
    if (end <= this.entriesStart) return false;
    const bytes = this.valueBytes;
    let low = 0;
    let high = readU32(bytes, this.blockStart + this.blockLength - 4) - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.blockStart + readU32(bytes, this.limit + RESTART_BYTES * middle) < end) low = middle;
      else high = middle - 1;
    }
    this.#toRestart(this.limit + RESTART_BYTES * low);
    while (this.parseEntry()) if (this.nextAt >= end) break;
    if (this.nextAt !== end) this.damaged('restart point is no entry');
    return true;
  }

  /** To before the entry of the restart point noted at `at`. */
  #toRestart(at: number): void {
    const entryAt = this.blockStart + readU32(this.valueBytes, at);
    if (entryAt >= this.limit) this.damaged('restart point runs past its block');
    this.nextAt = entryAt;
    this.nextValueAt = this.blockStart + readU32(this.valueBytes, at + 4);
    this.keyLength = 0;
  }

  #parseFlagged(kind: number, at: number): number {
    if ((kind & FLAG_VERSION) !== 0) {
      this.version = readVarint(this.valueBytes, at);
      at = skipVarint(this.valueBytes, at);
    }
    if ((kind & FLAG_EXPIRY) !== 0) {
      this.expiresAt = readVarint(this.valueBytes, at);
      at = skipVarint(this.valueBytes, at);
    }
    return at;
  }

  #growKey(length: number, kept: number): void {
    const grown = new Uint8Array(2 * length);
    grown.set(this.keyBytes.subarray(0, kept));
    this.keyBytes = grown;
  }
}

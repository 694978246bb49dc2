/**
 * The cursor that every sorted source offers: memtables, tables, runs of tables, merges of them.
 * Entries come in internal order (encoded key ascending, version descending, sequence descending),
 * all versions, tombstones included; range tombstones are not among them (they are kept aside).
 *
 * Synchronous. Fields describe the current entry while `valid`; the buffers are *borrowed* until the
 * next move of this cursor. Reads of damaged files throw CorruptionError from any move. Where the cursor stands then is
 * not defined; seek, seekBefore, first and last start anew.
 */
import type { RowBatch } from './row-batch.js';

export interface EntryCursor {
  valid: boolean;
  /** Encoded key: keyBytes[keyStart, keyStart + keyLength). */
  keyBytes: Uint8Array;
  keyStart: number;
  keyLength: number;
  version: number;
  seq: number;
  /** KIND_PUT, KIND_DELETE or KIND_VALUE_POINTER. */
  kind: number;
  /** Wall milliseconds or NO_EXPIRY. */
  expiresAt: number;
  /** Value, or the 12 bytes of a value pointer, or nothing for a delete. */
  valueBytes: Uint8Array;
  valueStart: number;
  valueLength: number;
  /** The value lies in memory that is never written again: a reader may hand it out without a copy. */
  isValueOwned: boolean;

  /** To the first entry whose encoded key is >= the target (any byte string). */
  seek(key: Uint8Array, start: number, length: number): void;
  /** To the last entry whose encoded key is < the target: the start of a reverse scan. */
  seekBefore(key: Uint8Array, start: number, length: number): void;
  first(): void;
  last(): void;
  /** Requires valid. */
  next(): void;
  /** Requires valid. */
  prev(): void;
  /** Forward over the remaining versions of the current key, to the newest entry of the next one. Requires valid. */
  nextKey(): void;
  /**
   * As nextKey, and over as many keys as it can add to the batch: to the first one that it did not add, or, when the
   * batch is full, to the last one that it did. Requires valid, and a batch that is not full.
   */
  nextKeyInto(batch: RowBatch): void;
  /** Releases what the cursor pins. Idempotent; the cursor is unusable afterwards. */
  close(): void;
}

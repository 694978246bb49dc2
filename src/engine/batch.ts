/** What an atomic batch is made of: its operations, and who decides on it when it gets its place in the log. */

import { BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, KEY_BYTES_MAX } from '../base/limits.js';
import { entrySize } from './entry.js';
import { VALUE_POINTER_SIZE } from './vlog/value-pointer.js';

/** Family and terminator of an encoded key. */
const KEY_ENDS_BYTES = 2;
const UTF8_BYTES_MAX = 3;

/** One operation of an atomic batch, already checked. */
export interface BatchOperation {
  readonly kind: number;
  readonly family: number;
  readonly key: Uint8Array | string;
  /** Value; for a range delete the encoded end key. */
  readonly value: Uint8Array;
  /** Wall milliseconds or NO_EXPIRY. */
  readonly expiresAt: number;
  /** Managed version, or 0 for version = seq. */
  readonly version: number;
}

/** Bytes that surely take the operations of a batch, whatever their keys are made of; Infinity when a key may be bad. */
export function batchBytesMost(operations: readonly BatchOperation[]): number {
  let bytes = 0;
  for (const { key, value } of operations) {
    const isText = typeof key === 'string';
    if (!isText && !(key instanceof Uint8Array)) return Infinity;
    // Of a character at most three bytes; of a byte at most two.
    const most = isText ? UTF8_BYTES_MAX * key.length : key.length;
    if (most === 0 || most > KEY_BYTES_MAX) return Infinity;
    const valueBytes = Math.max(value.length, VALUE_POINTER_SIZE);
    bytes += entrySize(2 * most + KEY_ENDS_BYTES, valueBytes, true, true);
  }
  return bytes;
}

/** `bytes` of all values, too, which one value-log segment has to take. @throws RangeError */
export function checkBatchSize(entries: number, bytes: number): void {
  if (bytes <= BATCH_BYTES_MAX && entries <= BATCH_ENTRIES_MAX) return;
  throw new RangeError(
    `Cannot write batch: ${entries} entries, ${bytes} bytes exceed ${BATCH_ENTRIES_MAX} or ${BATCH_BYTES_MAX}`,
  );
}

/** Decides on a batch at the moment when its place is sure, before its first entry. */
export interface BatchGuard {
  /** Nothing is encoded between this call and the batch. @throws what the batch is refused with */
  validate(): void;
  /** The batch has its place: its entries have numbers up to this one. */
  placed(lastSeq: number): void;
}

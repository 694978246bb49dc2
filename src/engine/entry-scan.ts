/**
 * All entries of every family as they lie in the tree: all versions, deletes included, newest first per
 * key. For forensics and for tools that need history; ordinary reads are scans (scan.ts). Range
 * tombstones are not entries: they come first, from `rangeTombstones`.
 */
import { decodeUserKey, userKeyLength } from './key.js';
import { KIND_DELETE, KIND_VALUE_POINTER } from './entry.js';
import type { EntryCursor } from './iterators/entry-cursor.js';
import { begun, type Hold } from './read-view.js';
import type { ValueLogReader } from './vlog/reader.js';

/** One stored entry; arrays are owned by the receiver. */
export interface StoredEntry {
  /** Family byte (key.ts). */
  readonly family: number;
  readonly key: Uint8Array;
  readonly version: number;
  readonly seq: number;
  readonly kind: 'put' | 'del';
  /** Wall milliseconds, 0 when it does not expire. */
  readonly expiresAt: number;
  /** undefined for a delete. */
  readonly value: Uint8Array | undefined;
  /** The value lies in the value log. */
  readonly isSeparated: boolean;
}

/** What the cursor shows; owns `hold`, and releases it at its end, or when it is returned from. Ends early when that is released. */
export function storedEntries(
  cursor: EntryCursor,
  valueLog: ValueLogReader,
  hold: Hold,
): Generator<StoredEntry, void, void> {
  return begun(entriesOf(cursor, valueLog, hold));
}

function* entriesOf(
  cursor: EntryCursor,
  valueLog: ValueLogReader,
  hold: Hold,
): Generator<StoredEntry | undefined, void, void> {
  try {
    yield undefined;
    if (hold.isReleased) return;
    for (cursor.first(); cursor.valid; cursor.next()) {
      const { keyBytes, keyStart, keyLength, kind } = cursor;
      const key = new Uint8Array(userKeyLength(keyBytes, keyStart, keyLength));
      decodeUserKey(keyBytes, keyStart, keyLength, key, 0);
      yield {
        family: keyBytes[keyStart] as number,
        key,
        version: cursor.version,
        seq: cursor.seq,
        kind: kind === KIND_DELETE ? 'del' : 'put',
        expiresAt: cursor.expiresAt,
        value: kind === KIND_DELETE ? undefined : valueOf(cursor, valueLog),
        isSeparated: kind === KIND_VALUE_POINTER,
      };
      if (hold.isReleased) return;
    }
  } finally {
    hold.release();
  }
}

function valueOf(cursor: EntryCursor, valueLog: ValueLogReader): Uint8Array {
  if (cursor.kind === KIND_VALUE_POINTER)
    return valueLog.read(cursor.valueBytes, cursor.valueStart);
  return cursor.valueBytes.slice(cursor.valueStart, cursor.valueStart + cursor.valueLength);
}

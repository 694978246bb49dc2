/**
 * The entries of a table that can be read: a damaged block becomes a finding, and reading goes on behind it.
 */
import { compareArrays, compareBytes } from '../../base/bytes.js';
import { CorruptionError } from '../../base/errors.js';
import { keySuccessor } from '../key.js';
import type { TableCursor } from '../sst/table-cursor.js';
import type { TableReader } from '../sst/table-reader.js';
import { type FindingList, keyRangeOf } from './findings.js';

/** Encoded keys, half-open; undefined is no bound. */
export interface EntryRange {
  readonly lower: Uint8Array | undefined;
  readonly upper: Uint8Array | undefined;
}

export const ALL_ENTRIES: EntryRange = { lower: undefined, upper: undefined };

/** Entries in internal order: each is the cursor itself, borrowed until the next one is taken. */
export function* soundEntries(
  table: TableReader,
  range: EntryRange,
  findings: FindingList,
): Generator<TableCursor, void, void> {
  let from: Uint8Array | undefined = range.lower ?? new Uint8Array(0);
  while (from !== undefined) from = yield* entriesUpToDamage(table, from, range.upper, findings);
}

/** The entries from a key on; where the sound part behind damage begins, or undefined at the end. */
function* entriesUpToDamage(
  table: TableReader,
  from: Uint8Array,
  upper: Uint8Array | undefined,
  findings: FindingList,
): Generator<TableCursor, Uint8Array | undefined, void> {
  let cursor: TableCursor | undefined;
  try {
    cursor = table.newCursor({ fillCache: false });
    for (cursor.seek(from, 0, from.length); cursor.valid; cursor.next()) {
      if (upper !== undefined && isAtOrAbove(cursor, upper)) return undefined;
      yield cursor;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof CorruptionError) || error.file !== table.path) throw error;
    const damaged = table.rangeAt(error.offset);
    findings.addError(error, keyRangeOf(damaged.lower, damaged.upper));
    // Damage that is not in one block leaves nothing to go on with.
    const isOneBlock = compareArrays(damaged.upper, table.meta.upper) < 0;
    const next = keySuccessor(damaged.upper);
    return isOneBlock && compareArrays(next, from) > 0 ? next : undefined;
  } finally {
    cursor?.close();
  }
}

function isAtOrAbove(cursor: TableCursor, upper: Uint8Array): boolean {
  const { keyBytes, keyStart, keyLength } = cursor;
  return compareBytes(keyBytes, keyStart, keyLength, upper, 0, upper.length) >= 0;
}

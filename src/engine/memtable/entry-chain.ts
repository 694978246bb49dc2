/**
 * The entries of one key: a singly linked list through the `next` field of the entries in the data
 * arena, ordered (version descending, sequence descending). Both indexes hold, per key, the offset
 * of the first entry (the head) and leave the rest to this file.
 *
 * Ordinary writes have version = sequence and come in sequence order, so they become the head in
 * O(1). A managed write of an old version walks to its place: O(newer versions of that key).
 */
import {
  entryKeyLength,
  entryKeyStart,
  entryNext,
  entrySeq,
  entryVersion,
  setEntryNext,
} from '../entry.js';

/** Links the entry `at` into the chain that starts at `head`; returns the new head. */
export function linkEntry(view: DataView, head: number, at: number): number {
  const version = entryVersion(view, at);
  const seq = entrySeq(view, at);
  if (!isNewer(view, head, version, seq)) {
    setEntryNext(view, at, head);
    return at;
  }
  let before = head;
  for (;;) {
    const after = entryNext(view, before);
    if (after === 0 || !isNewer(view, after, version, seq)) {
      setEntryNext(view, at, after);
      setEntryNext(view, before, at);
      return head;
    }
    before = after;
  }
}

/** True when the entry `at` stands before an entry of (version, seq) in a chain. */
function isNewer(view: DataView, at: number, version: number, seq: number): boolean {
  const ownVersion = entryVersion(view, at);
  return ownVersion > version || (ownVersion === version && entrySeq(view, at) > seq);
}

/** True when the key of the entry `at` is `key[start, start + length)`. `data` and `view` are the arena. */
export function entryKeyEquals(
  data: Uint8Array,
  view: DataView,
  at: number,
  key: Uint8Array,
  start: number,
  length: number,
): boolean {
  if (entryKeyLength(view, at) !== length) return false;
  const ownStart = entryKeyStart(view, at);
  // Backwards: keys that meet here share their beginning more often than their end.
  for (let i = length - 1; i >= 0; i--) if (data[ownStart + i] !== key[start + i]) return false;
  return true;
}

/**
 * Where the key of the entry `at` and `key[start, start + length)` first differ: an index into both,
 * or the length of the shorter one when it is a prefix of the other.
 */
export function entryKeyMismatch(
  data: Uint8Array,
  view: DataView,
  at: number,
  key: Uint8Array,
  start: number,
  length: number,
): number {
  const ownLength = entryKeyLength(view, at);
  const ownStart = entryKeyStart(view, at);
  const shared = ownLength < length ? ownLength : length;
  let i = 0;
  while (i < shared && data[ownStart + i] === key[start + i]) i++;
  return i;
}

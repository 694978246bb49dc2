/**
 * Some live key, by chance. Of a small keyspace every key is equally likely. In a large one the choice descends by
 * the bytes of the keys: of all keys with the prefix so far, one of the bytes between the least and the greatest
 * that follow is drawn, and the nearest one that occurs is taken. So every key can come; keys behind a gap, and those
 * of sparse branches, come more often than others. Of numbered or random names all come about alike.
 */
import { sharedPrefixLength } from '../../base/bytes.js';
import type { Db } from '../../engine/db.js';
import type { DbIterator } from '../../engine/db-iterator.js';

/** Walked from the beginning. */
const WALKED_KEYS_MAX = 128;
/** Expired or deleted meanwhile: then another draw. */
const DRAWS_MAX = 8;

export function randomLiveKey(
  db: Db,
  keysAfter: (after: Uint8Array | undefined) => Iterable<Uint8Array>,
  size: number,
  random: () => number,
  isLive: (key: Uint8Array) => boolean,
): Uint8Array | undefined {
  if (size > WALKED_KEYS_MAX) {
    for (let draw = 0; draw < DRAWS_MAX; draw++) {
      const key = drawStored(db, random);
      if (key !== undefined && isLive(key)) return key;
    }
  }
  let left = Math.floor(random() * Math.min(size, WALKED_KEYS_MAX));
  let last: Uint8Array | undefined;
  for (const key of keysAfter(undefined)) {
    last = key;
    if (left-- === 0) break;
  }
  return last;
}

function drawStored(db: Db, random: () => number): Uint8Array | undefined {
  const iterator = db.iterator();
  try {
    if (!iterator.first()) return undefined;
    let least = iterator.key;
    iterator.last();
    let greatest = iterator.key;
    for (;;) {
      const shared = sharedPrefixLength(least, 0, least.length, greatest, 0, greatest.length);
      if (shared === least.length && shared === greatest.length) return least;
      // The least key may end here: a choice beside the bytes that follow.
      const low = shared === least.length ? -1 : (least[shared] as number);
      const high = greatest[shared] as number;
      const drawn = low + Math.floor(random() * (high - low + 1));
      if (drawn === -1) return least;
      const prefix = greatest.slice(0, shared + 1);
      prefix[shared] = Math.max(drawn, 0);
      const next = atOrAfter(iterator, prefix);
      if (next === undefined) return least;
      least = next;
      prefix[shared] = next[shared] as number;
      greatest = lastWith(iterator, prefix) ?? least;
    }
  } finally {
    iterator.close();
  }
}

function atOrAfter(iterator: DbIterator, key: Uint8Array): Uint8Array | undefined {
  return iterator.seek(key) ? iterator.key : undefined;
}

/** The greatest key with a prefix. */
function lastWith(iterator: DbIterator, prefix: Uint8Array): Uint8Array | undefined {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  if (end === 0) return iterator.last() ? iterator.key : undefined;
  const bound = prefix.slice(0, end);
  bound[end - 1] = (bound[end - 1] as number) + 1;
  if (!iterator.seekForPrev(bound)) return undefined;
  const { key } = iterator;
  if (key.length !== bound.length || Buffer.compare(key, bound) !== 0) return key;
  return iterator.prev() ? iterator.key : undefined;
}

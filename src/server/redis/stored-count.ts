/**
 * How many keys a database has, as found when the gateway opens it. The gateway ends every batch with the count, so
 * that the count's own sequence number is the newest of the database exactly when the gateway wrote last: after a
 * clean close as after a crash, which cuts the log between batches. When anybody else has written (an import, an
 * embedded program), or the clock was set back to before the count was taken, everything is counted again, once, and
 * the index of expiring keys is made anew.
 */
import type { Clock } from '../../base/env.js';
import { getU64, viewOf } from '../../base/codec.js';
import type { BatchOperation } from '../../engine/batch.js';
import type { Db } from '../../engine/db.js';
import { NO_EXPIRY } from '../../engine/entry.js';
import type { EntryReader } from '../../engine/entry-reader.js';
import { FAMILY_SYSTEM } from '../../engine/key.js';
import {
  COUNT_KEY,
  EMPTY_KEY,
  encodeCount,
  EXPIRY_END,
  EXPIRY_PREFIX,
  expiryKey,
} from './layout.js';
import { NOTHING, putOf, rangeDeleteOf } from './operations.js';

/** Keys, or index entries, between two turns of the event loop. */
const KEYS_PER_TURN = 4096;

/** The number of keys; counts them all when what is stored cannot be relied on. */
export async function openCount(db: Db, reader: EntryReader, clock: Clock): Promise<number> {
  const nowMs = clock.nowMs();
  const stored = reader.get(FAMILY_SYSTEM, COUNT_KEY, nowMs);
  if (stored !== undefined && stored.length === 16 && reader.seq === reader.visibleSeq) {
    const view = viewOf(stored);
    if (getU64(view, 8) <= nowMs) return getU64(view, 0);
  }
  return recount(db, reader, clock);
}

async function recount(db: Db, reader: EntryReader, clock: Clock): Promise<number> {
  const nowMs = clock.nowMs();
  let writes: BatchOperation[] = [rangeDeleteOf(FAMILY_SYSTEM, EXPIRY_PREFIX, EXPIRY_END)];
  let count = 0;
  const add = (key: Uint8Array, expiresAt: number): void => {
    count++;
    if (expiresAt !== NO_EXPIRY)
      writes.push(putOf(FAMILY_SYSTEM, expiryKey(expiresAt, key), NOTHING));
  };
  if (reader.has(FAMILY_SYSTEM, EMPTY_KEY, nowMs)) add(NOTHING, reader.expiresAt);
  const iterator = db.iterator();
  try {
    for (let isRow = iterator.first(); isRow; isRow = iterator.next()) {
      add(iterator.key, iterator.expiresAt);
      if (count % KEYS_PER_TURN !== 0) continue;
      await db.commit(writes, 'os');
      writes = [];
      await clock.nextTurn();
    }
  } finally {
    iterator.close();
  }
  writes.push(putOf(FAMILY_SYSTEM, COUNT_KEY, encodeCount(count, nowMs)));
  await db.commit(writes, 'os');
  return count;
}

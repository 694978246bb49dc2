/**
 * How many keys a database has, and how many of them expire, as found when the gateway opens it. The gateway ends every
 * batch with the counts, so that their own sequence number is the newest of the database exactly when the gateway wrote
 * last: after a clean close as after a crash, which cuts the log between batches. When anybody else has written (an
 * import, an embedded program), or the clock was set back to before the counts were taken, everything is counted again,
 * once, and the index of expiring keys is made anew.
 */
import type { Clock } from '../../base/env.js';
import { getU64, viewOf } from '../../base/codec.js';
import type { BatchOperation } from '../../engine/batch.js';
import type { Db } from '../../engine/db.js';
import { NO_EXPIRY } from '../../engine/entry.js';
import type { EntryReader } from '../../engine/entry-reader.js';
import { FAMILY_SYSTEM } from '../../engine/key.js';
import {
  COUNT_BYTES,
  COUNT_KEY,
  EMPTY_KEY,
  encodeCount,
  EXPIRY_END,
  EXPIRY_PREFIX,
  expiryKey,
  type KeyCounts,
} from './layout.js';
import { NOTHING, putOf, rangeDeleteOf } from './operations.js';

/** Keys, or index entries, between two turns of the event loop. */
const KEYS_PER_TURN = 4096;

/** The numbers of keys; counts them all when what is stored cannot be relied on, or is of a build that kept one number. */
export async function openCount(db: Db, reader: EntryReader, clock: Clock): Promise<KeyCounts> {
  const nowMs = clock.nowMs();
  const stored = reader.get(FAMILY_SYSTEM, COUNT_KEY, nowMs);
  if (stored !== undefined && stored.length === COUNT_BYTES && reader.seq === reader.visibleSeq) {
    const view = viewOf(stored);
    if (getU64(view, 8) <= nowMs) return { keys: getU64(view, 0), expiring: getU64(view, 16) };
  }
  return recount(db, reader, clock);
}

async function recount(db: Db, reader: EntryReader, clock: Clock): Promise<KeyCounts> {
  const nowMs = clock.nowMs();
  let writes: BatchOperation[] = [rangeDeleteOf(FAMILY_SYSTEM, EXPIRY_PREFIX, EXPIRY_END)];
  let keys = 0;
  let expiring = 0;
  const add = (key: Uint8Array, expiresAt: number): void => {
    keys++;
    if (expiresAt === NO_EXPIRY) return;
    expiring++;
    writes.push(putOf(FAMILY_SYSTEM, expiryKey(expiresAt, key), NOTHING));
  };
  if (reader.has(FAMILY_SYSTEM, EMPTY_KEY, nowMs)) add(NOTHING, reader.expiresAt);
  const iterator = db.iterator();
  try {
    for (let isRow = iterator.first(); isRow; isRow = iterator.next()) {
      add(iterator.key, iterator.expiresAt);
      if (keys % KEYS_PER_TURN !== 0) continue;
      await db.commit(writes, 'os');
      writes = [];
      await clock.nextTurn();
    }
  } finally {
    iterator.close();
  }
  writes.push(putOf(FAMILY_SYSTEM, COUNT_KEY, encodeCount({ keys, expiring }, nowMs)));
  await db.commit(writes, 'os');
  return { keys, expiring };
}

/** The live keys in order: those of the database, and the changes on top that are not committed. */
import { compareArrays } from '../../base/bytes.js';
import type { Db } from '../../engine/db.js';
import { KIND_PUT } from '../../engine/entry.js';
import type { EntryReader } from '../../engine/entry-reader.js';
import { FAMILY_SYSTEM } from '../../engine/key.js';
import { NO_EXPIRY, watchName } from '../../gateway/backend.js';
import { EMPTY_KEY, isSystemName } from './layout.js';
import type { PendingWrite, PendingWrites } from './pending.js';

/** Keys greater than `after` (all: undefined) that are live at `nowMs`, as of the call of `next` for the first one. */
export function* liveKeysAfter(
  db: Db,
  reader: EntryReader,
  pending: PendingWrites,
  after: Uint8Array | undefined,
  nowMs: number,
): Generator<Uint8Array, void, void> {
  const writes = pending.newest();
  const changed = changedNames(writes, after);
  const isHidden = (key: Uint8Array): boolean => changed.length > 0 && writes.has(watchName(key));
  const isPut = (name: string): boolean => {
    const write = writes.get(name);
    return write?.kind === KIND_PUT && (write.expiresAt === NO_EXPIRY || write.expiresAt > nowMs);
  };
  let at = 0;
  /** Those of the pending keys that come before `name`, or all. */
  function* pendingBefore(name: string | undefined): Generator<Uint8Array, void, void> {
    for (; at < changed.length; at++) {
      const own = changed[at] as string;
      if (name !== undefined && own >= name) return;
      if (isPut(own)) yield Buffer.from(own, 'latin1');
    }
  }
  for (const key of storedKeysAfter(db, reader, pending, after, nowMs)) {
    if (changed.length > 0) {
      yield* pendingBefore(watchName(key));
      if (isHidden(key)) continue;
    }
    yield key;
  }
  yield* pendingBefore(undefined);
}

function* storedKeysAfter(
  db: Db,
  reader: EntryReader,
  pending: PendingWrites,
  after: Uint8Array | undefined,
  nowMs: number,
): Generator<Uint8Array, void, void> {
  if (pending.isCleared) return;
  if (after === undefined && reader.has(FAMILY_SYSTEM, EMPTY_KEY, nowMs)) yield new Uint8Array(0);
  const iterator = db.iterator();
  try {
    let isRow = after === undefined ? iterator.first() : iterator.seek(after);
    for (; isRow; isRow = iterator.next()) {
      // The database's clock may be behind ours, never ahead.
      const { expiresAt, key } = iterator;
      if (expiresAt !== NO_EXPIRY && expiresAt <= nowMs) continue;
      if (after === undefined || compareArrays(key, after) !== 0) yield key;
    }
  } finally {
    iterator.close();
  }
}

/** Names of written or deleted user keys greater than `after`, in order. */
function changedNames(
  writes: ReadonlyMap<string, PendingWrite>,
  after: Uint8Array | undefined,
): string[] {
  const names: string[] = [];
  const bound = after === undefined ? undefined : watchName(after);
  for (const name of writes.keys()) {
    if (!isSystemName(name) && (bound === undefined || name > bound)) names.push(name);
  }
  return names.sort(compareNames);
}

/** One character a byte: the order of the characters is that of the bytes. */
function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Which write of somebody else forbids a commit. Pure questions over the recent writes and, for a transaction that
 * reads at a version, over the stored entries; when they are asked is the business of oracle.ts.
 */
import { compareBytes } from '../../base/bytes.js';
import { ConflictError, type ConflictReason } from '../../base/errors.js';
import { MergingCursor } from '../iterators/merging.js';
import { keySuccessor } from '../key.js';
import type { RangeFragment, TombstoneSet } from '../range-tombstones.js';
import type { ReadState } from '../read-view.js';
import { shownKey } from '../shown-key.js';
import { openSources } from '../sources.js';
import { type KeySpan, mergeSpans } from './key-spans.js';
import type { ReadSet } from './read-set.js';
import type { RecentWrite, RecentWrites } from './recent-writes.js';
import type { WriteSet } from './write-set.js';

/** The conflict of a transaction that began at `sinceSeq`, or undefined. `reads` is undefined when reads do not count. */
export function findConflict(
  recent: RecentWrites,
  sinceSeq: number,
  writes: WriteSet,
  reads: ReadSet | undefined,
): ConflictError | undefined {
  if (sinceSeq < recent.floor) return conflict('history', sinceSeq, undefined, recent.floor);
  for (const { key, hash } of writes.points()) {
    const found = recent.findKey(key, hash, sinceSeq);
    if (found !== undefined) return conflictWith('write', sinceSeq, found);
  }
  const inDeleted = recent.findInSpans(writes.deleted, sinceSeq);
  if (inDeleted !== undefined) return conflictWith('write', sinceSeq, inDeleted);
  if (reads === undefined) return undefined;
  for (const [text, hash] of reads.points()) {
    const found = recent.findKey(Buffer.from(text, 'latin1'), hash, sinceSeq);
    if (found !== undefined) return conflictWith('read', sinceSeq, found);
  }
  const inRange = recent.findInSpans(reads.spans(), sinceSeq);
  return inRange === undefined ? undefined : conflictWith('range', sinceSeq, inRange);
}

/**
 * The same for a transaction that reads at a version: an entry above it, among what its snapshot sees, is a commit
 * that it does not see. Looks at every stored entry of what it has written and read.
 */
export function findNewerVersion(
  state: ReadState,
  sinceSeq: number,
  readVersion: number,
  writes: WriteSet,
  reads: ReadSet | undefined,
): ConflictError | undefined {
  const spans = mergeSpans([...touched(writes, reads)]);
  const tombstones = state.rangeTombstones();
  const cursor = new MergingCursor(openSources(state));
  try {
    for (const { lower, upper } of spans) {
      for (const fragment of fragmentsIn(tombstones, lower, upper)) {
        const at = fragment.versions.findIndex(
          (version, i) => version > readVersion && (fragment.seqs[i] as number) <= sinceSeq,
        );
        if (at >= 0) return conflict('version', readVersion, fragment.lower, fragment.versions[at]);
      }
      cursor.seek(lower, 0, lower.length);
      for (; cursor.valid; cursor.next()) {
        const { keyBytes, keyStart, keyLength } = cursor;
        if (compareBytes(keyBytes, keyStart, keyLength, upper, 0, upper.length) >= 0) break;
        if (cursor.version <= readVersion || cursor.seq > sinceSeq) continue;
        const key = keyBytes.slice(keyStart, keyStart + keyLength);
        return conflict('version', readVersion, key, cursor.version);
      }
    }
    return undefined;
  } finally {
    cursor.close();
  }
}

function* fragmentsIn(
  sets: readonly TombstoneSet[],
  lower: Uint8Array,
  upper: Uint8Array,
): Generator<RangeFragment, void, void> {
  for (const set of sets) yield* set.clip(lower, upper);
}

function* touched(writes: WriteSet, reads: ReadSet | undefined): Generator<KeySpan, void, void> {
  for (const { key } of writes.points()) yield { lower: key, upper: keySuccessor(key) };
  yield* writes.deleted;
  if (reads === undefined) return;
  for (const [text] of reads.points()) {
    const key = Buffer.from(text, 'latin1');
    yield { lower: key, upper: keySuccessor(key) };
  }
  yield* reads.spans();
}

function conflictWith(reason: ConflictReason, startTs: number, write: RecentWrite): ConflictError {
  return conflict(reason, startTs, write.key, write.seq);
}

function conflict(
  reason: ConflictReason,
  startTs: number,
  key: Uint8Array | undefined,
  conflictTs: number | undefined,
): ConflictError {
  return new ConflictError({
    reason,
    key: key === undefined ? null : shownKey(key),
    startTs,
    conflictTs: conflictTs ?? 0,
  });
}

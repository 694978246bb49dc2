/**
 * The history of one key: all its stored versions, newest first, deletes included. Managed versions are kept;
 * of ordinary writes only what a reader may still need is there, until a compaction comes by.
 */
import { encodeKey, keySuccessor } from '../key.js';
import { KIND_DELETE, KIND_VALUE_POINTER } from '../entry.js';
import { MergingCursor } from '../iterators/merging.js';
import { begun, Hold, type ReadState } from '../read-view.js';
import { equalBytes } from '../../base/bytes.js';
import type { FamilyName } from '../options.js';
import { checkNames, familyOf, isLimit, type Key } from '../requests.js';
import { ScanSpan } from '../scan-span.js';
import { openSources } from '../sources.js';
import type { Snapshot, SnapshotRegistry } from '../snapshot.js';
import type { ValueLogReader } from '../vlog/reader.js';

export interface VersionsOptions {
  /** Only versions above this one. */
  readonly since?: number;
  /** Versions at most. */
  readonly limit?: number;
  readonly columnFamily?: FamilyName;
  /** As of this snapshot; default: now. */
  readonly snapshot?: Snapshot;
}

/** One version of a key; the value is owned by the receiver. */
export interface KeyVersion {
  readonly version: number;
  readonly seq: number;
  /** delRange: a range delete that holds the key. */
  readonly kind: 'put' | 'del' | 'delRange';
  /** undefined for a delete. */
  readonly value: Uint8Array | undefined;
  /** Wall milliseconds, 0 when it does not expire. It is listed also when that has passed. */
  readonly expiresAt: number;
}

const VERSIONS_NAMES = new Set(['since', 'limit', 'columnFamily', 'snapshot']);

/** What the database reads from. */
interface VersionsSource {
  readonly state: ReadState;
  readonly holds: Set<Hold>;
  readonly snapshots: SnapshotRegistry;
}

/** What to list: the versions of an encoded key in (since, ...], up to a sequence number. */
interface VersionsPlan {
  readonly key: Uint8Array;
  readonly seqMax: number;
  readonly since: number;
  readonly limit: number;
}

interface Stamp {
  readonly version: number;
  readonly seq: number;
}

/**
 * The versions that a read at `visibleSeq`, or at the snapshot of the options, can see. They are held from now on, until it
 * is read to its end or returned from.
 * @throws TypeError, RangeError, ClosedError
 */
export function openVersions(
  { state, holds, snapshots }: VersionsSource,
  valueLog: ValueLogReader,
  visibleSeq: number,
  key: Key,
  options: VersionsOptions,
): Generator<KeyVersion, void, void> {
  checkNames(options, VERSIONS_NAMES);
  const { since = 0, limit = Number.POSITIVE_INFINITY, snapshot } = options;
  if (!Number.isSafeInteger(since) || since < 0) {
    throw new RangeError('Cannot list versions: since must be an integer from 0 to 2^53 - 1');
  }
  if (!isLimit(limit)) {
    throw new RangeError('Cannot list versions: limit must be an integer from 0');
  }
  snapshots.check(snapshot);
  const plan = {
    key: encodeKey(familyOf(options), key),
    seqMax: snapshot?.seq ?? visibleSeq,
    since,
    limit,
  };
  const source = snapshot?.state ?? state;
  const cursor = new MergingCursor(
    openSources(source, new ScanSpan(plan.key, keySuccessor(plan.key))),
  );
  const hold = new Hold(source, cursor, holds);
  return begun(keyVersions(source, cursor, hold, valueLog, plan));
}

/** Keeps the state alive until it is read to its end or returned from; ends early when the database closes. To be `begun`. */
function* keyVersions(
  state: ReadState,
  cursor: MergingCursor,
  hold: Hold,
  valueLog: ValueLogReader,
  plan: VersionsPlan,
): Generator<KeyVersion | undefined, void, void> {
  try {
    yield undefined;
    if (hold.isReleased) return;
    const deletes = rangeDeletesOf(state, plan);
    let left = plan.limit;
    cursor.seek(plan.key, 0, plan.key.length);
    while (left > 0 && !hold.isReleased) {
      skipUnseen(cursor, plan);
      const isPoint = isAt(cursor, plan.key) && cursor.version > plan.since;
      const [range] = deletes;
      if (range !== undefined && (!isPoint || isNewer(range, cursor))) {
        deletes.shift();
        yield { ...range, kind: 'delRange', value: undefined, expiresAt: 0 };
      } else if (isPoint) {
        const found = versionAt(cursor, valueLog);
        cursor.next();
        yield found;
      } else {
        return;
      }
      left--;
    }
  } finally {
    hold.release();
  }
}

function skipUnseen(cursor: MergingCursor, plan: VersionsPlan): void {
  while (isAt(cursor, plan.key) && cursor.seq > plan.seqMax) cursor.next();
}

function isAt(cursor: MergingCursor, key: Uint8Array): boolean {
  return (
    cursor.valid &&
    cursor.keyLength === key.length &&
    equalBytes(cursor.keyBytes, cursor.keyStart, key, 0, key.length)
  );
}

function isNewer(a: Stamp, b: Stamp): boolean {
  return a.version > b.version || (a.version === b.version && a.seq > b.seq);
}

/** The range deletes that hold the key, newest first, each once. */
function rangeDeletesOf(state: ReadState, { key, seqMax, since }: VersionsPlan): Stamp[] {
  const upper = keySuccessor(key);
  return state
    .rangeTombstones()
    .flatMap((tombstones) => [...tombstones.clip(key, upper)])
    .flatMap(({ versions, seqs }) => versions.map((version, i) => ({ version, seq: seqs[i] ?? 0 })))
    .filter(({ seq, version }) => seq <= seqMax && version > since)
    .sort((a, b) => b.version - a.version || b.seq - a.seq)
    .filter((one, i, all) => one.version !== all[i - 1]?.version || one.seq !== all[i - 1]?.seq);
}

function versionAt(cursor: MergingCursor, valueLog: ValueLogReader): KeyVersion {
  const { version, seq, kind, expiresAt, valueBytes, valueStart, valueLength } = cursor;
  if (kind === KIND_DELETE) return { version, seq, kind: 'del', value: undefined, expiresAt };
  const value =
    kind === KIND_VALUE_POINTER
      ? valueLog.read(valueBytes, valueStart)
      : valueBytes.slice(valueStart, valueStart + valueLength);
  return { version, seq, kind: 'put', value, expiresAt };
}

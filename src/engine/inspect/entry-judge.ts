/**
 * Judges every entry of the tables of a workdir as a compaction without open snapshots would: live, old, or a
 * tombstone. Entries of the logs take part, because they hide older ones, but are not counted themselves: they
 * are known by their sequence numbers, which are above those of every table.
 */
import { compareBytes, equalBytes } from '../../base/bytes.js';
import { CorruptionError } from '../../base/errors.js';
import { SEQ_MAX } from '../../base/limits.js';
import {
  entryKeyLength,
  entryKeyStart,
  entryKind,
  entrySeq,
  entryValueLength,
  entryValueStart,
  entryVersion,
  KIND_DELETE,
  KIND_RANGE_DELETE,
  KIND_VALUE_POINTER,
  NO_EXPIRY,
} from '../entry.js';
import type { EntryCursor } from '../iterators/entry-cursor.js';
import { MergingCursor } from '../iterators/merging.js';
import { ArenaPool } from '../memtable/arena-pool.js';
import { indexBytesFor, Memtable } from '../memtable/memtable.js';
import { type RangeTombstone, RangeTombstones } from '../range-tombstones.js';
import type { TableReader } from '../sst/table-reader.js';
import { pointerFileNumber, pointerLength } from '../vlog/value-pointer.js';
import type { Inspection } from './open-inspection.js';
import type { WalInspection } from './wal-inspection.js';

/** Key and value bytes by verdict. */
export interface JudgedEntries {
  live: number;
  /** A newer entry, a range tombstone or their expiry hides them. */
  old: number;
  tombstones: number;
  /** Bytes of value-log records that live entries point to, by segment. */
  readonly liveValues: Map<number, number>;
  /** Tables that are damaged: nothing of them is judged. */
  readonly unreadable: Set<number>;
}

/** Reads all tables. A damaged one becomes a finding, and the rest is judged without it. */
export function judgeEntries(inspection: Inspection): JudgedEntries {
  const unreadable = new Set<number>();
  for (;;) {
    try {
      return judge(inspection, unreadable);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      inspection.findings.addError(error);
      const bad = [...inspection.tables.values()].find((table) => table.path === error.file);
      if (bad === undefined || unreadable.has(bad.meta.fileNumber)) throw error;
      unreadable.add(bad.meta.fileNumber);
    }
  }
}

function judge(inspection: Inspection, unreadable: Set<number>): JudgedEntries {
  const tables = [...inspection.tables.values()].filter(
    (table) => !unreadable.has(table.meta.fileNumber),
  );
  const sums: JudgedEntries = { live: 0, old: 0, tombstones: 0, liveValues: new Map(), unreadable };
  const firstLogged = firstSeqOf(inspection.wals);
  const tombstones = new RangeTombstones([
    ...inspection.wals.flatMap(tombstonesOfLog),
    ...tables.flatMap((table) => table.rangeTombstones()),
  ]);
  const logs = inspection.wals.filter((wal) => wal.entries.length > 0);
  const memtables = logs.map((wal) => memtableOf(wal, inspection));
  const sources: EntryCursor[] = memtables.map((memtable) => memtable.newCursor());
  let merge: MergingCursor | undefined;
  try {
    for (const table of tables) sources.push(openCursor(table));
    merge = new MergingCursor(sources);
    const judge = new EntryJudge(sums, tombstones, firstLogged, inspection.env.clock.nowMs());
    for (merge.first(); merge.valid; merge.next()) judge.add(merge);
    return sums;
  } finally {
    if (merge !== undefined) merge.close();
    else for (const source of sources) source.close();
  }
}

function openCursor(table: TableReader): EntryCursor {
  return table.newCursor({ fillCache: false });
}

class EntryJudge {
  readonly #sums: JudgedEntries;
  readonly #tombstones: RangeTombstones;
  readonly #firstLogged: number;
  readonly #nowMs: number;
  #key = new Uint8Array(0);

  constructor(
    sums: JudgedEntries,
    tombstones: RangeTombstones,
    firstLogged: number,
    nowMs: number,
  ) {
    this.#sums = sums;
    this.#tombstones = tombstones;
    this.#firstLogged = firstLogged;
    this.#nowMs = nowMs;
  }

  /** Entries in internal order. */
  add(entry: EntryCursor): void {
    const { keyBytes, keyStart, keyLength, version, seq, kind, expiresAt } = entry;
    const key = this.#key;
    const isShadowed =
      key.length === keyLength && equalBytes(key, 0, keyBytes, keyStart, keyLength);
    if (!isShadowed) this.#key = keyBytes.slice(keyStart, keyStart + keyLength);
    if (seq >= this.#firstLogged) return;
    const bytes = keyLength + entry.valueLength;
    const isHidden =
      isShadowed ||
      (expiresAt !== NO_EXPIRY && expiresAt <= this.#nowMs) ||
      this.#tombstones.covers(keyBytes, keyStart, keyLength, version, seq, SEQ_MAX, SEQ_MAX);
    if (kind === KIND_DELETE) this.#sums.tombstones += bytes;
    else if (isHidden) this.#sums.old += bytes;
    else this.#addLive(entry, bytes);
  }

  #addLive(entry: EntryCursor, bytes: number): void {
    const { live, liveValues } = this.#sums;
    this.#sums.live = live + bytes;
    if (entry.kind !== KIND_VALUE_POINTER) return;
    const fileNumber = pointerFileNumber(entry.valueBytes, entry.valueStart);
    const length = pointerLength(entry.valueBytes, entry.valueStart);
    liveValues.set(fileNumber, (liveValues.get(fileNumber) ?? 0) + length);
  }
}

function firstSeqOf(wals: readonly WalInspection[]): number {
  let first = SEQ_MAX;
  for (const { view, entries } of wals) {
    for (const at of entries) first = Math.min(first, entrySeq(view, at));
  }
  return first;
}

/** The entries of a log in order; the bytes are copied into an arena of their own. */
function memtableOf(wal: WalInspection, { env }: Inspection): Memtable {
  const pool = new ArenaPool(wal.length, indexBytesFor('skiplist', wal.entries.length), 0);
  const arena = pool.acquire();
  new Uint8Array(arena.data).set(wal.bytes.subarray(0, wal.length));
  const memtable = Memtable.create('skiplist', arena, env.random);
  for (const at of wal.entries) memtable.insert(at);
  return memtable;
}

function tombstonesOfLog({ view, bytes, entries }: WalInspection): RangeTombstone[] {
  return entries
    .filter((at) => entryKind(view, at) === KIND_RANGE_DELETE)
    .map((at) => {
      const keyStart = entryKeyStart(view, at);
      const valueStart = entryValueStart(view, at);
      return {
        lower: bytes.slice(keyStart, keyStart + entryKeyLength(view, at)),
        upper: bytes.slice(valueStart, valueStart + entryValueLength(view, at)),
        version: entryVersion(view, at),
        seq: entrySeq(view, at),
      };
    })
    .filter(({ lower, upper }) => compareBytes(lower, 0, lower.length, upper, 0, upper.length) < 0);
}

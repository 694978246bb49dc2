/** Entries as plain values, and the obvious way to read them: the model of iterator and compaction tests. */
import { compareArrays } from '../../src/base/bytes.js';
import { Prng } from '../../src/base/prng.js';
import { KIND_DELETE, KIND_PUT, NO_EXPIRY } from '../../src/engine/entry.js';
import type { EntryCursor } from '../../src/engine/iterators/entry-cursor.js';
import { encodeKey, FAMILY_DEFAULT } from '../../src/engine/key.js';
import type { RangeTombstone } from '../../src/engine/range-tombstones.js';

export interface ModelEntry {
  readonly key: Uint8Array;
  readonly version: number;
  readonly seq: number;
  readonly kind: number;
  readonly expiresAt: number;
  readonly value: Uint8Array;
}

export interface Reader {
  readonly seqMax: number;
  readonly versionMax: number;
  readonly nowMs: number;
}

export function keyOf(text: string): Uint8Array {
  return encodeKey(FAMILY_DEFAULT, text);
}

export function viewlessKey(bytes: Uint8Array, start: number, length: number): Uint8Array {
  return bytes.slice(start, start + length);
}

/** Internal order. */
export function compareEntries(a: ModelEntry, b: ModelEntry): number {
  return compareArrays(a.key, b.key) || b.version - a.version || b.seq - a.seq;
}

/** Shown as text: key@version/seq=value, D for deletes. */
export function show(entry: ModelEntry): string {
  const key = Buffer.from(entry.key.subarray(1, entry.key.length - 1)).toString();
  const value = entry.kind === KIND_DELETE ? 'D' : Buffer.from(entry.value).toString();
  return `${key}@${entry.version}/${entry.seq}=${value}`;
}

/** The current entry of a cursor, copied; undefined at an end. */
export function entryAt(cursor: EntryCursor): ModelEntry | undefined {
  if (!cursor.valid) return undefined;
  return {
    key: viewlessKey(cursor.keyBytes, cursor.keyStart, cursor.keyLength),
    version: cursor.version,
    seq: cursor.seq,
    kind: cursor.kind,
    expiresAt: cursor.expiresAt,
    value: viewlessKey(cursor.valueBytes, cursor.valueStart, cursor.valueLength),
  };
}

/** What a reader sees, one entry per key, from any entries in any order. */
export function visibleEntries(
  entries: readonly ModelEntry[],
  tombstones: readonly RangeTombstone[],
  reader: Reader,
): ModelEntry[] {
  const sorted = [...entries].sort(compareEntries);
  const seen: ModelEntry[] = [];
  let decided: Uint8Array | undefined;
  for (const entry of sorted) {
    if (decided !== undefined && compareArrays(decided, entry.key) === 0) continue;
    if (entry.seq > reader.seqMax || entry.version > reader.versionMax) continue;
    decided = entry.key;
    const isExpired = entry.expiresAt !== NO_EXPIRY && entry.expiresAt <= reader.nowMs;
    if (entry.kind === KIND_DELETE || isExpired || isCovered(entry, tombstones, reader)) continue;
    seen.push(entry);
  }
  return seen;
}

export function isCovered(
  entry: ModelEntry,
  tombstones: readonly RangeTombstone[],
  reader: { readonly seqMax: number; readonly versionMax: number },
): boolean {
  return tombstones.some(
    (t) =>
      t.seq <= reader.seqMax &&
      t.version <= reader.versionMax &&
      (t.version > entry.version || (t.version === entry.version && t.seq > entry.seq)) &&
      compareArrays(t.lower, entry.key) <= 0 &&
      compareArrays(entry.key, t.upper) < 0,
  );
}

export interface HistoryShape {
  readonly keys: number;
  readonly entries: number;
  readonly rangeTombstones: number;
  /** Explicit versions, in any order of arrival, none equal to its sequence number. */
  readonly isManaged: boolean;
  readonly expires: boolean;
}

/** A random history: sequence numbers 1, 2, ... in order of arrival; expiry times within 1 ... 100. */
export function randomHistory(
  random: Prng,
  shape: HistoryShape,
): { entries: ModelEntry[]; tombstones: RangeTombstone[]; lastSeq: number } {
  const entries: ModelEntry[] = [];
  const tombstones: RangeTombstone[] = [];
  const total = shape.entries + shape.rangeTombstones;
  let tombstonesLeft = shape.rangeTombstones;
  for (let seq = 1; seq <= total; seq++) {
    const chosen = 1 + random.below(total);
    const version = !shape.isManaged ? seq : chosen === seq ? total + 1 : chosen;
    if (random.below(total - seq + 1) < tombstonesLeft) {
      tombstonesLeft--;
      const a = random.below(shape.keys + 1);
      const b = random.below(shape.keys + 1);
      if (a === b) continue;
      const lower = keyOf(keyName(Math.min(a, b)));
      tombstones.push({ lower, upper: keyOf(keyName(Math.max(a, b))), version, seq });
      continue;
    }
    const isDelete = random.chance(1, 4);
    entries.push({
      key: keyOf(keyName(random.below(shape.keys))),
      version,
      seq,
      kind: isDelete ? KIND_DELETE : KIND_PUT,
      expiresAt:
        !isDelete && shape.expires && random.chance(1, 3) ? 1 + random.below(100) : NO_EXPIRY,
      value: isDelete ? new Uint8Array(0) : Buffer.from(`v${seq}`),
    });
  }
  return { entries, tombstones, lastSeq: total };
}

/** Keys of different lengths, in order of their number. */
export function keyName(index: number): string {
  return `k${String(index).padStart(3, '0')}${'x'.repeat(index % 5)}`;
}

/** Runs `body` once per seed; a failure names the seed. */
export function forSeeds(count: number, body: (random: Prng, seed: number) => void): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      body(new Prng(seed), seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}

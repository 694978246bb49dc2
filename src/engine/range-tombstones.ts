/**
 * Range tombstones: "everything in [lower, upper) older than (version, seq) is deleted". Any number of
 * overlapping ones is cut into non-overlapping fragments; each fragment has the list of its
 * tombstones, newest first, so that one binary search and a short scan answer "is this entry deleted?".
 *
 *     a-------------------m  @9            a----f----m-------z
 *               f-----------------z  @5    [9]  [9,5]   [5]
 *
 * Built at once from a list (a table, the inputs of a compaction), or grown by `add` (the active
 * memtable): new ones wait in a short unsorted tail that every lookup scans, and the fragments are
 * built again when the tail is a quarter of the whole, which keeps both sides cheap.
 *
 * Ownership: bounds given to a constructor or to `add` are kept, not copied; they must not change.
 * Lookups allocate nothing. Single-threaded: a lookup remembers its fragment for the next one, so that a
 * cursor walking in either direction pays a comparison or two instead of a search.
 *
 * Invariant: fragments are sorted, disjoint and non-empty ranges; each list is strictly descending.
 */
import { assert, INVARIANTS } from '../base/assert.js';
import { compareArrays, compareBytes } from '../base/bytes.js';

/** One range tombstone. It deletes the entries of [lower, upper) that sort before (version, seq). */
export interface RangeTombstone {
  /** Encoded keys, half-open. */
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  readonly version: number;
  readonly seq: number;
}

/** Tombstones that may wait unsorted before the fragments are built again. */
const TAIL_MIN = 16;

export class RangeTombstones {
  #lowers: Uint8Array[] = [];
  #uppers: Uint8Array[] = [];
  /** Fragment i owns #versions and #seqs [#starts[i], #starts[i + 1]). */
  #starts: number[] = [0];
  #versions: number[] = [];
  #seqs: number[] = [];
  /** All tombstones in the fragments, as they were added. */
  #sorted: RangeTombstone[] = [];
  /** Added since the fragments were built. */
  #tail: RangeTombstone[] = [];
  /** Fragment of the last lookup; 0 <= #last < fragment count when there is one. */
  #last = 0;

  constructor(tombstones: readonly RangeTombstone[] = []) {
    for (const tombstone of tombstones) if (isRange(tombstone)) this.#sorted.push(tombstone);
    this.#build();
  }

  get isEmpty(): boolean {
    return this.#sorted.length === 0 && this.#tail.length === 0;
  }

  /** Tombstones added, before fragmentation. */
  get count(): number {
    return this.#sorted.length + this.#tail.length;
  }

  /** Adds one; an empty range (lower >= upper) is ignored. */
  add(lower: Uint8Array, upper: Uint8Array, version: number, seq: number): void {
    const tombstone = { lower, upper, version, seq };
    if (!isRange(tombstone)) return;
    this.#tail.push(tombstone);
    if (this.#tail.length > Math.max(TAIL_MIN, this.#sorted.length >> 2)) this.#settle();
  }

  /**
   * True when a tombstone that a reader at (seqMax, versionMax) sees deletes the entry: its range holds
   * the key and its (version, seq) is above the entry's.
   */
  covers(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    entryVersion: number,
    entrySeq: number,
    seqMax: number,
    versionMax: number,
  ): boolean {
    if (this.#tail.length !== 0) {
      for (let i = 0; i < this.#tail.length; i++) {
        const t = this.#tail[i] as RangeTombstone;
        if (
          t.seq <= seqMax &&
          t.version <= versionMax &&
          (t.version > entryVersion || (t.version === entryVersion && t.seq > entrySeq)) &&
          compareBytes(t.lower, 0, t.lower.length, keyBytes, keyStart, keyLength) <= 0 &&
          compareBytes(t.upper, 0, t.upper.length, keyBytes, keyStart, keyLength) > 0
        ) {
          return true;
        }
      }
    }
    if (this.#lowers.length === 0) return false;
    const fragment = this.#find(keyBytes, keyStart, keyLength);
    if (fragment < 0) return false;
    const end = this.#starts[fragment + 1] as number;
    for (let i = this.#starts[fragment] as number; i < end; i++) {
      const version = this.#versions[i] as number;
      const seq = this.#seqs[i] as number;
      if (version < entryVersion || (version === entryVersion && seq <= entrySeq)) return false;
      if (seq <= seqMax && version <= versionMax) return true;
    }
    return false;
  }

  /** The fragments that meet [lower, upper), cut to it; in key order. `undefined` is no bound. */
  clip(lower: Uint8Array | undefined, upper: Uint8Array | undefined): RangeFragment[] {
    this.#settle();
    const pieces: RangeFragment[] = [];
    for (let i = 0; i < this.#lowers.length; i++) {
      let from = this.#lowers[i] as Uint8Array;
      let to = this.#uppers[i] as Uint8Array;
      if (lower !== undefined && compareArrays(from, lower) < 0) from = lower;
      if (upper !== undefined && compareArrays(to, upper) > 0) to = upper;
      if (compareArrays(from, to) >= 0) continue;
      const start = this.#starts[i] as number;
      const end = this.#starts[i + 1] as number;
      pieces.push({
        lower: from,
        upper: to,
        versions: this.#versions.slice(start, end),
        seqs: this.#seqs.slice(start, end),
      });
    }
    return pieces;
  }

  /** The tombstones as they were added, in no particular order. */
  list(): RangeTombstone[] {
    return [...this.#sorted, ...this.#tail];
  }

  /**
   * The fragment that holds the key, or -1. Tries the remembered fragment and its neighbours first.
   * Requires at least one fragment.
   */
  #find(keyBytes: Uint8Array, keyStart: number, keyLength: number): number {
    const lowers = this.#lowers;
    let low = 0;
    let high = lowers.length; // the answer is the last fragment of [low, high) with lower <= key
    const last = this.#last;
    const lastLower = lowers[last] as Uint8Array;
    if (compareBytes(lastLower, 0, lastLower.length, keyBytes, keyStart, keyLength) <= 0) {
      low = last;
      if (last + 1 < high) {
        const after = lowers[last + 1] as Uint8Array;
        if (compareBytes(after, 0, after.length, keyBytes, keyStart, keyLength) > 0)
          high = last + 1;
        else low = last + 1;
      }
    } else {
      if (last === 0) return -1;
      high = last;
      const before = lowers[last - 1] as Uint8Array;
      if (compareBytes(before, 0, before.length, keyBytes, keyStart, keyLength) <= 0)
        low = last - 1;
    }
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const bound = lowers[middle] as Uint8Array;
      if (compareBytes(bound, 0, bound.length, keyBytes, keyStart, keyLength) <= 0) low = middle;
      else high = middle;
    }
    this.#last = low;
    const found = lowers[low] as Uint8Array;
    if (compareBytes(found, 0, found.length, keyBytes, keyStart, keyLength) > 0) return -1;
    const upper = this.#uppers[low] as Uint8Array;
    return compareBytes(upper, 0, upper.length, keyBytes, keyStart, keyLength) > 0 ? low : -1;
  }

  #settle(): void {
    if (this.#tail.length === 0) return;
    for (const t of this.#tail) this.#sorted.push(t);
    this.#tail = [];
    this.#build();
  }

  /** Sweeps over the sorted bounds; between two neighbours the active tombstones are constant. */
  #build(): void {
    this.#lowers = [];
    this.#uppers = [];
    this.#starts = [0];
    this.#versions = [];
    this.#seqs = [];
    this.#last = 0;
    if (this.#sorted.length === 0) return;
    const opening = [...this.#sorted].sort((a, b) => compareArrays(a.lower, b.lower));
    const bounds = sortedBounds(this.#sorted);
    let active: RangeTombstone[] = [];
    let opened = 0;
    for (let i = 0; i + 1 < bounds.length; i++) {
      const from = bounds[i] as Uint8Array;
      active = active.filter((t) => compareArrays(t.upper, from) > 0);
      while (opened < opening.length) {
        const next = opening[opened] as RangeTombstone;
        if (compareArrays(next.lower, from) > 0) break;
        insertNewestFirst(active, next);
        opened++;
      }
      if (active.length > 0) this.#pushFragment(from, bounds[i + 1] as Uint8Array, active);
    }
    if (INVARIANTS) this.#check();
  }

  #pushFragment(lower: Uint8Array, upper: Uint8Array, active: readonly RangeTombstone[]): void {
    this.#lowers.push(lower);
    this.#uppers.push(upper);
    for (let i = 0; i < active.length; i++) {
      const t = active[i] as RangeTombstone;
      const before = active[i - 1];
      if (before !== undefined && before.version === t.version && before.seq === t.seq) continue;
      this.#versions.push(t.version);
      this.#seqs.push(t.seq);
    }
    this.#starts.push(this.#versions.length);
  }

  #check(): void {
    for (let i = 0; i < this.#lowers.length; i++) {
      const lower = this.#lowers[i] as Uint8Array;
      assert(
        compareArrays(lower, this.#uppers[i] as Uint8Array) < 0,
        'range tombstones: empty fragment',
      );
      if (i > 0) {
        const ordered = compareArrays(this.#uppers[i - 1] as Uint8Array, lower) <= 0;
        assert(ordered, 'range tombstones: fragments overlap');
      }
    }
  }
}

/** A piece of the key space with its tombstones, newest first; `versions` and `seqs` run in parallel. */
export interface RangeFragment {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  readonly versions: readonly number[];
  readonly seqs: readonly number[];
}

function isRange(tombstone: RangeTombstone): boolean {
  return compareArrays(tombstone.lower, tombstone.upper) < 0;
}

function sortedBounds(tombstones: readonly RangeTombstone[]): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (const t of tombstones) all.push(t.lower, t.upper);
  all.sort(compareArrays);
  return all.filter((bound, i) => i === 0 || compareArrays(all[i - 1] as Uint8Array, bound) !== 0);
}

function insertNewestFirst(list: RangeTombstone[], t: RangeTombstone): void {
  let at = 0;
  while (at < list.length) {
    const other = list[at] as RangeTombstone;
    if (other.version < t.version || (other.version === t.version && other.seq <= t.seq)) break;
    at++;
  }
  list.splice(at, 0, t);
}

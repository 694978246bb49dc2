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
 * built again when the tail is a quarter of the whole, or when lookups have spent as much on the tail as
 * that takes, which keeps both sides cheap.
 *
 * Ownership: bounds given to a constructor or to `add` are kept, not copied; they must not change.
 * Lookups allocate nothing but fragments. Single-threaded: a lookup remembers its fragment for the next one, so that a
 * cursor walking in either direction pays a comparison or two instead of a search.
 *
 * Invariant: fragments are sorted, disjoint and non-empty ranges; each list is strictly descending.
 */
import { assert, INVARIANTS } from '../base/assert.js';
import { compareArrays, compareBytes, indexAbove } from '../base/bytes.js';

/** One range tombstone. It deletes the entries of [lower, upper) that sort before (version, seq). */
export interface RangeTombstone {
  /** Encoded keys, half-open. */
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  readonly version: number;
  readonly seq: number;
}

/** What readers ask: the range tombstones of a memtable or of a sorted run. */
export interface TombstoneSet {
  /**
   * True when a tombstone that a reader at (seqMax, versionMax) sees deletes the entry: its range holds
   * the key and its (version, seq) is above the entry's. @throws CorruptionError
   */
  covers(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    entryVersion: number,
    entrySeq: number,
    seqMax: number,
    versionMax: number,
  ): boolean;
  /** The fragments that meet [lower, upper), cut to it; in key order. `undefined` is no bound. @throws CorruptionError */
  clip(lower: Uint8Array | undefined, upper: Uint8Array | undefined): RangeFragment[];
}

/** Tombstones that may wait unsorted before the fragments are built again. */
const TAIL_MIN = 16;
/** What building the fragments costs per tombstone, in looks at one of the tail. */
const TAIL_WORK = 16;

export class RangeTombstones implements TombstoneSet {
  #lowers: Uint8Array[] = [];
  #uppers: Uint8Array[] = [];
  /** Fragment i owns #versions and #seqs [#starts[i], #starts[i + 1]). */
  #starts: number[] = [0];
  #versions: number[] = [];
  #seqs: number[] = [];
  /** All tombstones in the fragments, by lower and by upper bound: sorting anew what is sorted but for its end is cheap. */
  readonly #byLower: RangeTombstone[] = [];
  readonly #byUpper: RangeTombstone[] = [];
  /** Each of the fragments' has version = seq, as ordinary writes have: its place in a list tells also by seq. */
  #isOrdinary = true;
  /** Added since the fragments were built. */
  #tail: RangeTombstone[] = [];
  /** Tombstones of the tail that lookups have looked at. */
  #tailWork = 0;
  /** Fragment of the last lookup; 0 <= #last < fragment count when there is one. */
  #last = 0;

  constructor(tombstones: readonly RangeTombstone[] = []) {
    for (const tombstone of tombstones) if (isRange(tombstone)) this.#tail.push(tombstone);
    this.#settle();
  }

  /** Those of all sets. Cheaper than from a list: what is in order stays so. */
  static ofAll(sets: readonly RangeTombstones[]): RangeTombstones {
    const all = new RangeTombstones();
    for (const set of sets) {
      set.#settle();
      for (const tombstone of set.#byLower) all.#byLower.push(tombstone);
      for (const tombstone of set.#byUpper) all.#byUpper.push(tombstone);
      all.#isOrdinary &&= set.#isOrdinary;
    }
    all.#build();
    return all;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Tombstones added, before fragmentation. */
  get count(): number {
    return this.#byLower.length + this.#tail.length;
  }

  /** Places in the lists of all fragments: what overlapping ones take, up to the square of their number. */
  get listed(): number {
    return this.#versions.length;
  }

  /** Adds one; an empty range (lower >= upper) is ignored. */
  add(lower: Uint8Array, upper: Uint8Array, version: number, seq: number): void {
    const tombstone = { lower, upper, version, seq };
    if (!isRange(tombstone)) return;
    this.#tail.push(tombstone);
    if (this.#tail.length > Math.max(TAIL_MIN, this.#byLower.length >> 2)) this.#settle();
  }

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
      this.#tailWork += this.#tail.length;
      if (this.#tailWork > TAIL_WORK * this.count) this.#settle();
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
    const limit = this.#isOrdinary && seqMax < versionMax ? seqMax : versionMax;
    for (let i = this.#firstUpTo(limit, fragment); i < end; i++) {
      const version = this.#versions[i] as number;
      const seq = this.#seqs[i] as number;
      if (version < entryVersion || (version === entryVersion && seq <= entrySeq)) return false;
      if (seq <= seqMax) return true;
    }
    return false;
  }

  /** Index of the fragment's first tombstone with at most this version, or the fragment's end. */
  #firstUpTo(versionMax: number, fragment: number): number {
    let low = this.#starts[fragment] as number;
    if ((this.#versions[low] as number) <= versionMax) return low;
    let high = this.#starts[fragment + 1] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#versions[middle] as number) > versionMax) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  clip(lower: Uint8Array | undefined, upper: Uint8Array | undefined): RangeFragment[] {
    this.#settle();
    const pieces: RangeFragment[] = [];
    const first = lower === undefined ? 0 : indexAbove(this.#uppers, lower, 0, lower.length);
    for (let i = first; i < this.#lowers.length; i++) {
      let from = this.#lowers[i] as Uint8Array;
      let to = this.#uppers[i] as Uint8Array;
      if (upper !== undefined && compareArrays(from, upper) >= 0) break;
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
    return [...this.#byLower, ...this.#tail];
  }

  /**
   * The fragment that holds the key, or -1. Tries the remembered fragment, its neighbours and the gaps beside it first.
   * Requires at least one fragment.
   */
  #find(keyBytes: Uint8Array, keyStart: number, keyLength: number): number {
    const lowers = this.#lowers;
    const last = this.#last;
    let low = 0;
    let high = lowers.length; // the only fragment that can hold the key is the last of [low, high) with lower <= key
    if (isUpTo(lowers[last] as Uint8Array, keyBytes, keyStart, keyLength)) {
      if (!isUpTo(this.#uppers[last] as Uint8Array, keyBytes, keyStart, keyLength)) return last;
      low = last + 1;
      if (low === high || !isUpTo(lowers[low] as Uint8Array, keyBytes, keyStart, keyLength))
        return -1;
    } else {
      if (last === 0) return -1;
      if (isUpTo(this.#uppers[last - 1] as Uint8Array, keyBytes, keyStart, keyLength)) return -1;
      high = last;
      if (isUpTo(lowers[last - 1] as Uint8Array, keyBytes, keyStart, keyLength)) low = last - 1;
    }
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (isUpTo(lowers[middle] as Uint8Array, keyBytes, keyStart, keyLength)) low = middle;
      else high = middle;
    }
    this.#last = low;
    if (low === 0 && !isUpTo(lowers[0] as Uint8Array, keyBytes, keyStart, keyLength)) return -1;
    return isUpTo(this.#uppers[low] as Uint8Array, keyBytes, keyStart, keyLength) ? -1 : low;
  }

  #settle(): void {
    if (this.#tail.length === 0) return;
    for (const tombstone of this.#tail) {
      this.#byLower.push(tombstone);
      this.#byUpper.push(tombstone);
      this.#isOrdinary &&= tombstone.version === tombstone.seq;
    }
    this.#tail = [];
    this.#tailWork = 0;
    this.#build();
  }

  /** Sweeps over the sorted bounds; between two neighbours the active tombstones are constant. */
  #build(): void {
    this.#byLower.sort((a, b) => compareArrays(a.lower, b.lower));
    this.#byUpper.sort((a, b) => compareArrays(a.upper, b.upper));
    this.#lowers = [];
    this.#uppers = [];
    this.#starts = [0];
    this.#versions = [];
    this.#seqs = [];
    this.#last = 0;
    const active: RangeTombstone[] = []; // newest first
    let opened = 0;
    let from: Uint8Array | undefined;
    for (let closed = 0; closed < this.#byUpper.length;) {
      const closing = this.#byUpper[closed] as RangeTombstone;
      const opening = this.#byLower[opened];
      const isOpening = opening !== undefined && compareArrays(opening.lower, closing.upper) < 0;
      const bound = isOpening ? opening.lower : closing.upper;
      if (active.length > 0 && from !== undefined && compareArrays(from, bound) < 0) {
        this.#pushFragment(from, bound, active);
      }
      from = bound;
      if (isOpening) {
        active.splice(placeOf(opening, active), 0, opening);
        opened++;
      } else {
        active.splice(active.indexOf(closing, placeOf(closing, active)), 1);
        closed++;
      }
    }
    if (INVARIANTS) this.#check();
  }

  #pushFragment(lower: Uint8Array, upper: Uint8Array, active: readonly RangeTombstone[]): void {
    this.#lowers.push(lower);
    this.#uppers.push(upper);
    let version = -1;
    let seq = -1;
    for (let i = 0; i < active.length; i++) {
      const t = active[i] as RangeTombstone;
      if (t.version === version && t.seq === seq) continue;
      version = t.version;
      seq = t.seq;
      this.#versions.push(version);
      this.#seqs.push(seq);
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

function isUpTo(bound: Uint8Array, key: Uint8Array, start: number, length: number): boolean {
  return compareBytes(bound, 0, bound.length, key, start, length) <= 0;
}

/** Where the tombstone belongs in a list that is newest first: before those that are as new as it is. */
function placeOf({ version, seq }: RangeTombstone, list: readonly RangeTombstone[]): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = list[middle] as RangeTombstone;
    if (other.version > version || (other.version === version && other.seq > seq)) low = middle + 1;
    else high = middle;
  }
  return low;
}

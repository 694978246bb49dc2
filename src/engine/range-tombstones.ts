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
/** What building the fragments costs per tombstone, in looks at one of the tail. */
const TAIL_WORK = 16;

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
  /** Tombstones of the tail that lookups have looked at. */
  #tailWork = 0;
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

  /** Places in the lists of all fragments: what overlapping ones take, up to the square of their number. */
  get listed(): number {
    return this.#versions.length;
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
    for (let i = this.#firstUpTo(versionMax, fragment); i < end; i++) {
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
    this.#tailWork = 0;
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
    const sorted = this.#sorted;
    const bounds = sortedBounds(sorted);
    const isClosed = new Uint8Array(sorted.length);
    let active: number[] = []; // newest first
    for (let i = 0; i < bounds.length;) {
      const from = bounds[i] as Bound;
      let hasClosed = false;
      for (; i < bounds.length; i++) {
        const { key, index, isUpper } = bounds[i] as Bound;
        if (key !== from.key && compareArrays(key, from.key) !== 0) break;
        if (isUpper) isClosed[index] = 1;
        else insertNewestFirst(active, index, sorted);
        hasClosed ||= isUpper;
      }
      if (hasClosed) active = active.filter((index) => isClosed[index] === 0);
      const to = bounds[i];
      if (to !== undefined && active.length > 0) this.#pushFragment(from.key, to.key, active);
    }
    if (INVARIANTS) this.#check();
  }

  /** `active`: indices in #sorted. */
  #pushFragment(lower: Uint8Array, upper: Uint8Array, active: readonly number[]): void {
    this.#lowers.push(lower);
    this.#uppers.push(upper);
    let version = -1;
    let seq = -1;
    for (let i = 0; i < active.length; i++) {
      const t = this.#sorted[active[i] as number] as RangeTombstone;
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

/** An end of the tombstone with this index. */
interface Bound {
  readonly key: Uint8Array;
  readonly index: number;
  readonly isUpper: boolean;
}

function sortedBounds(tombstones: readonly RangeTombstone[]): Bound[] {
  const bounds: Bound[] = [];
  for (let index = 0; index < tombstones.length; index++) {
    const { lower, upper } = tombstones[index] as RangeTombstone;
    bounds.push({ key: lower, index, isUpper: false }, { key: upper, index, isUpper: true });
  }
  return bounds.sort((a, b) => compareArrays(a.key, b.key));
}

/** Into indices of `tombstones`. */
function insertNewestFirst(
  list: number[],
  index: number,
  tombstones: readonly RangeTombstone[],
): void {
  const { version, seq } = tombstones[index] as RangeTombstone;
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = tombstones[list[middle] as number] as RangeTombstone;
    if (other.version > version || (other.version === version && other.seq > seq)) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, index);
}

/**
 * Range tombstones: "everything in [lower, upper) older than (version, seq) is deleted". Their bounds cut the key space
 * into *pieces*, of each of which some of them, or none, hold every key. Over the pieces stands a segment tree, and a
 * tombstone is noted at the few nodes that make up its range, so that n of them take O(n log n) places however
 * they overlap; the tombstones of a piece are those on the way from its leaf to the root.
 *
 *     a---------m  @9              pieces    a    f    m    z
 *          f---------z  @5                   |----|----|----|
 *                                             [9] [9,5]  [5]
 *
 * Built at once from a list (a table, the inputs of a compaction), or grown by `add` (the active
 * memtable): new ones wait in a short unsorted tail that every lookup scans, and all is
 * built again when the tail is a quarter of the whole, or when lookups have spent as much on the tail as
 * that takes, which keeps both sides cheap.
 *
 * Ownership: bounds given to a constructor or to `add` are kept, not copied; they must not change.
 * Lookups allocate nothing. Single-threaded: a lookup remembers its piece for the next one, so that a
 * cursor walking in either direction pays a comparison or two instead of a search.
 */
import { compareArrays, compareBytes, indexAbove } from '../base/bytes.js';

/** One range tombstone. It deletes the entries of [lower, upper) that sort before (version, seq). */
export interface RangeTombstone {
  /** Encoded keys, half-open. */
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  readonly version: number;
  readonly seq: number;
}

/** A piece of the key space with its tombstones, newest first, each once; `versions` and `seqs` run in parallel. */
export interface RangeFragment {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  readonly versions: readonly number[];
  readonly seqs: readonly number[];
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
  /**
   * The fragments that meet [lower, upper), cut to it; in key order, made one by one: all lists of many that overlap would
   * fill the memory. `undefined` is no bound. @throws CorruptionError
   */
  clip(
    lower: Uint8Array | undefined,
    upper: Uint8Array | undefined,
  ): Generator<RangeFragment, void, void>;
}

/** Tombstones that may wait unsorted before all is built again. */
const TAIL_MIN = 16;
/** What that costs per tombstone, in looks at one of the tail. */
const TAIL_WORK = 16;

export class RangeTombstones implements TombstoneSet {
  /** All but those of the tail, as they were added; below they are named by their index in here. */
  readonly #all: RangeTombstone[] = [];
  /** By lower and by upper bound, and newest first: sorting anew what is sorted but for its end is cheap. */
  readonly #byLower: number[] = [];
  readonly #byUpper: number[] = [];
  readonly #byAge: number[] = [];
  /** Each of these has version = seq, as ordinary writes have: the order by age is one by seq, too. */
  #isOrdinary = true;
  /** Added since all was built. */
  #tail: RangeTombstone[] = [];
  /** Tombstones of the tail that lookups have looked at. */
  #tailWork = 0;

  /** Distinct, ascending; piece i is [#bounds[i], #bounds[i + 1]). */
  #bounds: Uint8Array[] = [];
  #pieces = 0;
  /** Per piece the number of its tombstones. */
  #depths = new Uint32Array(0);
  /** Per tombstone its first piece, and the one behind its last. */
  #firsts = new Uint32Array(0);
  #ends = new Uint32Array(0);
  /**
   * Of the tombstones, newest first. A *rank* is an index in here. Node n of the tree, the leaf of piece i being
   * #pieces + i and the parent of n being n >> 1, has the ranks #ranks[#starts[n]] to #ranks[#starts[n + 1] - 1], ascending.
   */
  #versions = new Float64Array(0);
  #seqs = new Float64Array(0);
  /** Per tombstone its rank. */
  #rankOf = new Uint32Array(0);
  #starts = new Uint32Array(0);
  #ranks = new Uint32Array(0);
  /** Piece of the last lookup; 0 <= #last < #pieces when there is one. */
  #last = 0;
  #listed = 0;

  constructor(tombstones: readonly RangeTombstone[] = []) {
    for (const tombstone of tombstones) if (isRange(tombstone)) this.#tail.push(tombstone);
    this.#settle();
  }

  /** Those of all sets. Cheaper than from a list: what is in order stays so. */
  static ofAll(sets: readonly RangeTombstones[]): RangeTombstones {
    const all = new RangeTombstones();
    for (const set of sets) {
      set.#settle();
      const base = all.#all.length;
      for (const tombstone of set.#all) all.#all.push(tombstone);
      for (const index of set.#byLower) all.#byLower.push(base + index);
      for (const index of set.#byUpper) all.#byUpper.push(base + index);
      for (const index of set.#byAge) all.#byAge.push(base + index);
      all.#isOrdinary &&= set.#isOrdinary;
    }
    all.#build();
    return all;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Tombstones added. */
  get count(): number {
    return this.#all.length + this.#tail.length;
  }

  /**
   * Tombstones of all pieces together, those of the tail not counted: the work of who goes through all fragments, up to the
   * square of their number.
   */
  get listed(): number {
    return this.#listed;
  }

  /** Adds one; an empty range (lower >= upper) is ignored. */
  add(lower: Uint8Array, upper: Uint8Array, version: number, seq: number): void {
    const tombstone = { lower, upper, version, seq };
    if (!isRange(tombstone)) return;
    this.#tail.push(tombstone);
    if (this.#tail.length > Math.max(TAIL_MIN, this.#all.length >> 2)) this.#settle();
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
          isUpTo(t.lower, keyBytes, keyStart, keyLength) &&
          !isUpTo(t.upper, keyBytes, keyStart, keyLength)
        ) {
          return true;
        }
      }
    }
    if (this.#pieces === 0) return false;
    const piece = this.#find(keyBytes, keyStart, keyLength);
    if (piece < 0 || this.#depths[piece] === 0) return false;
    const limit = this.#isOrdinary && seqMax < versionMax ? seqMax : versionMax;
    const starts = this.#starts;
    for (let node = piece + this.#pieces; node > 0; node >>= 1) {
      const end = starts[node + 1] as number;
      for (let i = this.#firstUpTo(limit, starts[node] as number, end); i < end; i++) {
        const rank = this.#ranks[i] as number;
        const version = this.#versions[rank] as number;
        const seq = this.#seqs[rank] as number;
        if (version < entryVersion || (version === entryVersion && seq <= entrySeq)) break;
        if (seq <= seqMax) return true;
      }
    }
    return false;
  }

  *clip(
    lower: Uint8Array | undefined,
    upper: Uint8Array | undefined,
  ): Generator<RangeFragment, void, void> {
    const walk = this.walk();
    const first = lower === undefined ? 0 : indexAbove(this.#bounds, lower, 0, lower.length) - 1;
    for (let piece = Math.max(0, first); piece < walk.pieces; piece++) {
      let { lower: from, upper: to } = walk.range(piece);
      if (upper !== undefined && compareArrays(from, upper) >= 0) return;
      if (this.#depths[piece] === 0) continue;
      if (lower !== undefined && compareArrays(from, lower) < 0) from = lower;
      if (upper !== undefined && compareArrays(to, upper) > 0) to = upper;
      if (compareArrays(from, to) >= 0) continue;
      walk.moveTo(piece);
      const versions: number[] = [];
      const seqs: number[] = [];
      for (let i = 0; i < walk.count; i++) {
        const version = walk.version(i);
        const seq = walk.seq(i);
        if (i > 0 && version === versions.at(-1) && seq === seqs.at(-1)) continue;
        versions.push(version);
        seqs.push(seq);
      }
      yield { lower: from, upper: to, versions, seqs };
    }
  }

  /** A walk over the pieces. It ends with the next `add`. */
  walk(): PieceWalk {
    this.#settle();
    return new PieceWalk({
      bounds: this.#bounds,
      byLower: this.#byLower,
      byUpper: this.#byUpper,
      firsts: this.#firsts,
      ends: this.#ends,
      rankOf: this.#rankOf,
      versions: this.#versions,
      seqs: this.#seqs,
      isOrdinary: this.#isOrdinary,
    });
  }

  /** Index of the first of #ranks in [start, end) with at most this version, or `end`. */
  #firstUpTo(versionMax: number, start: number, end: number): number {
    const ranks = this.#ranks;
    const versions = this.#versions;
    let low = start;
    if (low === end || (versions[ranks[low] as number] as number) <= versionMax) return low;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((versions[ranks[middle] as number] as number) > versionMax) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The piece that holds the key, or -1 before the first and behind the last. Tries the remembered piece and its
   * neighbours first. Requires at least one piece.
   */
  #find(keyBytes: Uint8Array, keyStart: number, keyLength: number): number {
    const bounds = this.#bounds;
    const last = this.#last;
    let low = 0;
    let high = this.#pieces + 1; // the piece is the last of [low, high) with its lower bound <= key
    if (isUpTo(bounds[last] as Uint8Array, keyBytes, keyStart, keyLength)) {
      low = last + 1;
      if (!isUpTo(bounds[low] as Uint8Array, keyBytes, keyStart, keyLength)) return last;
      if (low === this.#pieces) return -1;
      if (!isUpTo(bounds[low + 1] as Uint8Array, keyBytes, keyStart, keyLength)) high = low + 1;
    } else {
      if (last === 0) return -1;
      high = last;
      if (isUpTo(bounds[last - 1] as Uint8Array, keyBytes, keyStart, keyLength)) low = last - 1;
      else if (!isUpTo(bounds[0] as Uint8Array, keyBytes, keyStart, keyLength)) return -1;
    }
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (isUpTo(bounds[middle] as Uint8Array, keyBytes, keyStart, keyLength)) low = middle;
      else high = middle;
    }
    if (low === this.#pieces) return -1;
    this.#last = low;
    return low;
  }

  #settle(): void {
    if (this.#tail.length === 0) return;
    for (const tombstone of this.#tail) {
      const index = this.#all.length;
      this.#all.push(tombstone);
      this.#byLower.push(index);
      this.#byUpper.push(index);
      this.#byAge.push(index);
      this.#isOrdinary &&= tombstone.version === tombstone.seq;
    }
    this.#tail = [];
    this.#tailWork = 0;
    this.#build();
  }

  #build(): void {
    const count = this.#all.length;
    const at = (index: number): RangeTombstone => this.#all[index] as RangeTombstone;
    this.#byLower.sort((a, b) => compareArrays(at(a).lower, at(b).lower));
    this.#byUpper.sort((a, b) => compareArrays(at(a).upper, at(b).upper));
    this.#byAge.sort((a, b) => at(b).version - at(a).version || at(b).seq - at(a).seq);
    this.#versions = Float64Array.from(this.#byAge, (index) => at(index).version);
    this.#seqs = Float64Array.from(this.#byAge, (index) => at(index).seq);
    this.#rankOf = new Uint32Array(count);
    this.#byAge.forEach((index, rank) => (this.#rankOf[index] = rank));
    this.#last = 0;
    this.#cut();
    this.#plant();
  }

  /** Sweeps over the bounds of the tombstones. */
  #cut(): void {
    const count = this.#all.length;
    const firsts = new Uint32Array(count);
    const ends = new Uint32Array(count);
    const bounds: Uint8Array[] = [];
    let opened = 0;
    for (let closed = 0; closed < count;) {
      const closing = this.#byUpper[closed] as number;
      const { upper } = this.#all[closing] as RangeTombstone;
      const opening = opened < count ? (this.#byLower[opened] as number) : -1;
      const lower = opening < 0 ? undefined : (this.#all[opening] as RangeTombstone).lower;
      const isOpening = lower !== undefined && compareArrays(lower, upper) < 0;
      const bound = isOpening ? lower : upper;
      const before = bounds.at(-1);
      if (before === undefined || compareArrays(before, bound) < 0) bounds.push(bound);
      if (isOpening) firsts[opening] = bounds.length - 1;
      else ends[closing] = bounds.length - 1;
      if (isOpening) opened++;
      else closed++;
    }
    this.#firsts = firsts;
    this.#ends = ends;
    this.#bounds = bounds;
    this.#pieces = Math.max(0, bounds.length - 1);
  }

  /** Makes the tree. */
  #plant(): void {
    const firsts = this.#firsts;
    const ends = this.#ends;
    const pieces = this.#pieces;
    let listed = 0;
    const depths = new Uint32Array(pieces);
    const starts = new Uint32Array(2 * pieces + 1);
    /** Calls `visit` with the nodes that make up the tombstone's range. */
    const walk = (index: number, visit: (node: number) => void): void => {
      let low = (firsts[index] as number) + pieces;
      let high = (ends[index] as number) + pieces;
      for (; low < high; low >>= 1, high >>= 1) {
        if ((low & 1) === 1) visit(low++);
        if ((high & 1) === 1) visit(--high);
      }
    };
    const changes = new Int32Array(pieces + 1);
    for (const index of this.#byAge) {
      const first = firsts[index] as number;
      const end = ends[index] as number;
      walk(index, (node) => (starts[node + 1] = (starts[node + 1] as number) + 1));
      changes[first] = (changes[first] as number) + 1;
      changes[end] = (changes[end] as number) - 1;
      listed += end - first;
    }
    let depth = 0;
    for (let i = 0; i < pieces; i++) depths[i] = depth += changes[i] as number;
    for (let node = 0; node < 2 * pieces; node++)
      starts[node + 1] = (starts[node + 1] as number) + (starts[node] as number);
    const ranks = new Uint32Array(starts[2 * pieces] as number);
    const filled = starts.slice();
    this.#byAge.forEach((index, rank) => {
      walk(index, (node) => {
        const at = filled[node] as number;
        ranks[at] = rank;
        filled[node] = at + 1;
      });
    });
    this.#listed = listed;
    this.#depths = depths;
    this.#starts = starts;
    this.#ranks = ranks;
  }
}

/** What a walk needs of the tombstones. */
interface WalkedTombstones {
  readonly bounds: readonly Uint8Array[];
  readonly byLower: readonly number[];
  readonly byUpper: readonly number[];
  readonly firsts: Uint32Array;
  readonly ends: Uint32Array;
  readonly rankOf: Uint32Array;
  readonly versions: Float64Array;
  readonly seqs: Float64Array;
  readonly isOrdinary: boolean;
}

/**
 * A walk over the pieces, with the tombstones of the one where it stands, newest first; the same (version, seq) may come
 * more than once. From a piece to the next one only what begins or ends there is touched.
 */
export class PieceWalk {
  /** Of all of the tombstones: version = seq. */
  readonly isOrdinary: boolean;
  readonly pieces: number;
  /** Tombstones of the piece. */
  count: number;
  readonly #of: WalkedTombstones;
  /** Their ranks, ascending. */
  readonly #ranks: Uint32Array;
  #piece: number;
  /** Of byLower and byUpper, those that began or ended at or before the piece's start. */
  #opened: number;
  #closed: number;

  constructor(of: WalkedTombstones) {
    this.isOrdinary = of.isOrdinary;
    this.pieces = Math.max(0, of.bounds.length - 1);
    this.count = 0;
    this.#of = of;
    this.#ranks = new Uint32Array(of.byLower.length);
    this.#piece = -1;
    this.#opened = 0;
    this.#closed = 0;
  }

  range(piece: number): Pick<RangeFragment, 'lower' | 'upper'> {
    const { bounds } = this.#of;
    return { lower: bounds[piece] as Uint8Array, upper: bounds[piece + 1] as Uint8Array };
  }

  version(index: number): number {
    return this.#of.versions[this.#ranks[index] as number] as number;
  }

  seq(index: number): number {
    return this.#of.seqs[this.#ranks[index] as number] as number;
  }

  /** To any piece; a step back goes all the way from the start. */
  moveTo(piece: number): void {
    if (piece < this.#piece) this.#opened = this.#closed = this.count = 0;
    const { byLower, byUpper, firsts, ends, rankOf } = this.#of;
    for (; this.#opened < byLower.length; this.#opened++) {
      const index = byLower[this.#opened] as number;
      if ((firsts[index] as number) > piece) break;
      if ((ends[index] as number) <= piece) continue; // it ended on the way
      this.#insert(rankOf[index] as number);
    }
    for (; this.#closed < byUpper.length; this.#closed++) {
      const index = byUpper[this.#closed] as number;
      if ((ends[index] as number) > piece) break;
      this.#remove(rankOf[index] as number);
    }
    this.#piece = piece;
  }

  #insert(rank: number): void {
    const at = this.#placeOf(rank);
    this.#ranks.copyWithin(at + 1, at, this.count);
    this.#ranks[at] = rank;
    this.count++;
  }

  /** If it is there. */
  #remove(rank: number): void {
    const at = this.#placeOf(rank);
    if (at === this.count || this.#ranks[at] !== rank) return;
    this.#ranks.copyWithin(at, at + 1, this.count);
    this.count--;
  }

  #placeOf(rank: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranks[middle] as number) < rank) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isRange(tombstone: RangeTombstone): boolean {
  return compareArrays(tombstone.lower, tombstone.upper) < 0;
}

function isUpTo(bound: Uint8Array, key: Uint8Array, start: number, length: number): boolean {
  return compareBytes(bound, 0, bound.length, key, start, length) <= 0;
}

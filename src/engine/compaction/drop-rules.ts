/**
 * Which entries a flush or compaction may leave out. Pure; the reasoning and the proof sketch are in
 * docs/compaction.md.
 *
 * A *reader* is a pair (s, V): it sees entries with seq <= s and version <= V, and per key the first of
 * them in internal order decides. Readers to be kept right: s is a pinned sequence number or any above all
 * of them; V is unbounded or >= keepVersionsFrom. An entry e = (v, q) is *shadowed* when every such
 * reader that sees e sees a newer e' of the key, and it is enough to ask the one with the least s and V:
 *
 *   s(q) = least pinned seq >= q, or q itself     V(v) = max(v, keepVersionsFrom)
 *   e is shadowed by e' = (v', q') > (v, q)  when  v' <= V(v)  and  q' <= s(q)
 *
 * The same holds for a range tombstone in the place of e'. "Shadowed by" is transitive, so it does not
 * matter whether e' itself is left out. Since q' <= s(q) asks for the least q' only, two running minima
 * decide: over all newer entries with version <= keepVersionsFrom, and over those of e's own version.
 *
 * A delete (or an expired entry, which reads the same) hides what sorts after it. It may go when nothing does:
 * no later entry of the key stays in this job (`hold`: the caller waits for the end of the key), none lies
 * in an older table (`isBottom`), and none can arrive (`tombstoneFloor`). Range tombstones likewise: at the
 * bottom one goes when no older entry that it covers stays (table-outputs.ts watches).
 */
import { assert } from '../../base/assert.js';
import { compareArrays, compareBytes } from '../../base/bytes.js';
import { SEQ_MAX } from '../../base/limits.js';
import { KIND_DELETE, NO_EXPIRY } from '../entry.js';
import type { PieceWalk, RangeTombstones } from '../range-tombstones.js';

/** Copy the entry. */
export const KEEP = 0;
/** Copy it as a DELETE without value and expiry: it is expired for every reader. */
export const KEEP_AS_DELETE = 1;
/** A delete that may vanish: write it (as a DELETE) only if a later entry of the key is kept. */
export const HOLD = 2;
/** As HOLD, for an entry that has expired. */
export const HOLD_EXPIRED = 3;
/** A newer entry of the key hides it from every reader. */
export const DROP_SHADOWED = 4;
/** A range tombstone hides it from every reader. */
export const DROP_COVERED = 5;

/** A half-open range of encoded keys. */
export interface KeyRange {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
}

/**
 * What must stay readable. Plain data: part of job specs. The two version bounds speak of managed entries,
 * whose version was chosen by the writer. An ordinary entry (version = seq) is read by sequence number
 * only: readers that name versions do not find its history, and it is dropped as soon as it is shadowed.
 */
export interface Retention {
  /**
   * Sequence numbers that readers are pinned to, ascending, each once, and last the sequence number
   * visible when the job was made: snapshots taken later pin at least that.
   */
  readonly pinnedSeqs: readonly number[];
  /** Reads name no version, or one from here on. SEQ_MAX: no read names a version. */
  readonly keepVersionsFrom: number;
  /**
   * Tombstones up to this version may vanish at the bottom: no write that arrives later, and no newer
   * source, holds an entry that sorts after one of them. SEQ_MAX when versions always follow the
   * sequence numbers; 0 when older versions may arrive at any time.
   */
  readonly tombstoneFloor: number;
  /** Wall milliseconds of the oldest reader, or now: what expired by then is gone for all readers. */
  readonly nowMs: number;
}

export class DropRules {
  readonly #retention: Retention;
  readonly #pinned: readonly number[];
  readonly #rangeTombstones: RangeTombstones;
  /** Sorted, disjoint. */
  readonly #olderRanges: readonly KeyRange[];
  /** Index of the first older range whose upper bound is above the current key. */
  #olderAt: number;
  #keyIsBottom: boolean;
  /** Of the current key's newer entries. */
  readonly #hiding: HidingSeqs;
  /** Would the entry just decided be dropped if there were no snapshots? */
  isStale: boolean;

  /**
   * `rangeTombstones` are those of the inputs. `olderRanges`: where tables that are not among the inputs
   * may hold older data of the same keys; sorted and disjoint.
   */
  constructor(
    retention: Retention,
    rangeTombstones: RangeTombstones,
    olderRanges: readonly KeyRange[],
  ) {
    this.#retention = retention;
    this.#pinned = retention.pinnedSeqs;
    this.#rangeTombstones = rangeTombstones;
    this.#olderRanges = olderRanges;
    this.#olderAt = 0;
    this.#keyIsBottom = false;
    this.#hiding = new HidingSeqs(retention.keepVersionsFrom);
    this.isStale = false;
    checkPinned(this.#pinned);
  }

  /** Keys come in ascending order, each once. */
  startKey(keyBytes: Uint8Array, keyStart: number, keyLength: number): void {
    const ranges = this.#olderRanges;
    let at = this.#olderAt;
    while (at < ranges.length) {
      const upper = (ranges[at] as KeyRange).upper;
      if (compareBytes(upper, 0, upper.length, keyBytes, keyStart, keyLength) > 0) break;
      at++;
    }
    this.#olderAt = at;
    this.#keyIsBottom = true;
    if (at < ranges.length) {
      const lower = (ranges[at] as KeyRange).lower;
      this.#keyIsBottom = compareBytes(lower, 0, lower.length, keyBytes, keyStart, keyLength) > 0;
    }
    this.#hiding.clear();
  }

  /** What to do with the next entry of the current key; entries come in internal order. */
  decide(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
    kind: number,
    expiresAt: number,
  ): number {
    const isManaged = version !== seq;
    const keepFrom = isManaged ? this.#retention.keepVersionsFrom : SEQ_MAX;
    const seqMax = leastReaderOf(this.#pinned, seq);
    const least = this.#hiding.least(isManaged, version);
    const isShadowed = least <= seqMax;
    this.isStale = least !== Number.POSITIVE_INFINITY;
    this.#hiding.add(version, seq);
    if (isShadowed) return DROP_SHADOWED;
    const tombstones = this.#rangeTombstones;
    if (!tombstones.isEmpty) {
      const versionMax = version > keepFrom ? version : keepFrom;
      if (tombstones.covers(keyBytes, keyStart, keyLength, version, seq, seqMax, versionMax)) {
        return DROP_COVERED;
      }
      this.isStale ||= tombstones.covers(
        keyBytes,
        keyStart,
        keyLength,
        version,
        seq,
        SEQ_MAX,
        versionMax,
      );
    }
    const isExpired = expiresAt !== NO_EXPIRY && expiresAt <= this.#retention.nowMs;
    if (kind !== KIND_DELETE && !isExpired) return KEEP;
    const canVanish = !isManaged || version <= this.#retention.tombstoneFloor;
    if (this.#keyIsBottom && canVanish) return kind === KIND_DELETE ? HOLD : HOLD_EXPIRED;
    return kind === KIND_DELETE ? KEEP : KEEP_AS_DELETE;
  }
}

/**
 * The running minima over the entries of a key, or the tombstones of a fragment, that came so far, in internal order:
 * what the next one may be shadowed by.
 */
class HidingSeqs {
  readonly #keepVersionsFrom: number;
  /** Least seq, whatever the version. */
  #ofAll: number;
  /** Least seq of those with version <= keepVersionsFrom. */
  #ofUnkept: number;
  /** Least seq of those with version #version. */
  #ofVersion: number;
  #version: number;

  constructor(keepVersionsFrom: number) {
    this.#keepVersionsFrom = keepVersionsFrom;
    this.#ofAll = Number.POSITIVE_INFINITY;
    this.#ofUnkept = Number.POSITIVE_INFINITY;
    this.#ofVersion = Number.POSITIVE_INFINITY;
    this.#version = -1;
  }

  clear(): void {
    this.#ofAll = Number.POSITIVE_INFINITY;
    this.#ofUnkept = Number.POSITIVE_INFINITY;
    this.#ofVersion = Number.POSITIVE_INFINITY;
    this.#version = -1;
  }

  /** Least seq of what every reader of an entry with this version prefers to it, when it sees it; Infinity: none. */
  least(isManaged: boolean, version: number): number {
    if (!isManaged) return this.#ofAll;
    if (version <= this.#keepVersionsFrom) return this.#ofUnkept;
    return version === this.#version ? this.#ofVersion : Number.POSITIVE_INFINITY;
  }

  add(version: number, seq: number): void {
    if (version !== this.#version) {
      this.#version = version;
      this.#ofVersion = Number.POSITIVE_INFINITY;
    }
    if (seq < this.#ofVersion) this.#ofVersion = seq;
    if (seq < this.#ofAll) this.#ofAll = seq;
    if (version <= this.#keepVersionsFrom && seq < this.#ofUnkept) this.#ofUnkept = seq;
  }
}

/** The least sequence number of a reader that sees `seq`: a pinned one, or a later one, which may be any. */
function leastReaderOf(pinned: readonly number[], seq: number): number {
  let low = 0;
  let high = pinned.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pinned[middle] as number) >= seq) high = middle;
    else low = middle + 1;
  }
  return low < pinned.length ? (pinned[low] as number) : seq;
}

/** Of a fragment those that are to be written, newest first; the lists run in parallel. */
export interface KeptTombstones {
  readonly versions: readonly number[];
  readonly seqs: readonly number[];
  /** At the bottom: the tombstone may be left out where no older entry stays. */
  readonly canVanish: readonly boolean[];
}

/**
 * The range tombstones to be written: per fragment, those that another one shadows are left out.
 * Neighbours with equal lists are joined. Lists are made when they are asked for: those of many that overlap, none of
 * which may go, would fill the memory.
 */
export class KeptFragments {
  readonly #walk: PieceWalk;
  readonly #retention: Retention;
  readonly #olderRanges: readonly KeyRange[];
  readonly #ranges: KeyRange[];
  /** Per fragment one of the pieces that were joined to it. */
  readonly #pieces: number[];
  #madeAt: number;
  #made: KeptTombstones;

  /** `tombstones`: nothing is added to them any more. */
  constructor(tombstones: RangeTombstones, retention: Retention, olderRanges: readonly KeyRange[]) {
    this.#walk = tombstones.walk();
    this.#retention = retention;
    this.#olderRanges = olderRanges;
    this.#ranges = [];
    this.#pieces = [];
    this.#madeAt = -1;
    this.#made = NONE_KEPT;
    this.#join();
  }

  get count(): number {
    return this.#ranges.length;
  }

  /** Ascending, disjoint. */
  range(at: number): KeyRange {
    return this.#ranges[at] as KeyRange;
  }

  /** Not empty: the newest tombstone of a fragment is always kept here. */
  kept(at: number): KeptTombstones {
    if (at !== this.#madeAt) {
      this.#madeAt = at;
      this.#made = this.#keptOf(this.#pieces[at] as number);
    }
    return this.#made;
  }

  #join(): void {
    let last = NONE_KEPT;
    for (let piece = 0; piece < this.#walk.pieces; piece++) {
      const next = this.#keptOf(piece);
      if (next.seqs.length === 0) continue;
      const { lower, upper } = this.#walk.range(piece);
      const before = this.#ranges.at(-1);
      const isNext = before !== undefined && compareArrays(before.upper, lower) === 0;
      if (isNext && isSame(last, next)) {
        this.#ranges[this.#ranges.length - 1] = { lower: before.lower, upper };
      } else {
        this.#ranges.push({ lower, upper });
        this.#pieces.push(piece);
      }
      last = next;
    }
  }

  #keptOf(piece: number): KeptTombstones {
    const walk = this.#walk;
    const { pinnedSeqs, keepVersionsFrom, tombstoneFloor } = this.#retention;
    const isBottom = !meetsAny(this.#olderRanges, walk.range(piece));
    const leastPinned = pinnedSeqs[0] ?? -1;
    const versions: number[] = [];
    const seqs: number[] = [];
    const canVanish: boolean[] = [];
    const hiding = new HidingSeqs(keepVersionsFrom);
    walk.moveTo(piece);
    for (let i = 0; i < walk.count; i++) {
      const version = walk.version(i);
      const seq = walk.seq(i);
      const isManaged = version !== seq;
      const isShadowed = hiding.least(isManaged, version) <= leastReaderOf(pinnedSeqs, seq);
      hiding.add(version, seq);
      if (isShadowed) continue;
      versions.push(version);
      seqs.push(seq);
      canVanish.push(isBottom && (!isManaged || version <= tombstoneFloor));
      // Every reader sees this one: it shadows all that are older.
      if (walk.isOrdinary && seq <= leastPinned) break;
    }
    return { versions, seqs, canVanish };
  }
}

const NONE_KEPT: KeptTombstones = { versions: [], seqs: [], canVanish: [] };

function isSame(a: KeptTombstones, b: KeptTombstones): boolean {
  return (
    a.seqs.length === b.seqs.length &&
    a.seqs.every(
      (seq, i) =>
        seq === b.seqs[i] && a.versions[i] === b.versions[i] && a.canVanish[i] === b.canVanish[i],
    )
  );
}

function meetsAny(ranges: readonly KeyRange[], range: KeyRange): boolean {
  return ranges.some((other) => rangesMeet(other, range));
}

/** Do two half-open ranges share a key? */
export function rangesMeet(a: KeyRange, b: KeyRange): boolean {
  return compareArrays(a.lower, b.upper) < 0 && compareArrays(b.lower, a.upper) < 0;
}

function checkPinned(pinned: readonly number[]): void {
  for (let i = 1; i < pinned.length; i++) {
    assert(
      (pinned[i - 1] as number) < (pinned[i] as number),
      'drop rules: pinned sequence numbers ascend',
    );
  }
}

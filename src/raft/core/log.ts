/**
 * The log of a replica: stable entries in storage, the tail in Unstable, and how far it is committed,
 * being applied and applied. Owned by one Raft.
 *
 * Invariants: applied <= applying <= committed <= lastIndex(). Committed entries are never replaced.
 * What storage answers is checked: a storage that contradicts itself makes the replica fail.
 */
import { RaftError } from '../../base/errors.js';
import { countWithin, entriesSize, type Entries, type Entry } from './entry.js';
import { INDEX_MAX, isCount, TERM_MAX } from './ids.js';
import { fatal, type RaftLogger } from './logger.js';
import type { Snapshot } from './state.js';
import type { RaftStorage } from './storage.js';
import { Unstable } from './unstable.js';

/** Answers of term(): the index is before, or behind, what the log knows. */
export const TERM_COMPACTED = -1;
export const TERM_UNAVAILABLE = -2;

export class RaftLog {
  readonly storage: RaftStorage;
  readonly unstable: Unstable;
  readonly #logger: RaftLogger;
  /** Encoded bytes of entries that may be handed out to be applied and not yet be applied. */
  readonly applyingBytesMax: number;
  #applyingBytes = 0;
  /** The limit is reached; it resumes as applies are acknowledged. */
  #isApplyingPaused = false;
  committed: number;
  /** The application was told to apply up to here. */
  applying: number;
  applied: number;

  constructor(storage: RaftStorage, logger: RaftLogger, applyingBytesMax: number) {
    const firstIndex = storage.firstIndex();
    const lastIndex = storage.lastIndex();
    if (!isCount(firstIndex, INDEX_MAX) || !isCount(lastIndex, INDEX_MAX)) {
      throw fatal(logger, 'storage: first or last index is no index');
    }
    if (firstIndex < 1 || lastIndex < firstIndex - 1) {
      throw fatal(logger, `storage: log [${firstIndex}, ${lastIndex}] cannot be`);
    }
    this.storage = storage;
    this.#logger = logger;
    this.unstable = new Unstable(lastIndex + 1, logger);
    this.applyingBytesMax = applyingBytesMax;
    this.committed = firstIndex - 1;
    this.applying = firstIndex - 1;
    this.applied = firstIndex - 1;
  }

  toString(): string {
    const { offset, offsetInProgress, length } = this.unstable;
    return (
      `committed=${this.committed}, applied=${this.applied}, applying=${this.applying}, ` +
      `unstable.offset=${offset}, unstable.offsetInProgress=${offsetInProgress}, ` +
      `len(unstable.Entries)=${length}`
    );
  }

  firstIndex(): number {
    const index = this.unstable.firstIndex();
    return index === -1 ? this.storage.firstIndex() : index;
  }

  lastIndex(): number {
    const index = this.unstable.lastIndex();
    return index === -1 ? this.storage.lastIndex() : index;
  }

  lastTerm(): number {
    const term = this.term(this.lastIndex());
    if (term < 0) {
      throw fatal(
        this.#logger,
        `unexpected error when getting the last term at ${this.lastIndex()}: ${termProblem(term)}`,
      );
    }
    return term;
  }

  /** Term of the entry at `index`, TERM_COMPACTED or TERM_UNAVAILABLE. Known back to firstIndex() - 1. */
  term(index: number): number {
    const unstable = this.unstable.term(index);
    if (unstable !== -1) return unstable;
    if (index + 1 < this.firstIndex()) return TERM_COMPACTED;
    if (index > this.lastIndex()) return TERM_UNAVAILABLE;
    try {
      const term = this.storage.term(index);
      if (isCount(term, TERM_MAX)) return term;
    } catch (error) {
      if (error instanceof RaftError && error.reason === 'compacted') return TERM_COMPACTED;
      if (error instanceof RaftError && error.reason === 'unavailable') return TERM_UNAVAILABLE;
      throw error;
    }
    throw fatal(this.#logger, `storage: no term at index ${index}`);
  }

  /** 0 where term() knows none. */
  termOrZero(index: number): number {
    return Math.max(0, this.term(index));
  }

  matchTerm(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** A log that ends with (index, term) holds everything that ours holds, as far as votes care. */
  isUpToDate(index: number, term: number): boolean {
    const lastTerm = this.lastTerm();
    return term > lastTerm || (term === lastTerm && index >= this.lastIndex());
  }

  /**
   * Takes what a leader sent: entries after (index, term), and how far it has committed. Returns the
   * last index that is now known to match, or -1 when the logs do not match at `index`.
   */
  maybeAppend(index: number, term: number, entries: Entries, committed: number): number {
    if (!this.matchTerm(index, term)) return -1;
    const lastNew = index + entries.length;
    const conflict = this.#findConflict(entries);
    if (conflict !== 0) {
      if (conflict <= this.committed) {
        throw fatal(
          this.#logger,
          `entry ${conflict} conflict with committed entry [committed(${this.committed})]`,
        );
      }
      this.append(entries, conflict - (index + 1));
    }
    this.commitTo(Math.min(committed, lastNew));
    return lastNew;
  }

  /** Appends `entries[from ...]`, replacing what is there from the first of them on. */
  append(entries: Entries, from = 0): void {
    const first = entries[from];
    if (first === undefined) return;
    const after = first.index - 1;
    if (after < this.committed) {
      throw fatal(this.#logger, `after(${after}) is out of range [committed(${this.committed})]`);
    }
    this.unstable.truncateAndAppend(entries, from);
  }

  /** Index of the first entry that is not in the log, or is there with another term; 0: all are. */
  #findConflict(entries: Entries): number {
    for (let i = 0; i < entries.length; i++) {
      const { index, term } = entries[i] as Entry;
      if (this.matchTerm(index, term)) continue;
      if (index <= this.lastIndex()) {
        this.#logger.info(
          `found conflict at index ${index} ` +
            `[existing term: ${this.termOrZero(index)}, conflicting term: ${term}]`,
        );
      }
      return index;
    }
    return 0;
  }

  /**
   * The largest index up to `index` where a log with `term` there may match ours: terms never sink
   * along a log, so entries of a later term are passed over. Stops where our term is not known.
   */
  findConflictByTerm(index: number, term: number): number {
    let at = index;
    while (at > 0 && this.term(at) > term) at--;
    return at;
  }

  /** `committed` is the majority's, at `term`: only entries of the leader's own term commit directly. */
  maybeCommit(index: number, term: number): boolean {
    if (term === 0 || index <= this.committed || !this.matchTerm(index, term)) return false;
    this.commitTo(index);
    return true;
  }

  /** Never sinks. */
  commitTo(index: number): void {
    if (index <= this.committed) return;
    const lastIndex = this.lastIndex();
    if (lastIndex < index) {
      throw fatal(
        this.#logger,
        `tocommit(${index}) is out of range [lastIndex(${lastIndex})]. ` +
          'Was the raft log corrupted, truncated, or lost?',
      );
    }
    this.committed = index;
  }

  /** The application has applied up to `index`; `bytes` were outstanding for it. */
  appliedTo(index: number, bytes: number): void {
    if (this.committed < index || index < this.applied) {
      throw fatal(
        this.#logger,
        `applied(${index}) is out of range ` +
          `[prevApplied(${this.applied}), committed(${this.committed})]`,
      );
    }
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#isApplyingPaused = this.#applyingBytes >= this.applyingBytesMax;
  }

  /** The application was handed the entries up to `index`, of `bytes`. */
  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    if (this.committed < index) {
      throw fatal(
        this.#logger,
        `applying(${index}) is out of range ` +
          `[prevApplying(${this.applying}), committed(${this.committed})]`,
      );
    }
    this.applying = index;
    this.#applyingBytes += bytes;
    // When less was handed out than there is, the next entry would have gone over the limit.
    this.#isApplyingPaused =
      this.#applyingBytes >= this.applyingBytesMax || index < this.#appliableIndex(allowUnstable);
  }

  /** Committed entries may be handed out. Never beside a snapshot: what would be applied first? */
  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#isApplyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.applying < this.#appliableIndex(allowUnstable);
  }

  /** The next committed entries, within the limit. `allowUnstable`: not yet durable here is fine. */
  nextCommitted(allowUnstable: boolean): Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return [];
    const lo = this.applying + 1;
    const hi = this.#appliableIndex(allowUnstable) + 1;
    const entries = this.slice(lo, hi, this.applyingBytesMax - this.#applyingBytes);
    if (entries !== undefined) return entries;
    throw fatal(
      this.#logger,
      `unexpected error when getting unapplied entries (${termProblem(TERM_COMPACTED)})`,
    );
  }

  #appliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  /** undefined: none can be had now. */
  snapshot(): Snapshot | undefined {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.#logger.info(
      `log [${String(this)}] starts to restore snapshot ` +
        `[index: ${snapshot.index}, term: ${snapshot.term}]`,
    );
    this.committed = snapshot.index;
    this.unstable.restore(snapshot);
  }

  /** Entries from `lo` to the end, within `bytesMax`; undefined when `lo` is compacted. */
  entriesFrom(lo: number, bytesMax: number): Entry[] | undefined {
    const lastIndex = this.lastIndex();
    return lo > lastIndex ? [] : this.slice(lo, lastIndex + 1, bytesMax);
  }

  /** Entries lo .. hi-1 within `bytesMax`, at least one; undefined when `lo` is compacted. */
  slice(lo: number, hi: number, bytesMax: number): Entry[] | undefined {
    if (!this.#isInBounds(lo, hi)) return undefined;
    const offset = this.unstable.offset;
    if (lo === hi) return [];
    if (lo >= offset) return cut(this.unstable.slice(lo, hi), bytesMax);

    const end = Math.min(hi, offset);
    const entries = this.#stored(lo, end, bytesMax);
    // Shorter than asked for: the limit is reached already.
    if (entries === undefined || hi <= offset || entries.length < end - lo) return entries;
    const size = bytesMax === Number.POSITIVE_INFINITY ? 0 : entriesSize(entries);
    if (size >= bytesMax) return entries;
    const rest = cut(this.unstable.slice(offset, hi), bytesMax - size);
    // One entry is always returned, but here it is not the first.
    if (rest.length === 1 && size + entriesSize(rest) > bytesMax) return entries;
    for (const entry of rest) entries.push(entry);
    return entries;
  }

  #stored(lo: number, hi: number, bytesMax: number): Entry[] | undefined {
    let entries: Entry[];
    try {
      entries = this.storage.entries(lo, hi, bytesMax);
    } catch (error) {
      if (error instanceof RaftError && error.reason === 'compacted') return undefined;
      if (error instanceof RaftError && error.reason === 'unavailable') {
        throw fatal(this.#logger, `entries[${lo}:${hi}) is unavailable from storage`);
      }
      throw error;
    }
    const count = entries.length;
    const isRun = entries[0]?.index === lo && entries[count - 1]?.index === lo + count - 1;
    if (isRun && count <= hi - lo) return entries;
    throw fatal(this.#logger, `storage: other entries than [${lo},${hi})`);
  }

  /** False when `lo` is compacted. */
  #isInBounds(lo: number, hi: number): boolean {
    if (lo > hi) throw fatal(this.#logger, `invalid slice ${lo} > ${hi}`);
    const firstIndex = this.firstIndex();
    if (lo < firstIndex) return false;
    const lastIndex = this.lastIndex();
    if (hi <= lastIndex + 1) return true;
    throw fatal(this.#logger, `slice[${lo},${hi}) out of bound [${firstIndex},${lastIndex}]`);
  }
}

/** Shortens the array, which is the caller's own. */
function cut(entries: Entry[], bytesMax: number): Entry[] {
  const count = countWithin(entries, bytesMax);
  if (count < entries.length) entries.length = count;
  return entries;
}

function termProblem(term: number): string {
  return term === TERM_COMPACTED
    ? 'requested index is unavailable due to compaction'
    : 'requested entry at index is unavailable';
}

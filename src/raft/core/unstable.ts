/**
 * The tail of the log that is not known to be durable, and a snapshot on its way to storage. Entries
 * pass through three states: new, handed out to be written (in progress), and stable, when they leave.
 * A new leader may replace entries while they are being written: acknowledgements name a term.
 *
 * Invariants: entries[i] has index offset + i; offset <= offsetInProgress <= offset + entries.length.
 */
import type { Entries, Entry } from './entry.js';
import { fatal, type RaftLogger } from './logger.js';
import type { Snapshot } from './state.js';

export class Unstable {
  readonly #logger: RaftLogger;
  #entries: Entry[] = [];
  /** Index after the last entry that is being written. */
  #offsetInProgress: number;
  #isSnapshotInProgress = false;
  offset: number;
  snapshot: Snapshot | undefined = undefined;

  constructor(offset: number, logger: RaftLogger) {
    this.offset = offset;
    this.#offsetInProgress = offset;
    this.#logger = logger;
  }

  get length(): number {
    return this.#entries.length;
  }

  get offsetInProgress(): number {
    return this.#offsetInProgress;
  }

  /** First index that may be there, when a snapshot decides it; else -1. */
  firstIndex(): number {
    return this.snapshot === undefined ? -1 : this.snapshot.index + 1;
  }

  /** Last index, when entries or a snapshot are here; else -1. */
  lastIndex(): number {
    if (this.#entries.length > 0) return this.offset + this.#entries.length - 1;
    return this.snapshot === undefined ? -1 : this.snapshot.index;
  }

  /** Term of the entry at `index`, or -1 when it is not here. */
  term(index: number): number {
    if (index < this.offset) {
      return this.snapshot?.index === index ? this.snapshot.term : -1;
    }
    const entry = this.#entries[index - this.offset];
    return entry === undefined ? -1 : entry.term;
  }

  get hasNextEntries(): boolean {
    return this.offset + this.#entries.length > this.#offsetInProgress;
  }

  /** Entries nobody writes yet; the array is the caller's. */
  nextEntries(): Entry[] {
    return this.#entries.slice(this.#offsetInProgress - this.offset);
  }

  /** The snapshot, unless it is being written. */
  nextSnapshot(): Snapshot | undefined {
    return this.#isSnapshotInProgress ? undefined : this.snapshot;
  }

  /** Everything here was handed out to be written. */
  acceptInProgress(): void {
    this.#offsetInProgress = this.offset + this.#entries.length;
    if (this.snapshot !== undefined) this.#isSnapshotInProgress = true;
  }

  /** The entries up to (index, term) are durable, if they are still the ones that were handed out. */
  stableTo(index: number, term: number): void {
    const known = this.term(index);
    if (known === -1) {
      this.#logger.info(`entry at index ${index} missing from unstable log; ignoring`);
      return;
    }
    if (index < this.offset) {
      this.#logger.info(`entry at index ${index} matched unstable snapshot; ignoring`);
      return;
    }
    if (known !== term) {
      // Replaced between the moment they were handed out and the moment they were written.
      this.#logger.info(
        `entry at (index,term)=(${index},${term}) mismatched with ` +
          `entry at (${index},${known}) in unstable log; ignoring`,
      );
      return;
    }
    const count = index + 1 - this.offset;
    if (count === this.#entries.length) this.#entries = [];
    else this.#entries.splice(0, count);
    this.offset = index + 1;
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.snapshot?.index !== index) return;
    this.snapshot = undefined;
    this.#isSnapshotInProgress = false;
  }

  /** Everything here is replaced by the snapshot. */
  restore(snapshot: Snapshot): void {
    this.offset = snapshot.index + 1;
    this.#offsetInProgress = this.offset;
    this.#entries = [];
    this.snapshot = snapshot;
    this.#isSnapshotInProgress = false;
  }

  /** Appends `entries[from ...]`, replacing what is at their indexes and after. Requires one, at least. */
  truncateAndAppend(entries: Entries, from: number): void {
    const first = (entries[from] as Entry).index;
    if (first < this.offset || (first === this.offset && this.#entries.length > 0)) {
      this.#logger.info(`replace the unstable entries from index ${first}`);
      this.#entries = [];
      this.offset = first;
      this.#offsetInProgress = first;
    } else if (first < this.offset + this.#entries.length) {
      this.#logger.info(`truncate the unstable entries before index ${first}`);
      this.#mustBeIn(this.offset, first);
      this.#entries.length = first - this.offset;
      this.#offsetInProgress = Math.min(this.#offsetInProgress, first);
    } else {
      this.#mustBeIn(this.offset, first);
    }
    for (let i = from; i < entries.length; i++) this.#entries.push(entries[i] as Entry);
  }

  /** Entries lo .. hi-1; the array is the caller's. Requires them to be here. */
  slice(lo: number, hi: number): Entry[] {
    this.#mustBeIn(lo, hi);
    return this.#entries.slice(lo - this.offset, hi - this.offset);
  }

  #mustBeIn(lo: number, hi: number): void {
    if (lo > hi) throw fatal(this.#logger, `invalid unstable.slice ${lo} > ${hi}`);
    const upper = this.offset + this.#entries.length;
    if (lo < this.offset || hi > upper) {
      throw fatal(
        this.#logger,
        `unstable.slice[${lo},${hi}) out of bound [${this.offset},${upper}]`,
      );
    }
  }
}
